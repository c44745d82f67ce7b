//! [`Event`]: one line of a history.

use election_core::LeaderEvent;
use serde::{Deserialize, Serialize};

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// The process: `invoke` is its first line, `ok` its last one; from `info` on it contends no more.
    Run,
    /// Connecting to the service.
    Connect,
    /// A campaign: `ok` is won, `fail` ended with an error, `info` was dropped before it ended.
    Campaign,
    /// One `check()`, begun at `began_ns`: `ok` or `fail`. Each is recorded.
    Check,
    /// `lost()` has fired.
    Lost,
    /// A resign: the claim ends between `invoke` and `info`; `ok` and `fail` are its answer.
    Resign,
    /// A leadership dropped without a resign: the claim ends between `invoke` and `ok`.
    Drop,
    /// The coordinator closed: all claims of the process end between `invoke` and `ok` or `fail`.
    Close,
    /// A unit of work written to the sink: `ok` is committed, `fail` was refused and rolled back, `info` is unknown.
    Unit,
    /// An observation: `invoke` begins a stream, each `info` is an item with its `view`, `ok` is the observer's end of
    /// it, `fail` the stream's own.
    Observe,
    /// A fault of the harness: `invoke` before it begins, `info` while it is surely active, `ok` once it is surely over.
    Fault,
    /// The records of the election, first come first, as the harness read them in the service between `began_ns` and
    /// `mono_ns`.
    Records,
}

/// How far the operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Not yet begun when the line was stamped.
    Invoke,
    /// Over, as asked, when the line was stamped.
    Ok,
    /// Over, without effect or with an error.
    Fail,
    /// Anything else: unknown outcomes, and what was seen.
    Info,
}

/// What an observer saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum View {
    /// Somebody leads.
    Elected {
        /// The candidate's id.
        id: String,
        /// Its value.
        value: String,
        /// Its token.
        token: u64,
    },
    /// Nobody leads.
    Vacant,
    /// The service cannot be reached.
    Disconnected {
        /// The token of the last leader seen.
        last: Option<u64>,
    },
}

impl From<LeaderEvent> for View {
    fn from(event: LeaderEvent) -> Self {
        match event {
            LeaderEvent::Elected(leader) => Self::Elected {
                id: leader.id,
                value: String::from_utf8_lossy(&leader.value).into_owned(),
                token: leader.token.get(),
            },
            LeaderEvent::Vacant => Self::Vacant,
            LeaderEvent::Disconnected { last, .. } => {
                Self::Disconnected { last: last.map(|leader| leader.token.get()) }
            }
        }
    }
}

/// What a fault is, and whom it hits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// Tells the faults of a run apart.
    pub number: u64,
    /// The kind, e.g. `pause-leader`.
    pub kind: String,
    /// A process or a server, in words.
    #[serde(default)]
    pub target: String,
    /// The process that is paused or killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<u32>,
    /// What it does to the contract's terms.
    #[serde(default)]
    pub effect: Effect,
    /// The token of the record that an administrator deleted, or whose session he ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// Whether it did what it is about, if only the harness can tell: e.g. that the leader's server was in the minority.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exercised: Option<bool>,
}

/// What a fault does, as far as the checker has to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Effect {
    /// It makes things slow or impossible. The contract holds.
    #[default]
    Disturbs,
    /// It stops the process `pid`. The contract holds, and the first check after a pause longer than the TTL fails.
    Pauses,
    /// It kills the process `pid`. The contract holds.
    Kills,
    /// An administrator deletes a record or ends a session. A successor may then lead while the word is on its way to
    /// the deposed.
    Deposes,
}

/// One line. Build it with [`Event::new`]; the [`Recorder`](super::Recorder) adds the stamps and who wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// `CLOCK_MONOTONIC` when the line was written: before the operation on `invoke`, else after it.
    pub mono_ns: u64,
    /// `CLOCK_BOOTTIME` at the same moment.
    pub boot_ns: u64,
    /// The wall clock as the process sees it, which may be wrong: only to show that it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wall_ns: Option<u64>,
    /// The process.
    pub pid: u32,
    /// The how-manieth start of that id it is.
    pub incarnation: u32,
    /// Counts the lines of an incarnation.
    pub seq: u64,
    /// Who writes: a candidate's or an observer's id, or the harness.
    pub id: String,
    /// The election.
    pub election: String,
    /// What it is about.
    pub op: Op,
    /// How far that is.
    pub phase: Phase,
    /// The campaign or the observation that it belongs to, counted from 1 in each incarnation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// `CLOCK_MONOTONIC` before an operation that has a line for its end only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began_ns: Option<u64>,
    /// The clock of the deadline, read after `began_ns` and before the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ns: Option<u64>,
    /// The fencing token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<u64>,
    /// The deadline, on the clock of `clock_ns`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<u64>,
    /// The unit of work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<u64>,
    /// What an observer saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// What the harness did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// The tokens of the records, first come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub records: Option<Vec<u64>>,
    /// Why it failed, in one word: a `Loss`, a `Kind` or `fenced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What a person wants to know besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Event {
    /// An event that only says what and how far.
    #[must_use]
    pub fn new(op: Op, phase: Phase) -> Self {
        Self {
            mono_ns: 0,
            boot_ns: 0,
            wall_ns: None,
            pid: 0,
            incarnation: 0,
            seq: 0,
            id: String::new(),
            election: String::new(),
            op,
            phase,
            number: None,
            began_ns: None,
            clock_ns: None,
            token: None,
            valid_until: None,
            unit: None,
            view: None,
            fault: None,
            records: None,
            reason: None,
            note: None,
        }
    }

    /// The records that the harness read in the service; `began` is a stamp from before the question.
    #[must_use]
    pub fn records(tokens: Vec<u64>, began: super::Stamp) -> Self {
        Self { records: Some(tokens), began_ns: Some(began.mono_ns), ..Self::new(Op::Records, Phase::Info) }
    }

    /// The earliest moment at which what this line reports can have happened.
    #[must_use]
    pub fn earliest(&self) -> u64 {
        self.began_ns.unwrap_or(self.mono_ns)
    }
}
