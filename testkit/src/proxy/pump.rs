//! Accepting connections and moving their bytes.

use std::{
    future, io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::net::Shutdown;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot, watch},
    task::JoinSet,
    time::{Instant, sleep, sleep_until},
};

use super::link::{Birth, Direction, Link, Told};

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

/// A port that was found free can be taken for a moment: a child that is being started has, until it becomes another
/// program, all that this process had open.
pub(super) async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let mut tries = 100;
    loop {
        match TcpListener::bind(address).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => tries -= 1,
            bound => return bound,
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Runs until the proxy is dropped; its connections end with it.
pub(super) async fn serve(
    listener: TcpListener,
    upstream: String,
    link: watch::Sender<Link>,
    disturbed: Arc<AtomicU64>,
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
                        None => bind(address).await.map(|bound| listener = Some(bound)),
                    };
                    let _ = done.send(outcome);
                }
            },
            Some(client) = accept(listener.as_ref()) => {
                // Taken here, not when the task first runs: a cut may come in between.
                let born = link.borrow().birth();
                let wire = Wire { link: link.subscribe(), born, disturbed: disturbed.clone() };
                connections.spawn(connection(client, upstream.clone(), wire));
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

/// What a connection knows of the link that it goes over.
#[derive(Clone)]
struct Wire {
    link: watch::Receiver<Link>,
    born: Birth,
    disturbed: Arc<AtomicU64>,
}

impl Wire {
    async fn until(mut self, reached: impl Fn(&Link, Birth) -> bool) -> Link {
        let born = self.born;
        let link = self.link.wait_for(|link| reached(link, born)).await;
        // A proxy that has gone ends its connections by itself.
        link.map_or_else(|_| Link::default(), |link| *link)
    }

    /// Waits until bytes may pass, and acts while the link cannot change.
    async fn if_open<T>(&mut self, way: Direction, act: impl FnOnce() -> T) -> io::Result<T> {
        let born = self.born;
        let open = self.link.wait_for(|link| link.carries(way, born)).await.map_err(io::Error::other)?;
        let done = act();
        drop(open);
        Ok(done)
    }

    /// When a chunk that comes in now is due.
    fn due(&self, way: Direction) -> Instant {
        let link = self.link.borrow();
        if link.disturbs(way, self.born) {
            self.disturbed.fetch_add(1, Ordering::Relaxed);
        }
        Instant::now() + link.flow(way).draw_delay()
    }
}

/// One client's connection, to its end or until the link is cut or forgets it.
async fn connection(client: TcpStream, upstream: String, wire: Wire) {
    let mut over = pin!(wire.clone().until(Link::is_over));
    let server = tokio::select! {
        biased;
        _ = &mut over => Err(io::ErrorKind::ConnectionReset.into()),
        server = dial(&upstream, wire.link.clone()) => server,
    };
    let Ok(server) = server else { return reset(&client) };
    let outcome = tokio::select! {
        biased;
        _ = &mut over => Err(io::ErrorKind::ConnectionReset.into()),
        link = wire.clone().until(Link::has_forgotten) => {
            wire.disturbed.fetch_add(1, Ordering::Relaxed);
            return half_open(client, server, link.told, over).await;
        }
        outcome = exchange(&client, &server, &wire) => outcome,
    };
    if outcome.is_err() {
        // What broke one side must reach the other as a reset, not as an orderly end.
        reset(&client);
        reset(&server);
    }
}

/// A connection that the link has forgotten: who was told has lost it at once, who was not writes into the void.
async fn half_open(client: TcpStream, server: TcpStream, told: Told, over: impl Future<Output = Link>) {
    reset(&client);
    reset(&server);
    let believers = match told {
        Told::Nobody => vec![client, server],
        Told::Client => {
            drop(client);
            vec![server]
        }
        Told::Server => {
            drop(server);
            vec![client]
        }
    };
    over.await;
    drop(believers);
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

async fn exchange(client: &TcpStream, server: &TcpStream, wire: &Wire) -> io::Result<()> {
    client.set_nodelay(true)?;
    let up = one_way(client, server, Direction::ToServer, wire.clone());
    let down = one_way(server, client, Direction::ToClient, wire.clone());
    tokio::try_join!(up, down).map(drop)
}

/// Bytes with the time they are due; none of them is the end of the stream.
type Parcel = (Instant, Vec<u8>);

async fn one_way(from: &TcpStream, to: &TcpStream, way: Direction, wire: Wire) -> io::Result<()> {
    let (send, receive) = mpsc::channel(UNDER_WAY);
    tokio::try_join!(collect(from, send, way, wire.clone()), deliver(to, receive, way, wire)).map(drop)
}

async fn collect(
    from: &TcpStream,
    parcels: mpsc::Sender<Parcel>,
    way: Direction,
    wire: Wire,
) -> io::Result<()> {
    let mut buffer = vec![0; CHUNK];
    loop {
        from.readable().await?;
        let count = match from.try_read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            outcome => outcome?,
        };
        let sent = parcels.send((wire.due(way), buffer[..count].to_vec())).await;
        if count == 0 || sent.is_err() {
            return Ok(());
        }
    }
}

async fn deliver(
    to: &TcpStream,
    mut parcels: mpsc::Receiver<Parcel>,
    way: Direction,
    mut wire: Wire,
) -> io::Result<()> {
    while let Some((due, bytes)) = parcels.recv().await {
        // One that is due before the one ahead of it goes right behind that: a connection keeps its order.
        sleep_until(due).await;
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            to.writable().await?;
            match wire.if_open(way, || to.try_write(rest)).await? {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                written => rest = &rest[written?..],
            }
        }
        if bytes.is_empty() {
            // The peer may have gone by itself: then there is nobody to tell.
            wire.if_open(way, || rustix::net::shutdown(to, Shutdown::Write).ok()).await?;
        }
    }
    Ok(())
}
