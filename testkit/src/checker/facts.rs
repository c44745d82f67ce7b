//! [`Facts`]: what no history tells.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::contender::Row;

/// Lies beside the histories.
const FILE: &str = "facts.json";

/// What the harness knows besides the histories.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Facts {
    /// The election that is checked.
    pub election: String,
    /// What the backend and the machine are held to.
    pub bounds: Bounds,
    /// The election's records in the service after all contenders had ended and a takeover bound had passed; `None` if
    /// nobody looked.
    pub records: Option<Vec<Left>>,
    /// All that the sink accepted, in its order; `None` if there was none.
    pub sink: Option<Vec<Row>>,
    /// What the run must have exercised to count.
    pub required: Vec<Requirement>,
}

/// The durations that the laws speak of.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Bounds {
    /// The longest that a session outlives its process, as granted.
    pub ttl: Duration,
    /// From the end of the last fault, or from the end of a leader without a resign, to the next claim.
    pub takeover: Duration,
    /// From a resign to the next claim.
    pub handover: Duration,
    /// From the deletion of a record to the owner's first failing check: one push of a watch.
    pub depose: Duration,
    /// From a change to its being seen.
    pub observe: Duration,
}

/// A record that was found at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Its token.
    pub token: u64,
    /// The candidate's value.
    pub value: String,
}

/// A fault that a run must have exercised, and what makes it one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requirement {
    /// The kind of the fault.
    pub kind: String,
    /// How often at least.
    pub times: usize,
    /// What counts.
    pub exercise: Exercise,
}

/// What makes a fault count as exercised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exercise {
    /// It took place.
    Began,
    /// It hit a leader: the fault's process (or token) held a claim when the fault began.
    HitLeader,
    /// It hit a leader, and for longer than the leader's deadline at its begin.
    OutlastedDeadline,
    /// It hit a leader, and another one was elected before the fault was over and the takeover bound had passed.
    TakenOver,
    /// The harness says so in [`Fault::exercised`](crate::history::Fault::exercised).
    Confirmed,
}

impl Facts {
    /// Facts about an election of which only the bounds are known.
    #[must_use]
    pub fn new(election: impl Into<String>, bounds: Bounds) -> Self {
        Self { election: election.into(), bounds, records: None, sink: None, required: Vec::new() }
    }

    /// Writes them beside the histories, so that the folder can be kept and checked again.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written to.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let file = folder.join(FILE);
        fs::write(&file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("cannot write {}", file.display()))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    ///
    /// When there is no such file, or it is not one of ours.
    pub fn load(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        let text = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} holds no facts", file.display()))
    }
}

impl Bounds {
    /// Bounds for a TTL on a busy machine: a takeover within two TTL (a service whose own leader dies lets every session
    /// live a second one) and a second, all else within a second.
    #[must_use]
    pub fn for_ttl(ttl: Duration) -> Self {
        let second = Duration::from_secs(1);
        Self { ttl, takeover: ttl * 2 + second, handover: second, depose: second, observe: second }
    }
}
