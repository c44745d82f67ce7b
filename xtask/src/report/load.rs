//! Reading criterion's folder, and our files in it.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use super::{
    figure::{Figure, Side},
    subject::Subject,
};

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) figures: Vec<Figure>,
    /// Figures of criterion without a `figure.json`: of other benches, or of earlier ones.
    pub(crate) left_out: Vec<String>,
}

impl Measured {
    /// Reads `criterion`, the folder that `cargo bench` has filled.
    ///
    /// # Errors
    ///
    /// When it does not exist, holds no figure of ours, or a file in it is damaged; the message names the file, and the
    /// cure.
    pub(crate) fn read(criterion: &Path) -> Result<Self> {
        const CURE: &str = "run: cargo bench -p bench --features etcd,zk,raft";
        ensure!(criterion.is_dir(), "{} is not there: nothing was measured yet; {CURE}", criterion.display());
        let mut measured = Self { figures: Vec::new(), left_out: Vec::new() };
        // <bench>/<subject>/<case>
        for bench in folders(criterion)? {
            for subject in folders(&bench)? {
                for case in folders(&subject)? {
                    measured.add(criterion, &case)?;
                }
            }
        }
        if measured.figures.is_empty() {
            let others = measured.left_out.len();
            bail!("{} holds no figure of these benches ({others} of others); {CURE}", criterion.display());
        }
        // 8 before 64; what is no number as it comes.
        let case = |figure: &Figure| figure.side.case.parse::<u64>().unwrap_or(0);
        measured.figures.sort_by(|a, b| a.subject.cmp(&b.subject).then_with(|| case(a).cmp(&case(b))));
        Ok(measured)
    }

    fn add(&mut self, criterion: &Path, case: &Path) -> Result<()> {
        if !case.join("new").is_dir() {
            return Ok(());
        }
        if case.join("figure.json").is_file() {
            let damaged = || {
                format!("{} is damaged or of another version: delete it and measure again", case.display())
            };
            self.figures.push(figure(case).with_context(damaged)?);
        } else {
            let name = case.strip_prefix(criterion).unwrap_or(case).display().to_string();
            self.left_out.push(name);
        }
        Ok(())
    }

    /// The figure of this subject (as the benches name it) in this case.
    pub(crate) fn find(&self, bench: &str, subject: &str, case: &str) -> Option<&Figure> {
        let wanted = |figure: &&Figure| {
            let Side { bench: b, subject: s, case: c, .. } = &figure.side;
            b == bench && s == subject && c == case
        };
        self.figures.iter().find(wanted)
    }

    /// The raw limit that this figure is compared with.
    pub(crate) fn raw_of(&self, figure: &Figure) -> Option<&Figure> {
        self.find(&figure.side.bench, figure.side.raw.as_deref()?, &figure.side.case)
    }

    /// Another implementation's figure that this one is compared with.
    pub(crate) fn rival_of(&self, figure: &Figure) -> Option<&Figure> {
        self.find(&figure.side.bench, figure.side.rival.as_deref()?, &figure.side.case)
    }

    /// The figures of a bench, raw limits left out.
    pub(crate) fn of(&self, bench: &str) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| figure.side.bench == bench && !figure.is_raw())
    }
}

fn folders(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut folders = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("reading {}", folder.display()))?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    Ok(folders)
}

/// Criterion's `sample.json`.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Criterion's `estimates.json`.
#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}

fn figure(case: &Path) -> Result<Figure> {
    let side: Side = json(&case.join("figure.json"))?;
    let Sample { iters, times } = json(&case.join("new/sample.json"))?;
    let Estimates { median } = json(&case.join("new/estimates.json"))?;
    ensure!(
        !iters.is_empty() && iters.len() == times.len(),
        "sample.json has no samples, or not as many times"
    );
    let positive = |number: &f64| number.is_finite() && *number > 0.0;
    ensure!(iters.iter().all(positive), "sample.json has a sample of no iterations");
    ensure!(positive(&median.point_estimate), "estimates.json has the median {}", median.point_estimate);
    let mut samples: Vec<f64> = times.iter().zip(&iters).map(|(time, iters)| time / iters).collect();
    samples.sort_by(f64::total_cmp);
    let iterations = iters.iter().sum();
    let subject = Subject::parse(&side.subject);
    Ok(Figure { samples, median: median.point_estimate, iterations, subject, side })
}

fn json<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<T> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("parsing {}", path.display()))
}
