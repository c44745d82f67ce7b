//! Histories of real servers in which a law was broken, kept so that the checker goes on seeing it.
//!
//! Each was recorded by `hard_cases`, one trial, with the planted defect that its folder is named after
//! (`cargo xtask zoo` lists them), and is as the processes wrote it. A history that breaks a law without a planted
//! defect belongs here, too, beside the fix.
#![forbid(unsafe_code)]

use std::path::Path;

use anyhow::Result;
use testkit::checker::{Facts, Law, Report, check};
use testkit::history::History;

fn kept(name: &str) -> Result<Report> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kept").join(name);
    let facts = Facts::load(&folder)?;
    Ok(check(&History::read_dir(&folder)?, &facts))
}

fn broken(report: &Report, law: Law) -> Vec<&str> {
    report
        .violations
        .iter()
        .filter(|violation| violation.law == law)
        .map(|found| found.says.as_str())
        .collect()
}

/// A follower that is cut off answers its clients' pings. A leader that takes them for proof leads on, while its
/// session has ended and the next one leads.
#[test]
fn a_leader_that_trusts_pings_leads_beside_its_successor() -> Result<()> {
    let report = kept("zk-pings-trusted")?;
    let two_leaders = broken(&report, Law::S1);
    assert_eq!(two_leaders.len(), 1, "{report}");
    assert!(two_leaders[0].contains("led at the same time for at least 958"), "{}", two_leaders[0]);
    // The margin that a chaos run prints is below zero, and both observers saw the successor too early.
    assert!(report.margin.is_some_and(|margin| margin.nanos < -900_000_000), "{report}");
    assert_eq!(broken(&report, Law::S5).len(), 3, "{report}");
    Ok(())
}

/// etcd's leader is paused and deposed meanwhile; leases that it went on to keep alive have ended at its successor. Who
/// takes its answers for proof finds its record gone and knows no reason.
#[test]
fn a_leader_that_trusts_keep_alives_loses_its_record_unawares() -> Result<()> {
    let report = kept("etcd-keep-alive-trusted")?;
    let lost = broken(&report, Law::L4);
    assert_eq!(lost.len(), 2, "{report}");
    assert!(
        lost.iter().all(|says| says.contains("was deleted by") && says.contains("no administrator did it"))
    );
    Ok(())
}
