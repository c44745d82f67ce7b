//! The leader's process fails: from that moment to the one at which another process leads.
//!
//! One iteration is one failover. The process is replaced before the next one, and the next fault comes at any
//! moment of the renewal period.

use std::time::Duration;

use bench::rig::{Backend, Setting, settings};
use bench::suite::{Figure, Goal, Pace, Suite, run};
use bench::takeover::{Fault, Scene};

fn main() {
    run("failover", env!("CARGO_BIN_EXE_driver"), failover);
}

fn failover(suite: &mut Suite) {
    for setting in matrix(suite) {
        for &fault in suite.cases(&Fault::ALL) {
            if fault == Fault::Cut && setting.backend.is_embedded() {
                continue;
            }
            // Anew for each: what a fault leaves behind must not touch the next.
            let rig = suite.rig(setting);
            let case = format!("{fault}, ttl {} ms", setting.ttl().as_millis());
            let mut figure = Figure::new(setting, case, goal(setting, fault));
            figure.time = if fault == Fault::Exit { Duration::from_secs(10) } else { setting.ttl() * 15 };
            suite.measure(
                &figure,
                async || Scene::start(rig.get().await?, fault).await,
                async |scene, iters| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..iters {
                        sum += scene.takeover(rig.get().await?).await?;
                    }
                    Ok(sum)
                },
            );
        }
    }
}

/// Every backend, with default and with tuned servers. A Raft group survives its members only if it has three.
fn matrix(suite: &Suite) -> Vec<Setting> {
    let mut matrix = Vec::new();
    for mut setting in settings(&suite.servers()) {
        if setting.backend == Backend::Memory {
            continue;
        }
        if setting.backend.is_embedded() {
            setting.servers = 3;
        }
        // A smoke run, on a machine that may be busy, takes the patient ones; a quick one, those that fail fast.
        let both = match suite.pace() {
            Pace::Smoke => &[setting][..],
            Pace::Quick => &[setting.fast()][..],
            Pace::Full => &[setting, setting.fast()][..],
        };
        for setting in both {
            if !matrix.contains(setting) {
                matrix.push(*setting);
            }
        }
    }
    matrix
}

/// The TTL, and what the service adds: etcd scans for expired leases every 500 ms, ZooKeeper rounds up to a tick. A
/// clean exit waits for nothing: its goal is that of a handover, whose raw limit is measured there.
fn goal(setting: Setting, fault: Fault) -> Goal {
    if fault == Fault::Exit {
        return Goal::Free;
    }
    let ttl = setting.ttl().as_secs_f64() * 1e3;
    Goal::WithinMillis(match (setting.backend.name(), setting.fast) {
        ("etcd", false) => ttl + 700.0,
        ("etcd", true) => 1200.0,
        ("zk", false) => ttl * 1.5 + 200.0,
        ("zk", true) => 300.0,
        (_, false) => 1000.0,
        (_, true) => 250.0,
    })
}
