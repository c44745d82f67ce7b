//! [`Runs`]: where, when and of which sources the figures are.

use std::collections::BTreeSet;
use std::time::{Duration, UNIX_EPOCH};

use super::{
    figure::{Context, Servers},
    load::Measured,
};

/// What the figures say of their circumstances, taken together.
pub(crate) struct Runs {
    commits: BTreeSet<String>,
    machines: BTreeSet<String>,
    first: u64,
    last: u64,
    load: f64,
    cores: u64,
    quick: usize,
    count: usize,
    pub(crate) servers: BTreeSet<Servers>,
}

impl Runs {
    pub(crate) fn of(measured: &Measured) -> Self {
        let contexts = || measured.figures.iter().map(|figure| &figure.side.context);
        let machine = |context: &Context| {
            format!("{} × {}, Linux {}", context.cores, context.processor, context.kernel)
        };
        let unknown = || "an unknown commit".to_owned();
        Self {
            commits: contexts().map(|context| context.commit.clone().unwrap_or_else(unknown)).collect(),
            machines: contexts().map(machine).collect(),
            first: contexts().map(|context| context.started).min().unwrap_or_default(),
            last: contexts().map(|context| context.started).max().unwrap_or_default(),
            load: contexts().filter_map(|context| context.load).fold(0.0, f64::max),
            cores: contexts().map(|context| context.cores).max().unwrap_or(1),
            quick: measured.figures.iter().filter(|figure| figure.side.quick).count(),
            count: measured.figures.len(),
            servers: measured.figures.iter().filter_map(|figure| figure.side.servers.clone()).collect(),
        }
    }

    /// In one line.
    pub(crate) fn sentence(&self) -> String {
        let (machines, commits) = (join(&self.machines), join(&self.commits));
        format!("{} figures, measured {} on {machines}, at {commits}.", self.count, self.when())
    }

    fn when(&self) -> String {
        let (first, last) = (date(self.first), date(self.last));
        if first == last { first } else { format!("{first} to {last}") }
    }

    /// What a reader must know before believing a figure.
    pub(crate) fn warnings(&self, measured: &Measured) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.commits.len() > 1 {
            let commits = join(&self.commits);
            warnings
                .push(format!("The figures are of several commits ({commits}): they are not of one run."));
        }
        if self.commits.iter().any(|commit| commit.ends_with('+')) {
            warnings.push("The sources differed from the commit (marked +).".into());
        }
        if self.machines.len() > 1 {
            warnings.push("The figures are of several machines: do not compare them.".into());
        }
        if self.quick > 0 {
            let (quick, count) = (self.quick, self.count);
            warnings.push(format!("{quick} of {count} figures were measured in a hurry (BENCH_QUICK)."));
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
        if self.load > self.cores as f64 * 0.75 {
            warnings.push(format!(
                "The machine was busy with something else: a load of {:.1} on {} processors when a bench began.",
                self.load, self.cores
            ));
        }
        if !measured.left_out.is_empty() {
            let (count, example) = (measured.left_out.len(), &measured.left_out[0]);
            warnings
                .push(format!("{count} figures of other or earlier benches are left out, e.g. {example}."));
        }
        warnings
    }

    /// For the end of the page.
    pub(crate) fn facts(&self) -> Vec<(&'static str, String)> {
        vec![
            ("Machine", join(&self.machines)),
            ("Sources", join(&self.commits)),
            ("Measured", self.when()),
            ("Highest load when a bench began", format!("{:.1}", self.load)),
            (
                "Durability",
                "every server flushed its log before it answered; nothing ran on a memory disk on purpose"
                    .into(),
            ),
            ("Command", "cargo bench -p bench --features etcd,zk,raft, then cargo xtask report".into()),
        ]
    }
}

fn join(words: &BTreeSet<String>) -> String {
    words.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// `2026-11-24 20:15 UTC`.
pub(crate) fn date(unix: u64) -> String {
    let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(unix)).to_string();
    let minutes = text.get(..16).unwrap_or(&text);
    format!("{} UTC", minutes.replace('T', " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_short() {
        assert_eq!(date(1_795_551_300), "2026-11-24 20:15 UTC");
    }
}
