//! protoc: the machine's, or one from a crate.

use std::{env, fs, process};

use anyhow::{Context, Result};

use crate::run::Run;

/// etcd's protocol needs one of the well-known files; a protoc that lacks them is of no use.
const PROBE: &str = "syntax = \"proto3\";\nimport \"google/protobuf/descriptor.proto\";\n";

/// True when the protoc that a build would take compiles a file that imports a well-known one.
pub(super) fn works() -> bool {
    let folder = env::temp_dir().join(format!("xtask-protoc-{}", process::id()));
    let probe = folder.join("probe.proto");
    if fs::create_dir_all(&folder).and_then(|()| fs::write(&probe, PROBE)).is_err() {
        return false;
    }
    let protoc = env::var_os("PROTOC").unwrap_or_else(|| "protoc".into());
    let mut run =
        Run::new(protoc).args(["--descriptor_set_out", "/dev/null", "--proto_path"]).args([&folder]);
    if let Some(include) = env::var_os("PROTOC_INCLUDE") {
        run = run.args(["--proto_path".into(), include]);
    }
    let works = run.args([&probe]).try_quietly();
    let _ = fs::remove_dir_all(folder);
    works
}

/// The environment that makes builds use the protoc of the crate `protoc-bin-vendored`.
pub(super) fn vendored() -> Result<Vec<(&'static str, String)>> {
    println!("no usable protoc here: taking one from the crate protoc-bin-vendored");
    let run = Run::cargo().args(["run", "--quiet", "--locked", "--manifest-path", "xtask/protoc/Cargo.toml"]);
    let output = run.output().context("cannot get a protoc")?;
    let mut lines = output.lines().map(str::to_owned);
    let (program, include) = lines.next().zip(lines.next()).context("the helper printed no paths")?;
    Ok(vec![("PROTOC", program), ("PROTOC_INCLUDE", include)])
}
