//! [`Stand`]: three servers and three candidates, each on a host of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bench::{clock, rig::Backend};
use testkit::checker::Requirement;
use testkit::etcd::{Etcd, EtcdOptions};
use testkit::net::{Family, Host, Net};
use testkit::zk::{Zk, ZkOptions};
use testkit::{Servers, Site, WorkDir};
use tokio::time::sleep;

use crate::candidate::Candidate;
use crate::record::{ELECTION, PATIENCE, Record};

/// How many servers, and how many candidates.
pub(crate) const COUNT: usize = 3;

/// How often the candidates are listened to.
const LISTEN_EVERY: Duration = Duration::from_millis(5);

enum Service {
    Etcd(Etcd),
    Zk(Zk),
    /// The candidates themselves.
    Raft,
}

/// Everything that a storm goes over.
pub(crate) struct Stand {
    // In this order: candidates end before servers, servers before their network.
    pub(crate) candidates: Vec<Candidate>,
    service: Service,
    pub(crate) servers: Vec<Arc<Host>>,
    pub(crate) record: Record,
    ttl: Duration,
    _folder: WorkDir,
    _net: Net,
}

impl Stand {
    /// Starts the servers, waits until they serve, and starts the candidates.
    pub(crate) async fn start(backend: Backend, family: Family) -> Result<Self> {
        let net = Net::of(family)?;
        let servers = net.hosts("server", COUNT)?;
        let (service, endpoints, ttl) = match backend {
            Backend::Etcd => {
                let timing = (Duration::from_millis(50), Duration::from_millis(500));
                let options = EtcdOptions::new().timing(timing.0, timing.1).on(Site::each(&servers));
                let etcd = Etcd::start(options).await?;
                let endpoints = etcd.endpoints();
                (Service::Etcd(etcd), endpoints, Duration::from_secs(2))
            }
            Backend::Zk => {
                let options = ZkOptions::new().tick(Duration::from_millis(100)).limits(100, 5);
                let zk = Zk::start(options.on(Site::each(&servers))).await?;
                let endpoints = zk.endpoints();
                (Service::Zk(zk), endpoints, Duration::from_secs(2))
            }
            Backend::Raft => {
                let endpoint = |host: &Arc<Host>| std::net::SocketAddr::from((host.address(), 7001));
                let endpoints = servers.iter().map(|host| endpoint(host).to_string()).collect();
                (Service::Raft, endpoints, Duration::from_millis(1600))
            }
            Backend::Memory => bail!("the memory of a process has no hosts"),
        };
        let folder = WorkDir::new("storm-")?;
        let members = matches!(service, Service::Raft);
        let hosts = if members { servers.clone() } else { net.hosts("candidate", COUNT)? };
        let candidate = |(i, host): (usize, Arc<Host>)| {
            let data = folder.path().join(format!("data-{i}")).display().to_string();
            let (id, ttl_ms) = (i.to_string(), ttl.as_millis().to_string());
            let mut args = vec![backend.name(), "candidate", "--endpoints"];
            let endpoints: String = endpoints.join(",");
            args.extend([&endpoints, "--election", ELECTION, "--id", &id, "--ttl-ms", &ttl_ms]);
            if members {
                args.extend(["--data-dir", &data]);
            }
            let args = args.into_iter().map(str::to_owned).collect();
            Candidate::new(i, host, args, folder.path().join(format!("{i}.log")))
        };
        let candidates = hosts.into_iter().enumerate().map(candidate).collect();
        let record = Record::new();
        let mut stand = Self { candidates, service, servers, record, ttl, _folder: folder, _net: net };
        for candidate in &mut stand.candidates {
            candidate.start(&mut stand.record)?;
        }
        Ok(stand)
    }

    pub(crate) fn ttl(&self) -> Duration {
        self.ttl
    }

    /// The processes of the servers; `None` if they are those of the candidates.
    pub(crate) fn processes(&self) -> Option<&Servers> {
        match &self.service {
            Service::Etcd(etcd) => Some(etcd),
            Service::Zk(zk) => Some(zk),
            Service::Raft => None,
        }
    }

    /// Listens to all candidates for a moment.
    pub(crate) async fn listen(&mut self) -> Result<()> {
        for candidate in &mut self.candidates {
            candidate.hear(&mut self.record)?;
        }
        sleep(LISTEN_EVERY).await;
        Ok(())
    }

    /// Waits until a candidate has led after that moment, and says which.
    pub(crate) async fn leader_since(&mut self, moment: u64) -> Result<usize> {
        let asked = clock::now_ns();
        loop {
            self.listen().await?;
            let led = self.candidates.iter().enumerate().filter_map(|(i, one)| Some((one.led_at()?, i)));
            if let Some((_, i)) = led.filter(|(at, _)| *at > moment).max() {
                return Ok(i);
            }
            if clock::since(asked) > PATIENCE {
                bail!("nobody leads within {PATIENCE:?}");
            }
        }
    }

    /// Lets whoever leads resign until everybody has led: nobody has given up, and nobody is forgotten.
    pub(crate) async fn each_leads(&mut self) -> Result<()> {
        let began = clock::now_ns();
        let has_led = |candidate: &Candidate| candidate.led_at().is_some_and(|at| at > began);
        while !self.candidates.iter().all(has_led) {
            let now = clock::now_ns();
            let leader = self.leader_since(now).await?;
            self.candidates[leader].resign()?;
            if clock::since(began) > PATIENCE {
                let missing = self.candidates.iter().position(|candidate| !has_led(candidate));
                bail!("candidate {} does not lead within {PATIENCE:?}", missing.context("all have led")?);
            }
        }
        Ok(())
    }

    /// What was said and done, judged.
    pub(crate) fn judge(self, required: Vec<Requirement>) -> Result<()> {
        self.record.judge(self.ttl, required)
    }

    /// What the candidates wrote for people.
    pub(crate) fn last_words(&self) -> String {
        self.candidates.iter().map(Candidate::last_words).collect::<Vec<_>>().join("\n")
    }
}
