//! What the driver says: one JSON object per line, flushed at once.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// One event. Field names are those of the protocol.
#[derive(Debug, Serialize)]
#[serde(tag = "ev", rename_all = "lowercase")]
pub enum Event<'a> {
    /// Connected; a candidate also says who it is and when.
    Ready {
        /// The candidate.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        /// When it was connected.
        #[serde(skip_serializing_if = "Option::is_none")]
        t: Option<u64>,
    },
    /// The candidate was elected.
    Leader {
        /// The candidate.
        id: &'a str,
        /// Its value.
        val: &'a str,
        /// When the campaign returned.
        t: u64,
        /// The fencing token.
        token: u64,
    },
    /// The candidate resigned.
    Resigned {
        /// The candidate.
        id: &'a str,
        /// When resign was called.
        t0: u64,
        /// When it returned.
        t: u64,
    },
    /// Whether the candidate leads.
    Check {
        /// Whether the check succeeded.
        ok: bool,
        /// The token of the present or last leadership; 0 if there was none.
        token: u64,
        /// How long the leadership is valid without another renewal; 0 if it is not.
        valid_for_ns: u64,
        /// Read just before the check.
        t: u64,
    },
    /// Leadership was lost, not resigned.
    Lost {
        /// The candidate.
        id: &'a str,
        /// `SessionExpired`, `Deposed`, `Unproven` or `Closed`.
        reason: String,
        /// The token of the lost leadership.
        token: u64,
        /// When the loss was noticed.
        t: u64,
    },
    /// All observers have seen a leadership.
    Notice {
        /// The leader's value.
        val: &'a str,
        /// When each of them saw it.
        t: &'a [u64],
    },
    /// The elections are held.
    Held {
        /// How many.
        elections: usize,
        /// How long it took to win them all.
        acquire_ns: u64,
    },
    /// What was measured.
    Result(Measured<'a>),
    /// A failure.
    Error {
        /// What failed, and why.
        err: &'a str,
    },
}

/// The numbers of a `result` event.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Measured<'a> {
    /// Of `cycle`.
    Cycles {
        /// How many candidates ran.
        candidates: usize,
        /// The length of the measured window.
        elapsed_ns: u64,
        /// Cycles wholly inside it.
        cycles: usize,
        /// How long each campaign took.
        campaign_ns: &'a [u64],
        /// How long each resign took.
        resign_ns: &'a [u64],
    },
    /// Of `herd`.
    Handovers {
        /// From each resign to the next leader.
        handover_ns: &'a [u64],
        /// From the first resign to the last leader.
        total_ns: u64,
    },
}

/// Where events go. Cloned into every thread and task that has something to say.
#[derive(Clone)]
pub struct Output(Arc<Mutex<dyn Write + Send>>);

impl Output {
    /// The standard output of this process.
    #[must_use]
    pub fn stdout() -> Self {
        Self::new(io::stdout())
    }

    /// Any other place.
    pub fn new(writer: impl Write + Send + 'static) -> Self {
        Self(Arc::new(Mutex::new(writer)))
    }

    /// Says it. If nobody listens any more the process ends: there is nobody left to work for.
    pub fn say(&self, event: &Event<'_>) {
        let mut line = serde_json::to_vec(event).expect("an event is numbers and strings");
        line.push(b'\n');
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.write_all(&line).and_then(|()| writer.flush()).is_err() {
            std::process::exit(1);
        }
    }

    /// Says that something failed.
    pub fn error(&self, err: impl AsRef<str>) {
        self.say(&Event::Error { err: err.as_ref() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_those_of_the_protocol() {
        let line = |event: &Event<'_>| serde_json::to_string(event).unwrap();
        assert_eq!(line(&Event::Ready { id: None, t: None }), r#"{"ev":"ready"}"#);
        assert_eq!(line(&Event::Ready { id: Some("a"), t: Some(5) }), r#"{"ev":"ready","id":"a","t":5}"#);
        assert_eq!(
            line(&Event::Leader { id: "a", val: "x\"y", t: 1, token: 2 }),
            r#"{"ev":"leader","id":"a","val":"x\"y","t":1,"token":2}"#
        );
        assert_eq!(
            line(&Event::Check { ok: true, token: 3, valid_for_ns: 4, t: 5 }),
            r#"{"ev":"check","ok":true,"token":3,"valid_for_ns":4,"t":5}"#
        );
        let cycles =
            Measured::Cycles { candidates: 1, elapsed_ns: 9, cycles: 1, campaign_ns: &[4], resign_ns: &[3] };
        assert_eq!(
            line(&Event::Result(cycles)),
            r#"{"ev":"result","candidates":1,"elapsed_ns":9,"cycles":1,"campaign_ns":[4],"resign_ns":[3]}"#
        );
        let herd = Measured::Handovers { handover_ns: &[1, 2], total_ns: 3 };
        assert_eq!(line(&Event::Result(herd)), r#"{"ev":"result","handover_ns":[1,2],"total_ns":3}"#);
        assert_eq!(line(&Event::Error { err: "no" }), r#"{"ev":"error","err":"no"}"#);
    }
}
