//! [`Net`]: the simulated network. Connections are streams, as TCP's are.
//!
//! What a process writes travels as segments, each with a delay of its own, in order. A lost segment is sent again, as TCP
//! does: it and all behind it are late. So what loss, duplication and reordering of packets come to here is stalls; whole
//! requests are repeated and overtake one another because the client sends them again over another connection. While a
//! link is cut segments are sent again and again, and pass once it is mended. A machine without power says nothing; a
//! process that was killed is answered for by its machine, with a reset.

mod conn;
mod stream;
mod weather;

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use backend_raft::sim::{Arrivals, Connecting, Stream};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot};

use conn::{Conn, End, Segment};
use stream::Socket;
pub(crate) use weather::{MILLI, Weather};

use crate::moment::Timepiece;

/// A port, and where its callers go.
type Listeners = BTreeMap<String, mpsc::UnboundedSender<(Stream, IpAddr)>>;

#[derive(Default)]
struct Machine {
    /// Counts its processes, so that a connection of an earlier one is known as such.
    life: u32,
    powered: bool,
    listeners: Listeners,
    /// No segment for it is due before.
    due: u64,
}

struct Inner {
    rng: StdRng,
    machines: Vec<Machine>,
    conns: BTreeMap<u64, Conn>,
    next: u64,
    /// From whom, to whom.
    weather: Vec<Vec<Weather>>,
    digest: u64,
    delivered: u64,
    stalled: u64,
}

/// The network. Clones are the same.
#[derive(Clone)]
pub(crate) struct Net(Arc<Mutex<Inner>>);

impl Net {
    pub(crate) fn new(machines: usize, seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            rng: StdRng::seed_from_u64(seed),
            machines: (0..machines).map(|_| Machine { due: u64::MAX, ..Machine::default() }).collect(),
            conns: BTreeMap::new(),
            next: 0,
            weather: vec![vec![Weather::default(); machines]; machines],
            digest: 0,
            delivered: 0,
            stalled: 0,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the machine `from` finds on its way to `to` from now on.
    pub(crate) fn weather(&self, from: usize, to: usize, change: impl FnOnce(&mut Weather)) {
        change(&mut self.lock().weather[from][to]);
    }

    /// How many segments arrived, how many were lost once, and a sum over all of them.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        let inner = self.lock();
        (inner.delivered, inner.stalled, inner.digest)
    }

    /// A process begins on that machine.
    pub(crate) fn boot(&self, machine: usize) {
        let machine = &mut self.lock().machines[machine];
        machine.life += 1;
        machine.powered = true;
        machine.listeners.clear();
    }

    /// The process on that machine is gone; with its power, or killed at `now`.
    pub(crate) fn gone(&self, machine: usize, powered: bool, now: u64) {
        let mut inner = self.lock();
        let inner = &mut *inner;
        inner.machines[machine].powered = powered;
        inner.machines[machine].listeners.clear();
        inner.machines[machine].life += 1;
        for id in inner.conns.keys().copied().collect::<Vec<_>>() {
            for side in [0, 1] {
                let end = &mut inner.conn(id).ends[side];
                if end.machine == machine && !end.dropped {
                    end.dropped = true;
                    if powered {
                        inner.send(id, side, Segment::Reset, now);
                    }
                }
            }
        }
    }

    pub(crate) fn listen(&self, machine: usize, address: &str) -> io::Result<Arrivals> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let mut inner = self.lock();
        let listeners = &mut inner.machines[machine].listeners;
        if listeners.get(address).is_some_and(|listener| !listener.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        listeners.insert(address.to_owned(), sender);
        Ok(arrivals)
    }

    pub(crate) fn connect(&self, from: usize, address: &str, time: Arc<Timepiece>) -> Connecting {
        let Some(to) = machine_of(address) else {
            return Box::pin(async { Err(io::ErrorKind::AddrNotAvailable.into()) });
        };
        let (connected, answer) = oneshot::channel();
        let id = {
            let mut inner = self.lock();
            inner.next += 1;
            let id = inner.next;
            let lives = [inner.machines[from].life, inner.machines[to].life];
            let mut ends = [End::new(from, lives[0]), End::new(to, lives[1])];
            ends[0].connecting = Some(connected);
            // Nobody has it before the call arrives.
            ends[1].dropped = true;
            inner.conns.insert(id, Conn { address: address.to_owned(), ends });
            inner.send(id, 0, Segment::Syn, time.now());
            id
        };
        let socket = Socket { net: self.clone(), id, side: 0, time };
        Box::pin(async move {
            match answer.await {
                Ok(true) => Ok(Box::new(socket) as Stream),
                _ => Err(io::ErrorKind::ConnectionRefused.into()),
            }
        })
    }

