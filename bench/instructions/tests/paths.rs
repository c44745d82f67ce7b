//! Every path can be walked.

use std::process::Command;

fn run(arguments: &[&str]) -> (bool, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_instructions")).args(arguments).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn every_path_can_be_walked() {
    let (listed, paths) = run(&[]);
    assert!(listed && paths.lines().count() >= 4, "{paths}");
    for path in paths.lines() {
        assert!(run(&[path, "10"]).0, "{path}");
    }
}

#[test]
fn what_is_no_path_is_refused() {
    assert!(!run(&["none", "10"]).0);
    assert!(!run(&["check", "many"]).0);
}
