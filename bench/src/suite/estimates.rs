//! What criterion measured, read back from its files.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

/// The median of a figure and its confidence interval, per iteration.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The median, in nanoseconds.
    pub median: f64,
    /// The lower end of its confidence interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

impl Estimate {
    /// Reads what criterion found last for this figure.
    ///
    /// # Errors
    /// When it was not measured.
    pub fn read(home: &Path, bench: &str, subject: &str, case: &str) -> Result<Self> {
        let path = folder(home, bench, subject, case).join("new").join("estimates.json");
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        let estimates: Value = serde_json::from_str(&text)?;
        let number = |pointer: &str| {
            let found = estimates.pointer(pointer).and_then(Value::as_f64);
            found.with_context(|| format!("{} has no {pointer}", path.display()))
        };
        Ok(Self {
            median: number("/median/point_estimate")?,
            low: number("/median/confidence_interval/lower_bound")?,
            high: number("/median/confidence_interval/upper_bound")?,
        })
    }
}

/// Where criterion keeps this figure.
pub(super) fn folder(home: &Path, bench: &str, subject: &str, case: &str) -> PathBuf {
    [bench, subject, case].iter().fold(home.to_owned(), |path, part| path.join(file_name(part)))
}

/// As criterion makes folder names.
fn file_name(part: &str) -> String {
    part.replace(['?', '"', '/', '\\', '*', '<', '>', ':', '|', '^'], "_")
}

/// Where criterion writes: as itself it looks at `CRITERION_HOME` and `CARGO_TARGET_DIR`; the target folder of
/// this program, which it would ask cargo for, is where this program lies.
pub(super) fn home() -> PathBuf {
    if let Some(home) = env::var_os("CRITERION_HOME") {
        return home.into();
    }
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from).or_else(|| {
        // target/release/deps/cycle-0123
        Some(env::current_exe().ok()?.ancestors().nth(3)?.to_owned())
    });
    target.unwrap_or_else(|| "target".into()).join("criterion")
}
