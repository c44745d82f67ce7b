//! [`Links`]: the way of one worker to the servers, where it leads through proxies of ours.

use std::net::Ipv4Addr;

use anyhow::Result;

use crate::{
    net::Host,
    ports::Port,
    proxy::{Place, Proxy},
};

/// The first of the ports that they listen on, on the host's own loopback.
const FIRST_PORT: u16 = 9001;

/// One proxy per server, on the worker's host.
#[derive(Debug)]
pub struct Links {
    proxies: Vec<Proxy>,
    /// Their thread.
    _place: Place,
}

impl Links {
    pub(super) async fn to(servers: &[String], host: &Host) -> Result<Self> {
        let place = host.place()?;
        let mut proxies = Vec::new();
        for (port, server) in (FIRST_PORT..).zip(servers) {
            proxies.push(Proxy::at(&place, Port::at(Ipv4Addr::LOCALHOST.into(), port), server).await?);
        }
        Ok(Self { proxies, _place: place })
    }

    /// What the worker is told to connect to.
    pub(super) fn authority(&self) -> String {
        self.proxies.iter().map(Proxy::endpoint).collect::<Vec<_>>().join(",")
    }

    /// In the order of the servers.
    #[must_use]
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }
}
