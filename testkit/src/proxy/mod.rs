//! A TCP proxy on loopback that makes a link bad: black holes, resets, delays, connections that one end has lost.
//!
//! It runs on a thread of its own, so a test that blocks its runtime, or pauses its clock, does not stop the traffic.
//! That thread may be on a [`Host`](crate::net::Host): then the loopback is the host's.
//!
//! Chunks of different connections overtake each other when their delays differ ([`Proxy::jitter`]). Within one
//! connection they cannot, and none comes twice: TCP keeps order and drops duplicates, whatever the network does.

mod link;
mod place;
mod pump;

pub use link::{Direction, Told};
pub use place::Place;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use tokio::sync::{mpsc, oneshot, watch};

use crate::ports::Port;
use link::Link;

/// A listening port in front of one server.
///
/// ```no_run
/// # async fn demo() -> anyhow::Result<()> {
/// use testkit::proxy::Proxy;
///
/// let proxy = Proxy::to("127.0.0.1:2379").await?;
/// // … connect the client under test to `proxy.endpoint()` …
/// proxy.sever(); // a pulled cable: what is open stays open and silent, what is new hangs
/// proxy.heal().await?; // what was held back arrives
/// proxy.cut().await?; // a dead host that is back on the network: resets, then refusals
/// proxy.heal().await?; // listening again, on the same port
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    port: Port,
    link: watch::Sender<Link>,
    disturbed: Arc<AtomicU64>,
    orders: mpsc::Sender<pump::Order>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream` (`host:port`), which need not be up yet.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn to(upstream: &str) -> Result<Self> {
        Self::at(&Place::here()?, Port::lease()?, upstream).await
    }

    /// The same in that place, on that port.
    ///
    /// # Errors
    ///
    /// When the port is taken.
    pub async fn at(place: &Place, port: Port, upstream: &str) -> Result<Self> {
        let link = watch::Sender::new(Link::default());
        let disturbed = Arc::default();
        let (orders, inbox) = mpsc::channel(1);
        let address = port.address();
        let listening = place.spawn(pump::bind(address)).await?;
        let listener = listening.with_context(|| format!("cannot listen on {address}"))?;
        let upstream = upstream.to_owned();
        place.spawn(pump::serve(listener, upstream, link.clone(), Arc::clone(&disturbed), inbox));
        Ok(Self { port, link, disturbed, orders })
    }

    /// Where the client under test connects to.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// The same as text: `127.0.0.1:<port>`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        self.address().to_string()
    }

    /// Turns the link into a black hole, both ways. Open connections stay open, and after this call not one byte of
    /// theirs is passed on; new ones are accepted and hang. What is held back arrives after [`heal`](Self::heal).
    pub fn sever(&self) {
        self.sever_one_way(Direction::ToServer);
        self.sever_one_way(Direction::ToClient);
    }

    /// The same in one direction only. New connections hang: no handshake completes over half a link.
    pub fn sever_one_way(&self, direction: Direction) {
        self.link.send_modify(|link| link.flow_mut(direction).severed = true);
    }

    /// Delivers every byte of that direction `delay` later than it would be, in order and at full bandwidth; zero ends
    /// it. Bytes already under way keep their time.
    pub fn delay(&self, direction: Direction, delay: Duration) {
        self.link.send_modify(|link| link.flow_mut(direction).delay = delay);
    }

    /// Delivers every chunk of bytes of that direction later by a time of its own, between nothing and `most`, on top of
    /// the [delay](Self::delay): those of different connections overtake each other.
    pub fn jitter(&self, direction: Direction, most: Duration) {
        self.link.send_modify(|link| link.flow_mut(direction).jitter = most);
    }

    /// Forgets every open connection, as a firewall does that has lost its state, or a peer that was switched off: not
    /// one byte of theirs is passed on any more. Whoever is not told goes on believing in them, until
    /// [`heal`](Self::heal) resets them. New connections are not concerned.
    pub fn forget(&self, told: Told) {
        self.link.send_modify(|link| {
            link.forgotten += 1;
            link.told = told;
        });
    }

    /// How many chunks of bytes and connections did not get through as they should have, so far.
    #[must_use]
    pub fn disturbed(&self) -> u64 {
        self.disturbed.load(Ordering::Relaxed)
    }

    /// Resets every connection and refuses new ones from now on.
    ///
    /// # Errors
    ///
    /// When the proxy's thread has died.
    pub async fn cut(&self) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.order(pump::Order::Cut(done)).await?;
        Ok(answer.await?)
    }

    /// Ends all of it.
    ///
    /// # Errors
    ///
    /// When the port cannot be listened on again.
    pub async fn heal(&self) -> Result<()> {
        self.link.send_modify(Link::heal);
        let (done, answer) = oneshot::channel();
        self.order(pump::Order::Listen(self.address(), done)).await?;
        answer.await?.with_context(|| format!("cannot listen on {} again", self.address()))
    }

    async fn order(&self, order: pump::Order) -> Result<()> {
        self.orders.send(order).await.map_err(|_| anyhow!("the proxy has ended"))
    }
}

#[cfg(test)]
mod tests;
