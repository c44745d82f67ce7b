//! [`Chaos`]: a run from the first server's start to the facts.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use futures::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep};

use super::{
    outcome::Outcome,
    plan::{Plan, Round},
    progress::Progress,
    strike::carry_out,
};
use crate::{
    checker::{Bounds, Exercise, Facts, Left, Requirement, check},
    contender::Sink,
    ground::{Backend, Ground, Settings, Worker},
    history::{Event, Follow, History, Op, Phase, Recorder, Stamp, Who},
    nemesis::Kind,
    poll::until,
};

/// How long the run waits for a leader before it gives up. Far above every bound, so that it is the checker that says
/// what is too late.
const LEADER_WITHIN: Duration = Duration::from_secs(60);

/// How often the histories are looked at for a leader.
const LOOK_EVERY: Duration = Duration::from_millis(15);

/// How long a run goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// At least that long, and until every fault was struck once.
    For(Duration),
    /// Until every fault was exercised that often, and no longer than that. As many tries again may be in vain.
    Times(usize),
}

/// A run that is under way.
pub struct Chaos {
    ground: Ground,
    kinds: Vec<&'static Kind>,
    recorder: Recorder,
    follow: Follow,
    bounds: Bounds,
    faults: u64,
    /// How often each fault has to be exercised.
    times: usize,
    /// How often each fault was exercised, and how often it was tried in vain.
    tries: BTreeMap<&'static str, (usize, usize)>,
}

impl Chaos {
    /// Starts everything, and waits until somebody leads.
    ///
    /// # Errors
    ///
    /// When something does not start.
    pub async fn start(settings: Settings, kinds: Vec<&'static Kind>) -> Result<Self> {
        let histories = settings.histories();
        fs::create_dir_all(&histories).with_context(|| format!("cannot create {}", histories.display()))?;
        // Before the workers, who would all create it at once.
        Sink::open(&settings.sink())?;
        let ground = Ground::start(settings).await?;
        let who = Who { id: "harness".into(), incarnation: 1, election: ground.election().to_string() };
        let recorder = Recorder::open(&histories.join("harness.jsonl"), who)?;
        let (follow, bounds) = (Follow::new(histories), bounds(ground.settings().backend));
        let tries = kinds.iter().map(|kind| (kind.name, (0, 0))).collect();
        let mut chaos = Self { ground, kinds, recorder, follow, bounds, faults: 0, times: 1, tries };
        ensure!(
            chaos.leads_since(0).await?,
            "nobody leads within {LEADER_WITHIN:?}, and no fault was let loose"
        );
        Ok(chaos)
    }

    /// Lets the faults loose, round after round, until it is enough or nobody leads any more.
    ///
    /// # Errors
    ///
    /// When a fault cannot be taken back.
    pub async fn rage(&mut self, seed: u64, length: Length, progress: &Progress) -> Result<()> {
        let members = self.ground.settings().members;
        let mut plan = Plan::new(seed, self.kinds.clone(), self.ground.ttl()).with_members(members);
        let begun = Instant::now();
        if let Length::Times(times) = length {
            self.times = times;
        }
        loop {
            let round = plan.next().context("a plan without faults")?;
            if let Length::Times(times) = length
                && round.strikes.iter().all(|strike| self.is_settled(strike.kind, times))
            {
                continue;
            }
            if !self.round(&round, progress).await? {
                // The checker says which law that breaks, and since when.
                progress.say(format!("nobody leads within {LEADER_WITHIN:?}: the run ends here"));
                return Ok(());
            }
            let enough = match length {
                // The first time through goes to its end, whatever the clock says.
                Length::For(length) => {
                    let tried = self.tries.values().all(|(done, missed)| done + missed > 0);
                    begun.elapsed() >= length && tried
                }
                Length::Times(times) => self.kinds.iter().all(|kind| self.is_settled(kind, times)),
            };
            if enough {
                return Ok(());
            }
        }
    }

    /// Whether a fault was exercised that often, or tried in vain once more than that.
    fn is_settled(&self, kind: &Kind, times: usize) -> bool {
        self.tries.get(kind.name).is_none_or(|(done, missed)| *done >= times || *missed > times)
    }

