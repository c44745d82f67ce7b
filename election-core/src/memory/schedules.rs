//! Random schedules: whatever happens in whatever order, the contract holds at every step.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::tests::service;
use super::{MemoryCoordinator, Service};
use crate::{Candidate, Coordinator, ElectionName, FencingToken, Leadership, Loss, Result};

const PROCESSES: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    Campaign(usize),
    /// Drops a campaign that may be anywhere on its way, or have been won.
    Abandon(usize),
    Resign(usize),
    Sever(usize),
    Heal(usize),
    Expire(usize),
    /// A new process takes the place of the old one.
    Crash(usize),
    Stop,
    Start,
    /// Milliseconds: from less than an await point to several TTLs.
    Pass(u64),
    /// Polls of other tasks: from one to all that are ready.
    Yield(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let process = 0..PROCESSES;
    prop_oneof![
        6 => process.clone().prop_map(Step::Campaign),
        2 => process.clone().prop_map(Step::Abandon),
        3 => process.clone().prop_map(Step::Resign),
        2 => process.clone().prop_map(Step::Sever),
        2 => process.clone().prop_map(Step::Heal),
        1 => process.clone().prop_map(Step::Expire),
        1 => process.prop_map(Step::Crash),
        1 => Just(Step::Stop),
        2 => Just(Step::Start),
        4 => prop_oneof![1..50u64, 1_000..4_000u64, 9_000..25_000u64].prop_map(Step::Pass),
        6 => (1..12usize).prop_map(Step::Yield),
    ]
}

/// A campaign on its way or a leadership.
struct Entrant<T> {
    owner: usize,
    /// Its session was ended by an administrator: it may claim until it hears of that, or until the deadline.
    /// (That is what fencing is for; everything else must keep the contract to the letter.)
    revoked: bool,
    it: T,
}

struct World {
    service: Service,
    election: ElectionName,
    processes: Vec<Arc<MemoryCoordinator>>,
    campaigns: Vec<Entrant<JoinHandle<Result<Leadership>>>>,
    /// Also those that were lost, and those of crashed processes: they must stay lost.
    leaderships: Vec<Entrant<Leadership>>,
    ended: BTreeMap<FencingToken, Loss>,
    highest: Option<FencingToken>,
}

impl World {
    fn new() -> Self {
        let service = service();
        Self {
            election: ElectionName::new("e").unwrap(),
            processes: (0..PROCESSES).map(|_| service.connect()).collect(),
            service,
            campaigns: Vec::new(),
            leaderships: Vec::new(),
            ended: BTreeMap::new(),
            highest: None,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Campaign(i) => {
                let elector = self.processes[i].elector("e").unwrap();
                let candidate = Candidate::new(format!("c{i}")).unwrap();
                let it = tokio::spawn(async move { elector.campaign(candidate).await });
                self.campaigns.push(Entrant { owner: i, revoked: false, it });
            }
            Step::Abandon(i) => self.abandon(i),
            Step::Resign(i) => {
                if let Some(at) = self.leaderships.iter().position(|entrant| entrant.owner == i) {
                    // Confirmed or not, it is over: nobody waits for the answer.
                    drop(tokio::spawn(self.leaderships.swap_remove(at).it.resign()));
                }
            }
            Step::Sever(i) => self.processes[i].sever(),
            Step::Heal(i) => self.processes[i].heal(),
            Step::Expire(i) => {
                self.processes[i].expire();
                self.campaigns.iter_mut().filter(|e| e.owner == i).for_each(|e| e.revoked = true);
                self.leaderships.iter_mut().filter(|e| e.owner == i).for_each(|e| e.revoked = true);
            }
            Step::Crash(i) => {
                self.processes[i].crash();
                self.abandon(i);
                self.processes[i] = self.service.connect();
            }
            Step::Stop => self.service.stop(),
            Step::Start => self.service.start(),
            Step::Pass(millis) => sleep(Duration::from_millis(millis)).await,
            Step::Yield(polls) => {
                for _ in 0..polls {
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    fn abandon(&mut self, process: usize) {
        for gone in self.campaigns.extract_if(.., |campaign| campaign.owner == process) {
            gone.it.abort();
        }
    }

    /// Collects the campaigns that were won, then asks everybody who ever led.
    async fn look(&mut self) -> std::result::Result<(), TestCaseError> {
        for Entrant { owner, revoked, it } in
            self.campaigns.extract_if(.., |campaign| campaign.it.is_finished()).collect::<Vec<_>>()
        {
            match it.await.unwrap() {
                Ok(it) => self.leaderships.push(Entrant { owner, revoked, it }),
                Err(error) => prop_assert!(error.is_retryable(), "{error}"),
            }
        }
        let mut claims = Vec::new();
        for Entrant { revoked, it: leadership, .. } in &self.leaderships {
            let token = leadership.token();
            match leadership.check() {
                Ok(checked) => {
                    prop_assert_eq!(checked, token);
                    prop_assert!(!self.ended.contains_key(&token), "{} came back to life", token);
                    claims.extend((!revoked).then_some(token));
                }
                Err(loss) => prop_assert_eq!(*self.ended.entry(token).or_insert(loss), loss),
            }
        }
        prop_assert!(claims.len() <= 1, "claims at the same time: {:?}", claims);
        if let Some(claim) = claims.first() {
            prop_assert!(self.highest <= Some(*claim), "{claim} claims after {:?}", self.highest);
            self.highest = Some(*claim);
        }
        Ok(())
    }

    /// After the last fault: somebody leads, and when all have gone, nothing is left.
    async fn end(mut self) -> std::result::Result<(), TestCaseError> {
        self.service.start();
        self.processes.iter().for_each(|process| process.heal());
        let ttl = self.service.timing().ttl;
        sleep(ttl * 2).await;
        self.look().await?;
        self.campaigns.drain(..).for_each(|campaign| campaign.it.abort());
        self.leaderships.clear();
        sleep(Duration::from_millis(10)).await;
        prop_assert_eq!(self.service.records(&self.election), 0);
        self.take(Step::Campaign(0)).await;
        sleep(Duration::from_millis(10)).await;
        self.look().await?;
        prop_assert!(self.leaderships.iter().any(|leader| leader.it.check().is_ok()));
        self.processes.clear();
        self.leaderships.clear();
        sleep(Duration::from_millis(10)).await;
        prop_assert_eq!(self.service.sessions(), 0);
        Ok(())
    }
}

proptest! {
    #[test]
    fn no_schedule_breaks_the_contract(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = World::new();
            for step in steps {
                world.take(step).await;
                world.look().await?;
            }
            world.end().await
        })?;
    }
}
