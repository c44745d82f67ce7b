//! A TCP proxy on loopback that makes a link bad: black holes, resets, delays.
//!
//! It runs on a thread of its own, so a test that blocks its runtime, or pauses its clock, does not stop the traffic.

mod link;
mod pump;

pub use link::Direction;

use std::{net::SocketAddr, sync::OnceLock, time::Duration};

use anyhow::{Context, Result, anyhow};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot, watch},
};

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
    orders: mpsc::Sender<pump::Order>,
}

impl Proxy {
    /// Listens on a free port and forwards to `upstream` (`host:port`), which need not be up yet.
    ///
    /// # Errors
    ///
    /// When no port is free.
    pub async fn to(upstream: &str) -> Result<Self> {
        let port = Port::lease()?;
        let link = watch::Sender::new(Link::default());
        let (orders, inbox) = mpsc::channel(1);
        let address = port.address();
        let listening = runtime()?.spawn(TcpListener::bind(address)).await?;
        let listener = listening.with_context(|| format!("cannot listen on {address}"))?;
        runtime()?.spawn(pump::serve(listener, upstream.to_owned(), link.clone(), inbox));
        Ok(Self { port, link, orders })
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

    /// Ends [`sever`](Self::sever), [`cut`](Self::cut) and [`delay`](Self::delay).
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

/// One thread for all proxies of the process.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let start = || {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("testkit-proxy").enable_all().build();
        runtime.map_err(|error| error.to_string())
    };
    RUNTIME.get_or_init(start).as_ref().map_err(|error| anyhow!("no runtime for the proxies: {error}"))
}

#[cfg(test)]
mod tests;
