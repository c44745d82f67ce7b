//! Routes to the present leader: forwards TCP connections to the address in the leader's value.
//!
//!     cargo run -p examples --features etcd --bin observer -- etcd://127.0.0.1:2379 copied-worker 127.0.0.1:9000
//!
//! For an embedded Raft group give the members without `node`: the observer is a client then.

use std::net::SocketAddr;

use anyhow::Context;
use election::{Elector, Leader, LeaderEvent};
use futures::StreamExt;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const USAGE: &str = "usage: observer URL ELECTION [LISTEN]  (without LISTEN it only prints who leads)";

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let mut args = std::env::args().skip(1);
    let (url, name) = (args.next().context(USAGE)?, args.next().context(USAGE)?);
    let listen: Option<SocketAddr> = args.next().map(|listen| listen.parse()).transpose().context(USAGE)?;

    let coordinator = election::connect(&url).await?;
    let elector = coordinator.elector(&name)?;
    let (route, routes) = watch::channel(None);
    tokio::select! {
        followed = follow(&*elector, route) => followed?,
        served = serve(listen, routes) => served?,
        pressed = tokio::signal::ctrl_c() => pressed?,
    }
    // Not confirmed is no failure: it goes with the session's TTL.
    coordinator.close().await.unwrap_or_else(|error| eprintln!("{error}"));
    Ok(())
}

/// Keeps the route up to date until the observation fails for good.
async fn follow(elector: &dyn Elector, route: watch::Sender<Option<Leader>>) -> anyhow::Result<()> {
    let mut events = elector.observe();
    while let Some(event) = events.next().await {
        match event? {
            LeaderEvent::Elected(leader) => {
                let address = String::from_utf8_lossy(&leader.value);
                println!("{} leads with token {}, at {address:?}", leader.id, leader.token);
                route.send_replace(Some(leader));
            }
            LeaderEvent::Vacant => {
                println!("nobody leads: connections wait");
                route.send_replace(None);
            }
            // It may still lead, and it alone knows: its own checks and fences protect what it does.
            LeaderEvent::Disconnected { last: Some(leader), .. } => {
                println!("the coordination service is out of reach; {} led last, the route stays", leader.id);
            }
            LeaderEvent::Disconnected { last: None, .. } => {
                println!("the coordination service is out of reach")
            }
        }
    }
    Ok(())
}

/// Forwards each connection to whoever leads, and waits for a leader if nobody does.
async fn serve(listen: Option<SocketAddr>, routes: watch::Receiver<Option<Leader>>) -> anyhow::Result<()> {
    let Some(listen) = listen else { return std::future::pending().await };
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    println!("forwarding {} to the leader", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept().await?;
        let routes = routes.clone();
        tokio::spawn(async move {
            if let Err(error) = forward(client, routes).await {
                tracing::warn!(%error, "a connection was not forwarded");
            }
        });
    }
}

async fn forward(mut client: TcpStream, mut routes: watch::Receiver<Option<Leader>>) -> anyhow::Result<()> {
    let leader = routes.wait_for(Option::is_some).await?.clone().context("no leader")?;
    let address = std::str::from_utf8(&leader.value).context("the leader's value is no address")?;
    let mut upstream =
        TcpStream::connect(address).await.with_context(|| format!("cannot reach {address}"))?;
    let moved = routes.wait_for(|now| now.as_ref().is_some_and(|now| now.token > leader.token));
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut upstream) => { copied?; }
        // Another leads now: the connection is closed, so that the client comes back to the right one.
        _ = moved => {}
    }
    Ok(())
}
