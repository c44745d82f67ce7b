//! Observing.

use std::pin::pin;
use std::time::Duration;

use election_core::Elector;
use futures::StreamExt;
use rand::Rng;
use rand::rngs::StdRng;
use testkit::history::{Event, Op, Phase, View};
use tokio::time::sleep;

use super::{Role, is_over, told};
use crate::journal::Pen;
use crate::machine::Shared;

/// Observes, with a new observation now and then, until it is told to end.
pub(super) async fn run(
    elector: &dyn Elector,
    election: &str,
    machine: usize,
    shared: &Shared,
    pen: &Pen,
    mut rng: StdRng,
) {
    let mut orders = shared.stop.clone();
    for number in 1.. {
        let event = |phase| Event { number: Some(number), ..Event::new(Op::Observe, phase) };
        pen.record(election, event(Phase::Invoke));
        let lasts = Duration::from_millis(rng.random_range(50..3000));
        let broken = tokio::select! {
            why = follow(elector, election, number, pen) => Some(why),
            () = sleep(lasts) => None,
            () = told(&mut orders, |orders| is_over(Role::Observer, machine, orders)) => None,
        };
        if let Some(why) = broken {
            pen.record(election, Event { reason: Some(why), ..event(Phase::Fail) });
            sleep(Duration::from_millis(rng.random_range(1..20))).await;
        } else {
            pen.record(election, event(Phase::Ok));
        }
        if is_over(Role::Observer, machine, &orders.borrow()) {
            return;
        }
    }
}

/// Writes down item after item; says why the stream has ended by itself.
async fn follow(elector: &dyn Elector, election: &str, number: u64, pen: &Pen) -> String {
    let mut events = pin!(elector.observe());
    loop {
        match events.next().await {
            Some(Ok(event)) => {
                let view = Some(View::from(event));
                let event = Event { number: Some(number), view, ..Event::new(Op::Observe, Phase::Info) };
                pen.record(election, event);
            }
            Some(Err(error)) => return error.to_string(),
            None => return "ended without an error".to_owned(),
        }
    }
}
