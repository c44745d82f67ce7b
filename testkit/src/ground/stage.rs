//! [`Ground`]: everything that a run needs, in its place.

use std::{net::IpAddr, path::Path, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use election_core::ElectionName;

use super::{Links, Settings, sockets, worker::Worker};
use crate::{
    contender::Mode,
    fixture::Service,
    ground::Clock,
    net::{Host, Net},
    poll::until,
    record::Record,
};

/// The root of the election, where the service has roots.
const ROOT: &str = "ground";

const ELECTION: &str = "chaos";

/// A bound for what an administrator asks: with a majority of servers gone there is no answer until they are back.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// Who leads at present, by the service's own account.
#[derive(Clone, Debug)]
pub struct Seat {
    /// The worker, counted among the contenders.
    pub worker: usize,
    /// Its record.
    pub record: Record,
}

/// Three servers, the workers and the network between them.
pub struct Ground {
    // In this order: the workers end before the servers, and both before their network.
    contenders: Vec<Worker>,
    observers: Vec<Worker>,
    service: Box<dyn Service>,
    servers: Vec<Arc<Host>>,
    settings: Arc<Settings>,
    election: ElectionName,
    _net: Net,
}

impl Ground {
    /// Builds the network, starts three servers and waits until they serve, and starts the workers.
    ///
    /// # Errors
    ///
    /// When something cannot be started; a server's log is in the message.
    pub async fn start(settings: Settings) -> Result<Self> {
        let settings = Arc::new(settings);
        std::fs::create_dir_all(settings.histories())?;
        let net = Net::new()?;
        let servers = net.hosts("server", 3)?;
        let election = settings.backend.election(ROOT, ELECTION)?;
        let (service, members) = settings.backend.start(&servers, &settings, &election).await?;
        let members = members.into_iter().zip(&servers).enumerate();
        let mut contenders: Vec<Worker> =
            members.map(|(i, (node, host))| Worker::member(i, host.clone(), node, &settings)).collect();
        let endpoints = service.endpoints();
        let workers = async |name: &str, mode: Mode, count: usize| -> Result<Vec<Worker>> {
            let mut workers = Vec::new();
            for (i, host) in net.hosts(name, count)?.into_iter().enumerate() {
                // Every other one reaches the servers through proxies, on which links can be bad in ways of their own.
                let links = if i % 2 == 1 { Some(Links::to(&endpoints, &host).await?) } else { None };
                let authority = links.as_ref().map_or_else(|| endpoints.join(","), Links::authority);
                let url = service.url(&authority, ROOT);
                workers.push(Worker::new(
                    (format!("{name}-{i}"), mode),
                    host,
                    (url, links),
                    &election,
                    &settings,
                ));
            }
            Ok(workers)
        };
        contenders.extend(workers("worker", Mode::Lead, settings.contenders).await?);
        let observers = workers("observer", Mode::Observe, settings.observers).await?;
        let ground = Self { contenders, observers, service, servers, settings, election, _net: net };
        for worker in ground.workers().filter(|worker| !worker.is_member()) {
            // libfaketime keeps its state in shared memory and, when killed, leaves it behind: so in memory that goes.
            worker.host().mount_disk(Path::new("/dev/shm"), 1)?;
            worker.start(Clock::True)?;
        }
        Ok(ground)
    }

    /// What it was made of.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The service.
    #[must_use]
    pub fn service(&self) -> &dyn Service {
        &*self.service
    }

    /// The hosts of the servers.
    #[must_use]
    pub fn servers(&self) -> &[Arc<Host>] {
        &self.servers
    }

    /// The processes that contend.
    #[must_use]
    pub fn contenders(&self) -> &[Worker] {
        &self.contenders
    }

    /// The processes that observe.
    #[must_use]
    pub fn observers(&self) -> &[Worker] {
        &self.observers
    }

    /// All processes of ours.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.contenders.iter().chain(&self.observers)
    }

    /// The hosts of the servers and of all workers.
    #[must_use]
    pub fn hosts(&self) -> Vec<Arc<Host>> {
        self.servers.iter().chain(self.workers().map(Worker::host)).cloned().collect()
    }

    /// The election that all contend in.
    #[must_use]
    pub fn election(&self) -> &ElectionName {
        &self.election
    }

    /// The TTL of the sessions.
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.service.ttl()
    }

    /// The election's records, the leader's first, as an administrator sees them.
    ///
    /// # Errors
    ///
    /// When the service does not answer.
    pub async fn records(&self) -> Result<Vec<Record>> {
        self.service.records(ROOT, &self.election).await
    }

    /// Deletes a record behind its owner's back; false when it has gone by itself.
    ///
    /// # Errors
    ///
    /// When the service does not answer.
    pub async fn delete(&self, record: &Record) -> Result<bool> {
        self.service.delete(&self.election, record).await
    }

    /// Waits until somebody leads, and says who.
    ///
    /// # Errors
    ///
    /// When nobody does within a minute.
    pub async fn seat(&self) -> Result<Seat> {
        self.leader_that(|_| true).await
    }

    /// Waits until one of those leads for whom that is true, and says who.
    ///
    /// # Errors
    ///
    /// When none does within a minute.
    pub async fn leader_that(&self, suits: impl Fn(&Worker) -> bool) -> Result<Seat> {
        let leader = until("a leader of that kind", ANSWER_WITHIN, || async {
            // The answer of a server that is being killed is no answer; another one is asked next.
            let records = self.records().await.unwrap_or_default();
            let seat = records.into_iter().next().and_then(|record| self.seat_of(record));
            Ok(seat.filter(|seat| suits(&self.contenders[seat.worker])))
        });
        leader.await
    }

    /// Waits until one of those waits behind a leader for whom that is true, and says who is the last of them in the line.
    ///
    /// # Errors
    ///
    /// When none does within a minute.
    pub async fn waiter_that(&self, suits: impl Fn(&Worker) -> bool) -> Result<Seat> {
        let waiter = until("somebody who waits", ANSWER_WITHIN, || async {
            let records = self.records().await.unwrap_or_default();
            let waiters = records.into_iter().skip(1).filter_map(|record| self.seat_of(record));
            Ok(waiters.filter(|seat| suits(&self.contenders[seat.worker])).last())
        });
        waiter.await
    }

    fn seat_of(&self, record: Record) -> Option<Seat> {
        // A worker's value begins with its id; a Raft group shows the id alone.
        let value = String::from_utf8_lossy(&record.value).into_owned();
        let id = value.split('/').next()?;
        let worker = self.contenders.iter().position(|worker| worker.id() == id)?;
        Some(Seat { worker, record })
    }

    /// The server that a worker is talking to.
    ///
    /// # Errors
    ///
    /// When it has no open connection to any.
    pub fn server_of(&self, worker: &Worker) -> Result<usize> {
        let servers: Vec<IpAddr> = self.servers.iter().map(|host| host.address()).collect();
        let server = sockets::server_in_touch(worker.host(), &servers)?;
        server.with_context(|| format!("{worker} is not connected to any server"))
    }
}
