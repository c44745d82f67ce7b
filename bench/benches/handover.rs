//! A leader resigns while another process waits: from the call to the moment the other leads.

use std::time::Duration;

use anyhow::Result;
use bench::relay::Relay;
use bench::rig::{Rig, settings};
use bench::suite::{Figure, Goal, Suite, run};

fn main() {
    run("handover", env!("CARGO_BIN_EXE_driver"), handover);
}

fn handover(suite: &mut Suite) {
    for setting in settings(&suite.servers()) {
        let rig = suite.rig(setting);
        // A follower that has only just queued must not be slower: on etcd a watch from a revision that has
        // passed waits for a loop of 100 ms.
        for &millis in suite.cases(&[150, 30]) {
            let mut figure = Figure::new(setting, format!("queued {millis} ms ago"), Goal::AtMost(1.5));
            figure.samples = 20;
            suite.measure_raw_pushes(&mut figure, &rig);
            let queued_for = Duration::from_millis(millis);
            suite.measure(
                &figure,
                async || relay(rig.get().await?).await,
                async |relay, iters| {
                    let mut sum = Duration::ZERO;
                    for _ in 0..iters {
                        let handover = relay.hand_over(queued_for).await?;
                        sum += Duration::from_nanos(handover.led.saturating_sub(handover.resigned));
                    }
                    Ok(sum)
                },
            );
        }
    }
}

async fn relay(rig: &Rig) -> Result<Relay> {
    let (home, away) = (rig.home().await?, rig.away().await?);
    Relay::start([home.elector("handover")?, away.elector("handover")?]).await
}
