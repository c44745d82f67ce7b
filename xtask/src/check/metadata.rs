//! What cargo knows about the packages of the workspace.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::run::Run;

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Names of the packages it is built from: normal and build dependencies, optional ones too.
    pub(super) dependencies: Vec<String>,
    /// Its features.
    pub(super) features: Vec<String>,
}

/// All packages of the workspace.
pub(super) fn packages() -> Result<Vec<Package>> {
    let metadata = Run::cargo().args(["metadata", "--no-deps", "--format-version", "1"]).output()?;
    parse(&metadata).context("cargo metadata is not as expected")
}

fn parse(metadata: &str) -> Option<Vec<Package>> {
    let metadata: Value = serde_json::from_str(metadata).ok()?;
    metadata["packages"].as_array()?.iter().map(package).collect()
}

fn package(package: &Value) -> Option<Package> {
    let dependencies = package["dependencies"].as_array()?.iter();
    Some(Package {
        name: package["name"].as_str()?.to_owned(),
        dependencies: dependencies
            .filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| dependency["name"].as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
        features: package["features"].as_object()?.keys().cloned().collect(),
    })
}
