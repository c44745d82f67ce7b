//! Accepting connections and moving their bytes.

use std::{future, io, net::SocketAddr, pin::pin};

use rustix::net::Shutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep_until},
};

use super::link::{Direction, Link};

/// Bytes moved at once.
const CHUNK: usize = 16 * 1024;

/// Chunks under way per direction: what a network would hold in its buffers.
const UNDER_WAY: usize = 64;

/// What only the task that owns the listener can do.
pub(super) enum Order {
    /// Stop listening and end all connections.
    Cut(oneshot::Sender<()>),
    /// Listen, unless we do.
    Listen(SocketAddr, oneshot::Sender<io::Result<()>>),
}

/// Runs until the proxy is dropped; its connections end with it.
pub(super) async fn serve(
    listener: TcpListener,
    upstream: String,
    link: watch::Sender<Link>,
    mut orders: mpsc::Receiver<Order>,
) {
    let mut listener = Some(listener);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            order = orders.recv() => match order {
                None => return,
                Some(Order::Cut(done)) => {
                    // First: a client that is quick to reconnect would be accepted after the cut, and outlive it.
                    listener = None;
                    link.send_modify(|link| link.cuts += 1);
                    while connections.join_next().await.is_some() {}
                    let _ = done.send(());
                }
                Some(Order::Listen(address, done)) => {
                    let outcome = match listener {
                        Some(_) => Ok(()),
                        None => TcpListener::bind(address).await.map(|bound| listener = Some(bound)),
                    };
                    let _ = done.send(outcome);
                }
            },
            Some(client) = accept(listener.as_ref()) => {
                // The number is taken here, not when the task first runs: a cut may come in between.
                let born = link.borrow().cuts;
                connections.spawn(connection(client, upstream.clone(), link.subscribe(), born));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        // A connection that died in the backlog is no connection.
        Some(listener) => listener.accept().await.ok().map(|(stream, _)| stream),
        None => future::pending().await,
    }
}

/// One client's connection, to its end or until the link is cut: `born` is the number of cuts before it.
async fn connection(client: TcpStream, upstream: String, link: watch::Receiver<Link>, born: u64) {
    let mut cut = pin!(until_cut(link.clone(), born));
    let server = tokio::select! {
        biased;
        () = &mut cut => Err(io::ErrorKind::ConnectionReset.into()),
        server = dial(&upstream, link.clone()) => server,
    };
    let Ok(server) = server else { return reset(&client) };
    let outcome = tokio::select! {
        biased;
        () = &mut cut => Err(io::ErrorKind::ConnectionReset.into()),
        outcome = exchange(&client, &server, &link) => outcome,
    };
    if outcome.is_err() {
        // What broke one side must reach the other as a reset, not as an orderly end.
        reset(&client);
        reset(&server);
    }
}

async fn until_cut(mut link: watch::Receiver<Link>, born: u64) {
    let _ = link.wait_for(|link| link.cuts != born).await;
}

async fn dial(upstream: &str, mut link: watch::Receiver<Link>) -> io::Result<TcpStream> {
    link.wait_for(Link::is_whole).await.map_err(io::Error::other)?;
    let server = TcpStream::connect(upstream).await?;
    // The traffic of coordination is small messages; waiting for more to send would look like a slow server.
    server.set_nodelay(true)?;
    Ok(server)
}

/// Makes the close that follows a reset, with unsent bytes thrown away.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

async fn exchange(client: &TcpStream, server: &TcpStream, link: &watch::Receiver<Link>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let up = one_way(client, server, Direction::ToServer, link.clone());
    let down = one_way(server, client, Direction::ToClient, link.clone());
    tokio::try_join!(up, down).map(drop)
}

/// Bytes with the time they are due; none of them is the end of the stream.
type Parcel = (Instant, Vec<u8>);

async fn one_way(
    from: &TcpStream,
    to: &TcpStream,
    way: Direction,
    link: watch::Receiver<Link>,
) -> io::Result<()> {
    let (send, receive) = mpsc::channel(UNDER_WAY);
    tokio::try_join!(collect(from, send, way, link.clone()), deliver(to, receive, way, link)).map(drop)
}

async fn collect(
    from: &TcpStream,
    parcels: mpsc::Sender<Parcel>,
    way: Direction,
    link: watch::Receiver<Link>,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        from.readable().await?;
        let count = match from.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            outcome => outcome?,
        };
        let due = Instant::now() + link.borrow().flow(way).delay;
        let sent = parcels.send((due, buffer[..count].to_vec())).await;
        if count == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

async fn deliver(
    to: &TcpStream,
    mut parcels: mpsc::Receiver<Parcel>,
    way: Direction,
    mut link: watch::Receiver<Link>,
) -> io::Result<()> {
    while let Some((due, bytes)) = parcels.recv().await {
        sleep_until(due).await;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            to.writable().await?;
            match if_open(&mut link, way, || to.try_write(rest)).await? {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => rest = &rest[written?..],
            }
        }
        if bytes.is_empty() {
            // The peer may have gone by itself: then there is nobody to tell.
            if_open(&mut link, way, || rustix::net::shutdown(to, Shutdown::Write).ok()).await?;
        }
    }
    Ok(())
}

/// Waits until the flow is open, and acts while the link cannot change.
async fn if_open<T>(
    link: &mut watch::Receiver<Link>,
    way: Direction,
    act: impl FnOnce() -> T,
) -> io::Result<T> {
    let open = link.wait_for(|link| !link.flow(way).severed).await.map_err(io::Error::other)?;
    let done = act();
    drop(open);
    Ok(done)
}
