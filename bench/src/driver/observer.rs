//! `observer`: independent observers of one election, and when each of them knew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Result, bail};
use bytes::Bytes;
use election::{Coordinator, Elector, FencingToken, LeaderEvent};
use futures::StreamExt;
use tokio::task::JoinSet;

use super::args::Args;
use super::event::{Event, Output};
use super::input::Input;
use crate::clock;

/// Runs the verb until the input ends.
pub(super) async fn run(
    coordinator: &dyn Coordinator,
    args: &Args,
    mut input: Input,
    output: &Output,
) -> Result<()> {
    let elector = coordinator.elector(&args.election)?;
    let mut observers = Observers::start(&elector, args.observers.unwrap_or(1), true, output);
    tokio::select! {
        () = input.end() => Ok(()),
        failure = observers.failure() => Err(failure),
    }
}

/// Some observers of one election; they end when this is dropped.
pub(super) struct Observers(JoinSet<Result<()>>);

impl Observers {
    /// Starts `count` observers. With `announce` they say `ready` once all of them know the present state,
    /// and no notice comes before it.
    pub(super) fn start(elector: &Arc<dyn Elector>, count: usize, announce: bool, output: &Output) -> Self {
        let board = Arc::new(Board {
            count,
            output: output.clone(),
            notices: Mutex::new(Notices { unready: if announce { count } else { 0 }, ..Notices::default() }),
        });
        if announce && count == 0 {
            output.say(&Event::Ready { id: None, t: None });
        }
        let observe = |i| observe(i, elector.clone(), board.clone());
        Self((0..count).map(observe).collect())
    }

    /// No observers.
    pub(super) fn none() -> Self {
        Self(JoinSet::new())
    }

    /// Why an observer ended; for ever if none does.
    pub(super) async fn failure(&mut self) -> anyhow::Error {
        match self.0.join_next().await {
            Some(Ok(Ok(()))) => anyhow::anyhow!("an observation ended by itself"),
            Some(Ok(Err(error))) => error,
            Some(Err(panic)) => panic.into(),
            None => std::future::pending().await,
        }
    }
}

async fn observe(i: usize, elector: Arc<dyn Elector>, board: Arc<Board>) -> Result<()> {
    let mut events = elector.observe();
    let mut knows = false;
    while let Some(event) = events.next().await {
        let t = clock::now_ns();
        match event? {
            LeaderEvent::Elected(leader) => board.saw(i, leader.token, leader.value, t),
            LeaderEvent::Vacant => {}
            LeaderEvent::Disconnected { .. } => continue,
        }
        if !knows {
            knows = true;
            board.knows();
        }
    }
    bail!("the stream of observer {i} ended")
}

/// Where the observers of this process put down what they saw.
struct Board {
    count: usize,
    output: Output,
    notices: Mutex<Notices>,
}

#[derive(Default)]
struct Notices {
    /// How many observers do not know the present state yet.
    unready: usize,
    /// Leaderships that not all have seen.
    pending: BTreeMap<FencingToken, Pending>,
    /// The newest leadership that all have seen.
    done: Option<FencingToken>,
    /// Complete, but not said before `ready`.
    held_back: Vec<Pending>,
}

struct Pending {
    value: Bytes,
    /// Zero for an observer that has not seen it.
    t: Vec<u64>,
    seen: usize,
}

impl Pending {
    fn say(&self, output: &Output) {
        output.say(&Event::Notice { val: &String::from_utf8_lossy(&self.value), t: &self.t });
    }
}

impl Board {
    fn saw(&self, observer: usize, token: FencingToken, value: Bytes, t: u64) {
        let mut notices = self.notices();
        // After an outage the same leadership is told again.
        if notices.done.is_some_and(|done| token <= done) {
            return;
        }
        let count = self.count;
        let pending =
            notices.pending.entry(token).or_insert_with(|| Pending { value, t: vec![0; count], seen: 0 });
        if pending.t[observer] == 0 {
            pending.t[observer] = t;
            pending.seen += 1;
        }
        if pending.seen < count {
            return;
        }
        // Older ones will never be complete: some observer skipped them, as it may.
        let newer = notices.pending.split_off(&FencingToken::new(token.get() + 1));
        let complete = std::mem::replace(&mut notices.pending, newer).remove(&token);
        notices.done = Some(token);
        match complete {
            Some(complete) if notices.unready == 0 => complete.say(&self.output),
            complete => notices.held_back.extend(complete),
        }
    }

    fn knows(&self) {
        let mut notices = self.notices();
        if notices.unready == 0 {
            return;
        }
        notices.unready -= 1;
        if notices.unready == 0 {
            self.output.say(&Event::Ready { id: None, t: None });
            notices.held_back.drain(..).for_each(|notice| notice.say(&self.output));
        }
    }

    fn notices(&self) -> MutexGuard<'_, Notices> {
        self.notices.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
