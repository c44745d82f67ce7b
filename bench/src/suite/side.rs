//! What criterion does not know about a figure, in a file of ours beside its own: `figure.json`.
//!
//! `cargo xtask report` reads it. Its fields are its contract with that command.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

use super::{Figure, Goal, estimates};
use crate::rig::{Context, Counters, Servers};

/// The whole file.
#[derive(Serialize)]
pub(super) struct Side<'a> {
    bench: &'a str,
    subject: &'a str,
    case: &'a str,
    /// How many elections, or candidates, one iteration serves.
    elements: u64,
    goal: Aim,
    /// The subject whose figure of the same case is the raw limit; `None` if there is none.
    raw: Option<String>,
    /// The subject whose figure of the same case is another implementation's; `None` if it is compared with none.
    rival: Option<&'a str>,
    /// Whether it was measured in a hurry: see [`super::Pace`].
    quick: bool,
    pub(super) cost: Option<Cost>,
    pub(super) servers: Option<Servers>,
    context: &'a Context,
}

/// What it should be.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Aim {
    AtLeastOfRawRate(f64),
    AtLeastOfRivalsRate(f64),
    AtMostOfRawTime(f64),
    WithinMs(f64),
    None,
    RawLimit,
}

/// What so many operations cost, preparations between them included.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cost {
    /// Iterations times elements.
    pub(super) operations: u64,
    pub(super) requests: Option<f64>,
    pub(super) fsyncs: Option<f64>,
    pub(super) server_cpu_s: Option<f64>,
    pub(super) own_cpu_s: Option<f64>,
    /// What is held, if something is: see [`super::Held`].
    pub(super) held: Option<super::Held>,
}

impl Cost {
    pub(super) fn new(operations: u64, spent: Counters, held: Option<super::Held>) -> Self {
        let Counters { requests, fsyncs, server_cpu, own_cpu } = spent;
        Self { operations, requests, fsyncs, server_cpu_s: server_cpu, own_cpu_s: own_cpu, held }
    }
}

impl<'a> Side<'a> {
    pub(super) fn new(bench: &'a str, figure: &'a Figure, quick: bool, context: &'a Context) -> Self {
        let Figure { subject, case, elements, .. } = figure;
        let goal = match figure.goal {
            Goal::AtLeast(part) => Aim::AtLeastOfRawRate(part),
            Goal::AtLeastOfRival(part) => Aim::AtLeastOfRivalsRate(part),
            Goal::AtMost(times) => Aim::AtMostOfRawTime(times),
            Goal::WithinMillis(millis) => Aim::WithinMs(millis),
            Goal::Free => Aim::None,
            Goal::Limit => Aim::RawLimit,
        };
        let raw = (figure.goal != Goal::Limit).then(|| figure.limit().subject);
        Self {
            bench,
            subject,
            case,
            elements: *elements,
            goal,
            raw,
            rival: figure.rival.as_deref(),
            quick,
            cost: None,
            servers: None,
            context,
        }
    }

    /// Writes it to where criterion has written the figure.
    pub(super) fn write(&self, home: &Path) -> Result<()> {
        let folder = estimates::folder(home, self.bench, self.subject, self.case);
        let path = folder.join("figure.json");
        fs::write(&path, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("writing {}", path.display()))
    }
}
