//! What the stage has told this worker to do.

use std::sync::Arc;

use tokio::sync::watch;

use crate::billing::lifeline;
use crate::billing::wire::Order;

/// The present order. Clones see the same one.
#[derive(Debug, Clone)]
pub(super) struct Orders {
    present: Arc<watch::Sender<Order>>,
}

impl Orders {
    /// Takes orders from standard input; its end ends the process.
    pub(super) fn from_stdin() -> anyhow::Result<Self> {
        let present = Arc::new(watch::Sender::new(Order::Work));
        let sender = present.clone();
        lifeline::tie_to_parent(move |line| match Order::parse(line) {
            Some(order) => {
                sender.send_replace(order);
            }
            None => tracing::warn!(line, "not an order"),
        })?;
        Ok(Self { present })
    }

    pub(super) fn present(&self) -> Order {
        *self.present.borrow()
    }

    /// Waits until this leadership is to be given up.
    pub(super) async fn stop(&self) {
        self.until(|order| order != Order::Work).await;
    }

    /// Waits until the process is to end.
    pub(super) async fn quit(&self) {
        self.until(|order| order == Order::Quit).await;
    }

    async fn until(&self, reached: impl Fn(Order) -> bool) {
        // The sender lives in `self`, so the channel is never closed.
        self.present.subscribe().wait_for(|order| reached(*order)).await.ok();
    }

    /// The order to resign has been carried out.
    pub(super) fn done(&self) {
        self.present.send_if_modified(|order| {
            let resigned = *order == Order::Resign;
            if resigned {
                *order = Order::Work;
            }
            resigned
        });
    }
}
