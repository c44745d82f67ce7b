//! `candidate`: one candidate under command; for Raft also a member of the group.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Result;
use election::{Backoff, Candidate, Coordinator, Elector, Leadership, Loss};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::args::Args;
use super::event::{Event, Output};
use super::input::{Command, Input};
use super::observer::Observers;
use super::sampler::{Sampler, Seat};
use super::{close, connect, cycle};
use crate::clock;

/// Runs the verb until `quit` or the end of the input.
pub(super) async fn run(args: &Args, mut input: Input, output: &Output) -> Result<()> {
    Candidate::new(&args.id)?;
    let (mut driven, mut news) = Driven::new(args, output);
    let connecting = connect::connect(args);
    tokio::pin!(connecting);
    let done = loop {
        tokio::select! {
            connected = &mut connecting, if driven.connected.is_none() => match connected {
                Ok(coordinator) => driven.connected(coordinator)?,
                Err(error) => break Err(error),
            },
            line = input.line() => match line.as_deref().map(Command::parse) {
                None | Some(Ok(Command::Quit)) => break Ok(()),
                Some(Ok(command)) => driven.obey(command),
                Some(Err(error)) => output.error(format!("{error:#}")),
            },
            Some(news) = news.recv() => driven.learn(news),
            loss = driven.state.lost() => driven.lost(loss),
            failure = driven.observers.failure() => break Err(failure),
        }
    };
    if let State::Campaigning(campaign) = &driven.state {
        campaign.abort();
    }
    if let Some(connected) = driven.connected.take() {
        close(&*connected.coordinator).await;
    }
    done
}

/// What the candidate is doing.
enum State {
    Idle,
    Campaigning(JoinHandle<()>),
    Leading(Leadership),
    Resigning,
}

impl State {
    /// Waits until the leadership is lost; for ever if there is none.
    async fn lost(&self) -> Loss {
        match self {
            Self::Leading(leadership) => leadership.lost().await,
            _ => std::future::pending().await,
        }
    }
}

/// What the tasks of the candidate report to it.
enum News {
    Elected { leadership: Leadership, val: String, t: u64 },
    NotElected(election::Error),
    Resigned { outcome: election::Result<()>, t0: u64, t: u64 },
}

struct Connected {
    coordinator: Arc<dyn Coordinator>,
    elector: Arc<dyn Elector>,
}

struct Driven {
    args: Args,
    output: Output,
    connected: Option<Connected>,
    state: State,
    /// Commands whose time has not come: before the connection, or while a resignation is under way.
    backlog: VecDeque<Command>,
    seat: Seat,
    sampler: Sampler,
    observers: Observers,
    news: UnboundedSender<News>,
}

impl Driven {
    fn new(args: &Args, output: &Output) -> (Self, UnboundedReceiver<News>) {
        let (news, receiver) = unbounded_channel();
        let driven = Self {
            args: args.clone(),
            output: output.clone(),
            connected: None,
            state: State::Idle,
            backlog: VecDeque::new(),
            seat: Seat::default(),
            sampler: Sampler::default(),
            observers: Observers::none(),
            news,
        };
        (driven, receiver)
    }

    fn connected(&mut self, coordinator: Arc<dyn Coordinator>) -> Result<()> {
        let elector = coordinator.elector(&self.args.election)?;
        self.output.say(&Event::Ready { id: Some(&self.args.id), t: Some(clock::now_ns()) });
        self.observers = Observers::start(&elector, self.args.observers.unwrap_or(0), false, &self.output);
        self.connected = Some(Connected { coordinator, elector });
        self.catch_up();
        Ok(())
    }

    fn obey(&mut self, command: Command) {
        match (command, &self.connected) {
            (Command::Check, _) => self.seat.check(&self.output),
            (Command::Sample(pace), _) => self.sampler.every(pace, &self.seat, &self.output),
            (command, None) => self.backlog.push_back(command),
            (Command::Campaign(val), Some(connected)) => match self.state {
                State::Idle => {
                    let campaign =
                        campaign(connected.elector.clone(), self.args.id.clone(), val, self.news.clone());
                    self.state = State::Campaigning(tokio::spawn(campaign));
                }
                State::Resigning => self.backlog.push_back(Command::Campaign(val)),
                State::Campaigning(_) => self.output.error("campaign: it campaigns already"),
                State::Leading(_) => self.output.error("campaign: it leads already"),
            },
            (Command::Resign, _) => self.resign(),
            (Command::Cycle { candidates, measure, warmup }, Some(connected)) => {
                let (coordinator, election) = (connected.coordinator.clone(), self.args.election.clone());
                let output = self.output.clone();
                tokio::spawn(async move {
                    let done =
                        cycle::cycle(&*coordinator, &election, candidates, measure, warmup, &output).await;
                    done.unwrap_or_else(|error| output.error(format!("{error:#}")));
                });
            }
            (Command::Quit, _) => unreachable!("the caller ends the loop"),
        }
    }

    fn resign(&mut self) {
        match std::mem::replace(&mut self.state, State::Resigning) {
            State::Leading(leadership) => {
                let news = self.news.clone();
                let t0 = clock::now_ns();
                tokio::spawn(async move {
                    let outcome = leadership.resign().await;
                    let _ = news.send(News::Resigned { outcome, t0, t: clock::now_ns() });
                });
            }
            other => {
                self.state = other;
                self.output.error("resign: it does not lead");
            }
        }
    }

    fn learn(&mut self, news: News) {
        match news {
            News::Elected { leadership, val, t } => {
                let token = leadership.token().get();
                self.seat.set(leadership.handle());
                self.state = State::Leading(leadership);
                self.output.say(&Event::Leader { id: &self.args.id, val: &val, t, token });
            }
            News::NotElected(error) => {
                self.state = State::Idle;
                self.output.error(error.to_string());
            }
            News::Resigned { outcome, t0, t } => {
                self.state = State::Idle;
                match outcome {
                    Ok(()) => self.output.say(&Event::Resigned { id: &self.args.id, t0, t }),
                    Err(error) => self.output.error(error.to_string()),
                }
            }
        }
        self.catch_up();
    }

    fn lost(&mut self, loss: Loss) {
        let t = clock::now_ns();
        if let State::Leading(leadership) = std::mem::replace(&mut self.state, State::Idle) {
            let (reason, token) = (format!("{loss:?}"), leadership.token().get());
            self.output.say(&Event::Lost { id: &self.args.id, reason, token, t });
        }
    }

    /// Obeys what waited; what has to wait on goes back to the end of the backlog.
    fn catch_up(&mut self) {
        for _ in 0..self.backlog.len() {
            if let Some(command) = self.backlog.pop_front() {
                self.obey(command);
            }
        }
    }
}

/// Campaigns until elected. What may pass is no failure of the candidate: a server that restarts, or a
/// session that ends while it waits, sends it to the end of the queue.
async fn campaign(elector: Arc<dyn Elector>, id: String, val: String, news: UnboundedSender<News>) {
    let mut backoff = Backoff::default();
    loop {
        let candidate = Candidate::new(&id).and_then(|candidate| candidate.with_value(val.clone()));
        let elected = match candidate {
            Ok(candidate) => elector.campaign(candidate).await,
            Err(error) => Err(error),
        };
        let t = clock::now_ns();
        let outcome = match elected {
            Ok(leadership) => News::Elected { leadership, val, t },
            Err(error) if error.is_retryable() => {
                eprintln!("driver: {error}; campaigning again");
                tokio::time::sleep(backoff.next_delay()).await;
                continue;
            }
            Err(error) => News::NotElected(error),
        };
        let _ = news.send(outcome);
        return;
    }
}
