//! One round: a fault for a leader between a charge and its answer, and what must follow from it.

use election_core::clock::Instant;

use super::Stage;
use super::cast::name;
use super::plan::LeaderFault;
use super::state::Target;
use crate::billing::provider::script::Script;
use crate::billing::wire::Order;

impl Stage {
    /// Waits for a charge whose answer is held back, injects the fault, lets the answer go, waits for the
    /// successor and repairs what was broken. `false` if leadership had moved on by itself before the fault came
    /// (on a machine so busy that a session was lost): then it was no takeover of this fault's making.
    pub(super) async fn round(&mut self, fault: LeaderFault, next: Script) -> anyhow::Result<bool> {
        let target =
            self.wait("a charge that is held back, or the end of the work", |state| state.target()).await?;
        self.announce(fault, &target);
        let at = Instant::now();
        match fault {
            LeaderFault::Kill => self.cast.kill(target.worker).await,
            LeaderFault::Pause => self.cast.pause(target.worker).await?,
            LeaderFault::Resign => self.cast.order(target.worker, Order::Resign).await,
        }
        // For a paused leader the answer now waits in its socket: bytes in flight, older than its successor.
        self.state.script = next.clone();
        self.cast.release(next).await?;
        let claim = self.wait("a successor", |state| state.successor(target.token)).await?;
        let counts = claim.at > at;
        if counts {
            self.state.takeovers.push((fault, claim.at.saturating_duration_since(at)));
        }
        match fault {
            LeaderFault::Kill => self.restart(target.worker).await?,
            LeaderFault::Pause => self.resume(&target, claim.token).await?,
            LeaderFault::Resign => {}
        }
        Ok(counts)
    }

    fn announce(&self, fault: LeaderFault, target: &Target) {
        let what = match fault {
            LeaderFault::Kill => "killed",
            LeaderFault::Pause => "paused",
            LeaderFault::Resign => "told to resign",
        };
        let when = match &target.invoice {
            Some(invoice) => format!("{invoice} is charged and not yet answered"),
            None => "nothing is left to charge".into(),
        };
        self.display.line(format!("{} is {what} while {when}", name(target.worker)));
    }

    async fn restart(&mut self, worker: usize) -> anyhow::Result<()> {
        let life = self.cast.start_worker(worker)?;
        self.wait("a killed worker to be back", |state| state.is_ready(worker, life).then_some(())).await
    }

    /// Wakes a paused leader, once the fence knows the successor: its write must come to nothing.
    async fn resume(&mut self, target: &Target, successor: u64) -> anyhow::Result<()> {
        // Or once the successor has given up: a leader that is paused in a transaction of its own (a look for new
        // invoices, say) holds the ledger's lock, and only it can let go.
        self.wait("the successor to reach the ledger", |state| {
            (state.began >= successor || state.has_ended(successor)).then_some(())
        })
        .await?;
        self.cast.resume(target.worker)?;
        self.display.line(format!("{} wakes up, still with token {}", name(target.worker), target.token));
        if target.invoice.is_some() {
            self.wait("the late write", |state| state.is_written_or_fenced(target).then_some(())).await?;
        }
        self.wait("the paused leader to notice", |state| state.has_ended(target.token).then_some(())).await
    }
}
