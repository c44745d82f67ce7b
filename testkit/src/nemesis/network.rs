//! Partitions, loss and refusal: [weather](crate::net::Weather) between hosts.

use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use rand::{Rng, rngs::StdRng};

use super::{
    Aim, Exercise, Nemesis, Struck,
    kill::names,
    victim::{Role, Victim, another},
};
use crate::{
    ground::Ground,
    net::{Fate, Host, Rule, Weather},
};

/// Who is kept from talking to whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The leader's host from all others.
    Leader,
    /// The leader's host and all servers, in one direction.
    OneWay,
    /// The leader's host and all servers: connections are reset and refused.
    Refused,
    /// The server that the leader's client is talking to, from the other servers; the client's link to it stays up.
    LeadersServer,
    /// The server that leads the others, from the other servers.
    Chief,
    /// Two servers from each other; both see the third.
    Bridge,
    /// All servers and workers, by a part of all packets.
    Loss,
}

/// A network that does not carry everything.
pub(super) struct Disturbed {
    pub(super) shape: Shape,
    pub(super) rng: StdRng,
    pub(super) rules: Vec<Rule>,
    pub(super) victim: Option<Victim>,
    /// The server whose link to the victim must stay up.
    pub(super) server: Option<usize>,
    /// Whether it was up when the fault had begun.
    pub(super) link_up: bool,
    pub(super) weather: Option<Weather>,
}

impl Disturbed {
    pub(super) fn new(shape: Shape, rng: StdRng) -> Self {
        Self { shape, rng, rules: Vec::new(), victim: None, server: None, link_up: false, weather: None }
    }

    /// The leader's host, after noting that the fault is about the leader.
    async fn leaders_host(&mut self, ground: &Ground) -> Result<Arc<Host>> {
        let victim = self.victim.insert(Victim::find(ground, Role::Leader).await?);
        Ok(victim.worker(ground).host().clone())
    }

    async fn isolate_server(&mut self, ground: &Ground, server: usize) -> String {
        self.rules = Rule::around(&ground.servers()[server], ground.servers(), Fate::Lost);
        format!("{} from the other servers", names(ground, &[server]))
    }
}

#[async_trait]
impl Nemesis for Disturbed {
    async fn aim(&mut self, ground: &Ground) -> Result<Aim> {
        let servers = ground.servers();
        let target = match self.shape {
            Shape::Leader => {
                let host = self.leaders_host(ground).await?;
                self.rules = Rule::around(&host, &ground.hosts(), Fate::Lost);
                format!("{host} from all others")
            }
            Shape::OneWay => {
                let host = self.leaders_host(ground).await?;
                let towards = self.rng.random_bool(0.5);
                let rule = |server| match towards {
                    true => Rule::new(&host, server, Fate::Lost),
                    false => Rule::new(server, &host, Fate::Lost),
                };
                self.rules = servers.iter().map(rule).collect();
                if towards { format!("{host} to the servers") } else { format!("the servers to {host}") }
            }
            Shape::Refused => {
                let host = self.leaders_host(ground).await?;
                self.rules = Rule::around(&host, servers, Fate::Refused);
                format!("{host} and the servers")
            }
            Shape::LeadersServer => {
                self.leaders_host(ground).await?;
                let seat = self.victim.as_ref().map(|victim| victim.worker(ground));
                let server = seat.map_or(Ok(0), |worker| ground.server_of(worker))?;
                self.server = Some(server);
                self.isolate_server(ground, server).await
            }
            Shape::Chief => {
                let chief = ground.service().leader().await?;
                self.isolate_server(ground, chief).await
            }
            Shape::Bridge => {
                let one = ground.service().leader().await?;
                let other = another(&mut self.rng, servers.len(), one);
                self.rules = Rule::between(&servers[one], &servers[other], Fate::Lost).into();
                format!("{} from each other", names(ground, &[one, other]))
            }
            Shape::Loss => {
                let percent = self.rng.random_range(10..=50);
                let hosts = ground.hosts();
                let pairs = hosts.iter().enumerate().flat_map(|(i, one)| {
                    hosts[i + 1..]
                        .iter()
                        .flat_map(move |other| Rule::between(one, other, Fate::Lossy(percent)))
                });
                self.rules = pairs.collect();
                format!("{percent} % of all packets")
            }
        };
        Ok(Aim { target, ..Aim::default() })
    }

    async fn inject(&mut self, ground: &Ground) -> Result<()> {
        self.weather = Some(Weather::impose(self.rules.drain(..))?);
        if let (Some(victim), Some(server)) = (&self.victim, self.server) {
            self.link_up = ground.server_of(victim.worker(ground))? == server;
        }
        Ok(())
    }

    async fn heal(&mut self, ground: &Ground, struck: Struck) -> Result<Exercise> {
        let Some(weather) = self.weather.take() else { return Ok(Exercise::Missed("it never began".into())) };
        let hits = weather.lift()?;
        if hits == 0 {
            return Ok(Exercise::Missed("not one packet was hit".into()));
        }
        if self.server.is_some() && !self.link_up {
            return Ok(Exercise::Missed("the leader's client had gone to another server".into()));
        }
        self.victim.as_ref().map_or(Ok(Exercise::Done), |victim| victim.was_hit(ground, struck))
    }
}
