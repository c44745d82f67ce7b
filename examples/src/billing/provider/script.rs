//! What goes wrong at the provider, and when.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// How one request for a charge goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// The answer takes its time.
    Slow {
        /// So many milliseconds.
        millis: u64,
    },
    /// The charge is executed, then the connection is closed without an answer.
    LoseAnswer,
    /// The process dies before it charges.
    DieBefore,
    /// The process dies after it has charged, before it answers.
    DieAfter,
    /// The charge is executed and the answer held back until [`Control::release`](super::Control::release):
    /// the moment between the charge and the answer, for as long as it is needed.
    Hold,
}

/// One step: let some charges pass, then fail one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// How many new charges pass unharmed before it, counted from the step before.
    pub after: u64,
    /// What happens to the next one.
    pub fault: Fault,
}

/// Steps in order. Counting charges instead of seconds makes a run repeatable on a slow machine, too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Script(VecDeque<Step>);

impl Script {
    /// What happens to the charge that is asked for now.
    pub fn foresee(&mut self) -> Option<Fault> {
        let step = self.0.front_mut()?;
        if step.after > 0 {
            step.after -= 1;
            return None;
        }
        self.0.pop_front().map(|step| step.fault)
    }

    /// Removes the first step: it was carried out.
    pub fn pop(&mut self) -> Option<Step> {
        self.0.pop_front()
    }
}

impl FromIterator<Step> for Script {
    fn from_iter<I: IntoIterator<Item = Step>>(steps: I) -> Self {
        Self(steps.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_counts_charges_from_one_step_to_the_next() {
        let mut script: Script =
            [Step { after: 1, fault: Fault::LoseAnswer }, Step { after: 0, fault: Fault::Hold }]
                .into_iter()
                .collect();
        assert_eq!(script.foresee(), None);
        assert_eq!(script.foresee(), Some(Fault::LoseAnswer));
        assert_eq!(script.foresee(), Some(Fault::Hold));
        assert_eq!(script.foresee(), None);
    }
}
