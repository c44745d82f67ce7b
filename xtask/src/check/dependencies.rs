//! Who may depend on whom.

use anyhow::{Result, bail};

use super::metadata::{self, Package};
use crate::run::Run;

/// Arrows run one way: what each package of ours may be built from.
const ARROWS: &[(&str, &[&str])] = &[
    ("election-core", &[]),
    ("backend-etcd", &["election-core"]),
    ("backend-zk", &["election-core"]),
    ("backend-raft", &["election-core"]),
    ("election", &["election-core", "backend-etcd", "backend-zk", "backend-raft"]),
    ("testkit", &["election", "election-core", "backend-etcd", "backend-zk", "backend-raft"]),
    ("bench", &["election", "election-core", "backend-etcd", "backend-zk", "backend-raft", "testkit"]),
    ("instructions", &["election-core", "backend-etcd", "backend-zk", "backend-raft"]),
    ("examples", &["election", "election-core"]),
    ("xtask", &[]),
];

/// The clients and engines, and who may name them. The testkit looks at the stores from outside with clients of its
/// own, the benches measure the raw limits beside our figures; neither is published.
const OWNERS: &[(&str, &[&str])] = &[
    ("etcd-client", &["backend-etcd", "testkit", "bench"]),
    ("zookeeper-client", &["backend-zk", "testkit", "bench"]),
    ("openraft", &["backend-raft"]),
    ("openraft-rt", &["backend-raft"]),
    ("openraft-rt-tokio", &["backend-raft"]),
    ("openraft-macros", &["backend-raft"]),
    ("tonic", &["backend-etcd"]),
];

/// What must not be in a tree: the package, the features it is built with, the kinds of edges, the forbidden names.
const TREES: &[(&str, &[&str], &str, &[&str])] = &[
    (
        "election-core",
        &["--all-features"],
        "normal",
        &["etcd-client", "zookeeper-client", "openraft", "tonic"],
    ),
    (
        "election",
        &["--no-default-features"],
        "normal",
        &["etcd-client", "zookeeper-client", "openraft", "tonic"],
    ),
    // Whoever takes the default features needs no protoc.
    ("election", &[], "normal,build", &["etcd-client", "zookeeper-client", "prost-build"]),
    ("examples", &[], "normal,build", &["etcd-client", "zookeeper-client", "prost-build"]),
    ("xtask", &[], "normal,build", &["election-core", "prost-build"]),
];

/// # Errors
///
/// With every violation, one per line.
pub(super) fn check() -> Result<()> {
    let mut violations = Vec::new();
    for package in metadata::packages()? {
        violations.extend(forbidden_arrows(&package));
    }
    for (package, features, edges, names) in TREES {
        let arguments =
            ["tree", "--package", package, "--edges", edges, "--prefix", "none", "--format", "{p}"];
        let tree = Run::cargo().args(arguments).args(*features).output()?;
        violations.extend(forbidden_names(package, &tree, names));
    }
    if violations.is_empty() {
        return Ok(());
    }
    bail!("\n{}", violations.join("\n"))
}

fn forbidden_arrows(package: &Package) -> Vec<String> {
    let name = package.name.as_str();
    let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == name) else {
        return vec![format!("{name}: not in the list of packages in xtask/src/check/dependencies.rs")];
    };
    let forbidden = package.dependencies.iter().map(String::as_str).filter(|dependency| {
        let ours = ARROWS.iter().any(|(package, _)| package == dependency);
        let owners = OWNERS.iter().find(|(owned, _)| owned == dependency);
        (ours && !allowed.contains(dependency)) || owners.is_some_and(|(_, owners)| !owners.contains(&name))
    });
    forbidden.map(|dependency| format!("{name} must not depend on {dependency}")).collect()
}

fn forbidden_names(package: &str, tree: &str, names: &[&str]) -> Vec<String> {
    let mut found: Vec<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    found.sort_unstable();
    found.dedup();
    found.retain(|name| names.contains(name));
    found.iter().map(|name| format!("the dependency tree of {package} must not contain {name}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependencies = dependencies.iter().map(|&name| name.to_owned()).collect();
        Package { name: name.to_owned(), dependencies, features: Vec::new() }
    }

    #[test]
    fn arrows_against_the_grain_are_found() {
        assert!(
            forbidden_arrows(&package("backend-etcd", &["election-core", "etcd-client", "tokio"])).is_empty()
        );
        assert_eq!(forbidden_arrows(&package("backend-etcd", &["backend-zk"])).len(), 1);
        assert_eq!(forbidden_arrows(&package("election-core", &["openraft", "election"])).len(), 2);
        assert_eq!(forbidden_arrows(&package("newcomer", &[])).len(), 1);
    }

    #[test]
    fn names_in_a_tree_are_found_whole() {
        let tree = "election-core v0.1.0 (path)\ntonic v0.14.9\ntonic v0.14.9 (*)\ntonic-prost v0.14.9";
        assert_eq!(forbidden_names("election-core", tree, &["tonic", "openraft"]).len(), 1);
    }
}
