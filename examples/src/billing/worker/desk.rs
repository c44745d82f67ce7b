//! What a leader does: read, charge, write back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use election::{Backoff, ElectionName, FencingToken, LeadershipHandle};

use super::WorkerArgs;
use super::orders::Orders;
use crate::billing::client::{Client, Outcome};
use crate::billing::invoices::Invoice;
use crate::billing::ledger::{self, Ledger, Settlement, Writer};
use crate::billing::plant::{CrashPoint, Plant};
use crate::billing::wire::{Order, Report, report};

/// How many invoices are read at a time.
const BATCH: usize = 64;
/// How soon a leader with nothing to do looks for new invoices.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// A worker's desk: the ledger and the telephone to the provider.
pub(super) struct Desk {
    ledger: Mutex<Ledger>,
    client: Client,
    election: ElectionName,
    worker: String,
    plant: Option<Plant>,
    crash_at: Option<CrashPoint>,
}

impl Desk {
    pub(super) fn open(args: &WorkerArgs) -> anyhow::Result<Self> {
        let mut ledger = Ledger::open(&args.ledger)?;
        if args.plant == Some(Plant::NoFence) {
            ledger = ledger.without_fence();
        }
        Ok(Self {
            ledger: Mutex::new(ledger),
            client: Client::new(&args.provider, &args.name)?,
            election: ElectionName::new(&args.election)?,
            worker: args.name.clone(),
            plant: args.plant,
            crash_at: args.crash_at,
        })
    }

    /// One leadership: settles invoices until told to stop, or until it is lost.
    pub(super) async fn reign(
        self: Arc<Self>,
        leadership: LeadershipHandle,
        orders: Orders,
    ) -> anyhow::Result<()> {
        let token = leadership.check()?;
        report(&Report::Claimed { token: token.get(), at: leadership.now().as_nanos() });
        let mut began = false;
        let mut idle = false;
        loop {
            let invoices = self.unpaid(token).await?;
            if !std::mem::replace(&mut began, true) {
                report(&Report::Began { token: token.get() });
            }
            let nothing = invoices.is_empty();
            for invoice in invoices {
                if orders.present() != Order::Work {
                    return Ok(());
                }
                // A task of its own: a request that is under way is not forgotten when this future is dropped,
                // because the customer may have been charged. Whether its result may still be written is for
                // the fence to say.
                let unit = self.clone().settle(leadership.clone(), invoice, orders.clone());
                tokio::spawn(unit).await.context("the unit of work panicked")??;
            }
            if nothing {
                if !std::mem::replace(&mut idle, true) {
                    report(&Report::Idle { token: token.get() });
                }
                tokio::select! {
                    () = orders.stop() => return Ok(()),
                    loss = leadership.lost() => return Err(loss.into()),
                    () = tokio::time::sleep(LOOK_AGAIN) => {}
                }
            }
        }
    }

    /// The unit of work: charges one invoice and writes the outcome back.
    async fn settle(
        self: Arc<Self>,
        leadership: LeadershipHandle,
        invoice: Invoice,
        orders: Orders,
    ) -> anyhow::Result<()> {
        let key = self.key(&invoice, leadership.token());
        let mut backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(500));
        let outcome = loop {
            let token = leadership.check()?;
            CrashPoint::BeforeCharge.reach(self.crash_at);
            match self.client.charge(&key, &invoice, token).await {
                Outcome::Charged { charge, replayed } => {
                    report(&Report::Charged { invoice: invoice.id.clone(), replayed });
                    break Settlement::Paid(charge);
                }
                Outcome::Declined(why) => {
                    tracing::warn!(invoice = invoice.id, why, "declined");
                    break Settlement::Declined;
                }
                Outcome::Unknown(why) => report(&Report::Unknown { invoice: invoice.id.clone(), why }),
            }
            if self.plant == Some(Plant::UnknownIsFailure) {
                break Settlement::Declined;
            }
            if orders.present() != Order::Work {
                return Ok(()); // still unpaid in the ledger: the successor asks again, with the same key
            }
            tokio::time::sleep(backoff.next_delay()).await;
        };
        CrashPoint::AfterCharge.reach(self.crash_at);
        self.record(leadership.token(), invoice.id, outcome).await
    }

    /// No check before this write: it would be over before the write is. The fence decides.
    async fn record(
        self: &Arc<Self>,
        token: FencingToken,
        invoice: String,
        outcome: Settlement,
    ) -> anyhow::Result<()> {
        let id = invoice.clone();
        let written = self
            .with_ledger(move |desk, ledger| {
                ledger.settle(&desk.writer(token), &id, outcome, || {
                    CrashPoint::InTransaction.reach(desk.crash_at)
                })
            })
            .await;
        match &written {
            Ok(()) => {
                CrashPoint::AfterCommit.reach(self.crash_at);
                report(&Report::Settled { invoice, token: token.get() });
            }
            Err(error) => report_if_fenced(error, Some(invoice)),
        }
        written
    }

    async fn unpaid(self: &Arc<Self>, token: FencingToken) -> anyhow::Result<Vec<Invoice>> {
        let read = self.with_ledger(move |desk, ledger| ledger.unpaid(&desk.writer(token), BATCH)).await;
        if let Err(error) = &read {
            report_if_fenced(error, None);
        }
        read
    }

    /// The idempotency key: the same for every attempt of every leader.
    fn key(&self, invoice: &Invoice, token: FencingToken) -> String {
        match self.plant {
            Some(Plant::KeyWithToken) => format!("invoice:{}:{token}", invoice.id),
            _ => format!("invoice:{}", invoice.id),
        }
    }

    fn writer(&self, token: FencingToken) -> Writer {
        Writer { election: self.election.clone(), token, worker: self.worker.clone() }
    }

    /// SQLite waits for the disk and for locks: not on the threads that renew the session.
    async fn with_ledger<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Desk, &mut Ledger) -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let desk = self.clone();
        tokio::task::spawn_blocking(move || {
            // A panic rolls its transaction back: the ledger behind a poisoned lock is sound.
            work(&desk, &mut desk.ledger.lock().unwrap_or_else(PoisonError::into_inner))
        })
        .await
        .context("the ledger's thread panicked")?
    }
}

fn report_if_fenced(error: &anyhow::Error, invoice: Option<String>) {
    if let Some(fenced) = ledger::fenced(error) {
        report(&Report::Fenced { invoice, token: fenced.token.get(), highest: fenced.highest.get() });
    }
}
