//! [`Figure`]: one thing that is measured.

use std::time::Duration;

use serde::Serialize;

use super::Goal;

/// One figure of a suite.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Whose figure it is, e.g. `etcd-3`.
    pub subject: String,
    /// Under which circumstances, e.g. the number of candidates.
    pub case: String,
    /// What the figure should be, compared with the raw limit.
    pub goal: Goal,
    /// The subject of another implementation of the same, for [`Goal::AtLeastOfRival`].
    pub rival: Option<String>,
    /// How many elections, or candidates, one iteration serves.
    pub elements: u64,
    /// How many samples are taken, at least 10.
    pub samples: usize,
    /// About how long taking them may last.
    pub time: Duration,
}

impl Figure {
    /// A figure with criterion's least number of samples.
    #[must_use]
    pub fn new(subject: impl ToString, case: impl ToString, goal: Goal) -> Self {
        let (subject, case) = (subject.to_string(), case.to_string());
        Self { subject, case, goal, rival: None, elements: 1, samples: 10, time: Duration::from_secs(5) }
    }

    /// The same, of the raw limit.
    #[must_use]
    pub fn limit(&self) -> Self {
        Self { subject: format!("{}-raw", self.subject), goal: Goal::Limit, rival: None, ..self.clone() }
    }

    /// The same, of that other implementation.
    #[must_use]
    pub fn of_rival(&self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), goal: Goal::Free, rival: None, ..self.clone() }
    }
}

/// What elections cost that are held and left in peace, seen for some seconds.
#[derive(Clone, Debug, Serialize)]
pub struct Held {
    /// How many.
    pub elections: u64,
    /// How long they were watched.
    pub seconds: f64,
    /// Requests that reached the servers meanwhile; `None` if they do not count them.
    pub requests: Option<f64>,
    /// Flushes of the servers' logs meanwhile.
    pub fsyncs: Option<f64>,
    /// Processor seconds of the servers meanwhile.
    pub server_cpu_s: Option<f64>,
    /// Processor seconds of the process that holds them.
    pub own_cpu_s: Option<f64>,
    /// Memory of the process for each of them, allocated and not given back.
    pub bytes_each: f64,
    /// Tasks of the runtime, more than before.
    pub tasks: i64,
    /// Threads of the process, more than before.
    pub threads: i64,
}