    /// Hands over what has arrived at that machine by `now`.
    pub(crate) fn deliver(&self, machine: usize, now: u64, time: &Arc<Timepiece>) {
        let mut woken = Vec::new();
        {
            let mut inner = self.lock();
            if inner.machines[machine].due > now {
                return;
            }
            inner.machines[machine].due = u64::MAX;
            for (id, side) in inner.under_way_to(machine) {
                inner.arrive(self, id, side, now, time, &mut woken);
            }
            inner.conns.retain(|_, conn| !conn.is_over());
        }
        // Outside of the lock: whoever is woken may write at once.
        woken.into_iter().for_each(Waker::wake);
    }
}

/// Where an address is: the machines are 10.0.0.1 and so on.
pub(crate) fn machine_of(address: &str) -> Option<usize> {
    let (ip, _) = address.strip_prefix("10.0.0.")?.split_once(':')?;
    ip.parse::<usize>().ok()?.checked_sub(1)
}

/// The id that a member on that machine has.
pub(crate) fn id_of(machine: usize) -> u64 {
    machine as u64 + 1
}

/// The machine of the member with that id.
pub(crate) fn machine_of_id(id: u64) -> usize {
    id as usize - 1
}

/// The address of a machine.
pub(crate) fn address_of(machine: usize) -> String {
    format!("10.0.0.{}:7000", machine + 1)
}

impl Inner {
    fn conn(&mut self, id: u64) -> &mut Conn {
        self.conns.get_mut(&id).expect("a connection stays while an end of it does")
    }

    /// The connections on which something is under way to that machine, and the side that sent it.
    fn under_way_to(&self, machine: usize) -> Vec<(u64, usize)> {
        let sides = self.conns.iter().flat_map(|(id, conn)| [(*id, conn, 0), (*id, conn, 1)]);
        let ours = sides.filter(|(_, conn, side)| {
            conn.ends[1 - side].machine == machine && !conn.ends[*side].outgoing.is_empty()
        });
        ours.map(|(id, _, side)| (id, side)).collect()
    }

    /// Sends a segment off at `now`.
    fn send(&mut self, id: u64, side: usize, segment: Segment, now: u64) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (from, to) = (conn.ends[side].machine, conn.ends[1 - side].machine);
        let weather = self.weather[from][to];
        let mut due = now + weather.delay(&mut self.rng);
        if weather.loses(&mut self.rng) {
            self.stalled += 1;
            due += weather::again(&mut self.rng);
        }
        self.conn(id).ends[side].outgoing.push_back((due, segment));
        self.machines[to].due = self.machines[to].due.min(due);
    }

    /// Lets what one side of a connection sent arrive at the other.
    fn arrive(
        &mut self,
        net: &Net,
        id: u64,
        side: usize,
        now: u64,
        time: &Arc<Timepiece>,
        woken: &mut Vec<Waker>,
    ) {
        loop {
            let end = &mut self.conn(id).ends[side];
            let from = end.machine;
            let Some((due, _)) = end.outgoing.front() else { return };
            let due = *due;
            let to = self.conn(id).ends[1 - side].machine;
            if due > now {
                self.machines[to].due = self.machines[to].due.min(due);
                return;
            }
            if self.weather[from][to].cut || !self.machines[to].powered {
                self.stalled += 1;
                let again = now + weather::again(&mut self.rng);
                self.conn(id).ends[side].outgoing[0].0 = again;
                continue;
            }
            let Some((_, segment)) = self.conn(id).ends[side].outgoing.pop_front() else { return };
            self.delivered += 1;
            self.digest = conn::digest(self.digest, id, side, due, &segment);
            self.take(net, id, side, segment, now, time, woken);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one segment, and where and when it arrives")]
    fn take(
        &mut self,
        net: &Net,
        id: u64,
        side: usize,
        segment: Segment,
        now: u64,
        time: &Arc<Timepiece>,
        woken: &mut Vec<Waker>,
    ) {
        let (from, to) = (self.conn(id).ends[side].machine, self.conn(id).ends[1 - side].machine);
        let life = self.machines[to].life;
        if let Segment::Syn = segment {
            let address = self.conn(id).address.clone();
            let from = IpAddr::from([10, 0, 0, u8::try_from(from + 1).unwrap_or(u8::MAX)]);
            let listener = self.machines[to].listeners.get(&address).filter(|listener| !listener.is_closed());
            if let Some(listener) = listener {
                let socket = Socket { net: net.clone(), id, side: 1 - side, time: time.clone() };
                listener.send((Box::new(socket), from)).ok();
            }
            let accepted = listener.is_some();
            let end = &mut self.conn(id).ends[1 - side];
            end.life = life;
            end.dropped = !accepted;
            let answer = if accepted { Segment::Accepted } else { Segment::Reset };
            self.send(id, 1 - side, answer, now);
            return;
        }
        let conn = self.conn(id);
        conn.ends[side].taken(&segment, woken);
        let end = &mut conn.ends[1 - side];
        if end.dropped || end.life != life {
            end.dropped = true;
            if !matches!(segment, Segment::Reset | Segment::Fin) {
                self.send(id, 1 - side, Segment::Reset, now);
            }
            return;
        }
        end.hear(segment, woken);
    }
}
