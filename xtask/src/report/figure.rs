//! [`Figure`]: one thing that was measured, and everything that is known about it.

use serde::Deserialize;

use super::subject::Subject;

/// As read from criterion's files and ours.
#[derive(Debug, Clone)]
pub(crate) struct Figure {
    /// The sample means, in nanoseconds per iteration, ascending. Never empty.
    pub(crate) samples: Vec<f64>,
    /// Their median, as criterion has it.
    pub(crate) median: f64,
    /// How many iterations they are means of, all together.
    pub(crate) iterations: f64,
    pub(crate) subject: Subject,
    pub(crate) side: Side,
}

/// `figure.json`, which the bench has written beside criterion's files.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Side {
    pub(crate) bench: String,
    pub(crate) subject: String,
    pub(crate) case: String,
    /// How many elections one iteration serves.
    pub(crate) elements: f64,
    pub(crate) goal: Goal,
    /// The subject of its raw limit.
    pub(crate) raw: Option<String>,
    /// The subject of another implementation that it is compared with.
    #[serde(default)]
    pub(crate) rival: Option<String>,
    pub(crate) quick: bool,
    pub(crate) cost: Option<Cost>,
    pub(crate) servers: Option<Servers>,
    pub(crate) context: Context,
}

/// What it should be.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Goal {
    AtLeastOfRawRate(f64),
    AtLeastOfRivalsRate(f64),
    AtMostOfRawTime(f64),
    WithinMs(f64),
    None,
    RawLimit,
}

/// What the operations cost.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Cost {
    pub(crate) operations: f64,
    pub(crate) requests: Option<f64>,
    pub(crate) fsyncs: Option<f64>,
    pub(crate) server_cpu_s: Option<f64>,
    pub(crate) own_cpu_s: Option<f64>,
    pub(crate) held: Option<Held>,
}

/// What holding elections costs.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Held {
    pub(crate) elections: f64,
    pub(crate) seconds: f64,
    pub(crate) requests: Option<f64>,
    pub(crate) fsyncs: Option<f64>,
    pub(crate) server_cpu_s: Option<f64>,
    pub(crate) own_cpu_s: Option<f64>,
    pub(crate) bytes_each: f64,
    pub(crate) tasks: f64,
    pub(crate) threads: f64,
}

/// What it was measured on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Servers {
    pub(crate) software: String,
    pub(crate) count: u64,
    pub(crate) flags: String,
    pub(crate) settings: String,
}

/// Where and when.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Context {
    pub(crate) started: u64,
    pub(crate) commit: Option<String>,
    pub(crate) processor: String,
    pub(crate) cores: u64,
    pub(crate) kernel: String,
    pub(crate) load: Option<f64>,
}

impl Figure {
    pub(crate) fn fastest(&self) -> f64 {
        self.samples.first().copied().unwrap_or(self.median)
    }

    pub(crate) fn slowest(&self) -> f64 {
        self.samples.last().copied().unwrap_or(self.median)
    }

    pub(crate) fn is_raw(&self) -> bool {
        self.side.goal == Goal::RawLimit
    }

    /// Elections, or handovers, per second.
    pub(crate) fn rate(&self) -> f64 {
        self.side.elements * 1e9 / self.median
    }

    /// How it compares with its raw limit: a part of the rate if the goal is one, else a multiple of the time.
    pub(crate) fn ratio(&self, raw: &Self) -> f64 {
        let times = self.median / raw.median;
        let of_rate = matches!(self.side.goal, Goal::AtLeastOfRawRate(_) | Goal::AtLeastOfRivalsRate(_));
        if of_rate { 1.0 / times } else { times }
    }

    /// How many times the rate of another implementation it is.
    pub(crate) fn times(&self, rival: &Self) -> f64 {
        rival.median / self.median
    }

    /// Whether the goal is reached; `None` if there is none, or what it is compared with is missing.
    pub(crate) fn is_met(&self, raw: Option<&Self>, rival: Option<&Self>) -> Option<bool> {
        match self.side.goal {
            Goal::AtLeastOfRivalsRate(goal) => Some(self.times(rival?) >= goal),
            Goal::AtLeastOfRawRate(goal) => Some(self.ratio(raw?) >= goal),
            Goal::AtMostOfRawTime(goal) => Some(self.ratio(raw?) <= goal),
            Goal::WithinMs(goal) => Some(self.median <= goal * 1e6),
            Goal::None | Goal::RawLimit => None,
        }
    }
}