    /// True when somebody led after it.
    async fn round(&mut self, round: &Round, progress: &Progress) -> Result<bool> {
        let names: Vec<&str> = round.strikes.iter().map(|strike| strike.kind.name).collect();
        progress.now(names.join(" and "));
        let (ground, recorder, count) = (&self.ground, &self.recorder, round.strikes.len() as u64);
        let first = self.faults;
        let strikes = round.strikes.iter().zip(first..).map(|(strike, number)| async move {
            // Of two strikes the one has the even numbers and the other the odd ones.
            let mut numbers = (0..).map(|i| number + i * count);
            carry_out(strike, ground, recorder, &mut numbers, progress).await
        });
        let results = join_all(strikes).await;
        // More than can have been used.
        self.faults += 10 * count;
        let over = Stamp::now();
        for (strike, exercised) in round.strikes.iter().zip(results) {
            let (done, missed) = self.tries.entry(strike.kind.name).or_default();
            if exercised? { *done += 1 } else { *missed += 1 }
        }
        progress.now("quiet");
        let leads = self.leads_since(over.mono_ns).await?;
        sleep(round.calm).await;
        self.look().await?;
        self.ground.workers().try_for_each(Worker::expect_running)?;
        Ok(leads)
    }

    /// Ends the workers, gathers the facts and has them checked.
    ///
    /// # Errors
    ///
    /// When a worker does not end, or the service does not tell its records.
    pub async fn finish(mut self, progress: &Progress) -> Result<Outcome> {
        progress.now("ending the workers");
        let now = Stamp::now().mono_ns;
        self.leads_since(now).await?;
        try_join_all(self.ground.contenders().iter().map(Worker::retire)).await?;
        // What the bounds speak of must have passed for the end to be decided.
        sleep(self.bounds.takeover + self.bounds.observe * 2).await;
        let records = self.left().await?;
        try_join_all(self.ground.observers().iter().map(Worker::end)).await?;
        self.recorder.record(Event::new(Op::Run, Phase::Ok))?;
        progress.now("checking");
        let (election, settings) = (self.ground.election().to_string(), self.ground.settings());
        let required = self.kinds.iter().map(|kind| Requirement {
            kind: kind.name.into(),
            times: self.times,
            exercise: Exercise::Confirmed,
        });
        let facts = Facts {
            records: Some(records),
            sink: Some(Sink::open(&settings.sink())?.rows()?),
            required: required.collect(),
            ..Facts::new(&election, self.bounds)
        };
        facts.save(&settings.histories())?;
        let history = History::read_dir(&settings.histories())?;
        let report = check(&history, &facts);
        Ok(Outcome { report, history, election, tries: self.tries })
    }

    /// Waits for a check of a leader that went well after that moment; false when there is none in a long time.
    async fn leads_since(&mut self, moment: u64) -> Result<bool> {
        let deadline = Instant::now() + LEADER_WITHIN;
        while self.follow.leader()?.is_none_or(|event| event.began_ns <= Some(moment)) {
            if Instant::now() >= deadline {
                return Ok(false);
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(true)
    }

    /// Notes what the service says about the election.
    async fn look(&self) -> Result<()> {
        let began = Stamp::now();
        // A server that was struck may still be finding its place; another look comes after the next fault.
        let Ok(records) = self.ground.records().await else { return Ok(()) };
        // In a Raft group only the leader has a token.
        let tokens = records.iter().filter_map(|record| u64::try_from(record.order).ok());
        self.recorder.record(Event::records(tokens.filter(|token| *token > 0).collect(), began))
    }

    async fn left(&self) -> Result<Vec<Left>> {
        let records =
            until("the records at the end", LEADER_WITHIN, || async { Ok(self.ground.records().await.ok()) });
        let left = |record: &crate::Record| {
            let value = String::from_utf8_lossy(&record.value).into_owned();
            Ok(Left { token: u64::try_from(record.order)?, value })
        };
        records.await?.iter().map(left).collect()
    }
}

/// Three servers and six processes built for debugging share two cores with whatever else runs.
fn bounds(backend: Backend) -> Bounds {
    let usual = Bounds::for_ttl(backend.ttl());
    let busy = Duration::from_secs(2);
    Bounds {
        takeover: usual.takeover + backend.failover() + busy,
        handover: usual.handover + busy,
        depose: usual.depose + busy,
        observe: usual.observe + busy,
        ..usual
    }
}
