//! The compiler, clippy and rustdoc: everything with all features and with the usual ones, and what users build with every
//! feature alone and with none.

use std::collections::BTreeMap;

use anyhow::Result;

use super::metadata::{self, Package};
use crate::{machine::Provided, run::Run, steps::Steps};

/// Packages by the features they have in common: those are checked in one go.
type Groups = BTreeMap<Vec<String>, Vec<String>>;

/// Its features are chosen by those who test with it, and it is checked with them.
const CHECKED_WITH_OTHERS: &str = "testkit";

pub(super) fn all(steps: &mut Steps, provided: &Provided) {
    let all = ["clippy", "--workspace", "--all-targets", "--all-features", "--keep-going"];
    steps.run("clippy, all features", || deny_warnings(provided, Run::cargo().args(all)));
    // After this one the others would only repeat what it said.
    if steps.any_failed() {
        return;
    }
    let usual = ["clippy", "--workspace", "--all-targets"];
    steps.run("clippy, default features", || deny_warnings(provided, Run::cargo().args(usual)));
    let mut groups = Groups::new();
    steps.run("which features there are", || {
        groups = group(metadata::packages()?);
        Ok(())
    });
    for (features, packages) in &groups {
        for feature in [None].into_iter().chain(features.iter().map(|feature| Some(feature.as_str()))) {
            let name = format!("clippy, {}, {}", packages.join(" "), feature.unwrap_or("no feature"));
            steps.run(&name, || deny_warnings(provided, alone(packages, feature)));
        }
    }
    steps.run("docs", || {
        let doc = Run::cargo().args(["doc", "--workspace", "--all-features", "--no-deps"]);
        provided.to(doc).env("RUSTDOCFLAGS", "-D warnings").succeed()
    });
}

fn group(packages: Vec<Package>) -> Groups {
    let mut groups = Groups::new();
    for mut package in packages {
        package.features.retain(|feature| feature != "default");
        package.features.sort();
        if !package.features.is_empty() && package.name != CHECKED_WITH_OTHERS {
            groups.entry(package.features).or_default().push(package.name);
        }
    }
    groups
}

/// Without the tests: what they depend on turns features on, which a user's build does without.
fn alone(packages: &[String], feature: Option<&str>) -> Run {
    let packages = packages.iter().flat_map(|package| ["--package", package]);
    let run = Run::cargo().args(["clippy", "--no-default-features"]).args(packages);
    run.args(feature.iter().flat_map(|feature| ["--features", feature]))
}

/// Through clippy's own arguments and not RUSTFLAGS, which would build every dependency once more.
fn deny_warnings(provided: &Provided, run: Run) -> Result<()> {
    provided.to(run).args(["--", "-D", "warnings"]).succeed()
}
