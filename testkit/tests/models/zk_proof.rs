//! What the ZooKeeper backend takes for a proven renewal: `backend-zk/src/session.rs` (`renew`), `owner.rs` (`prove`),
//! and the argument in `backend-zk/src/proof.md`.
//!
//! One session of a client that is connected to a follower. A tick of this model is half a tick of the ensemble, so
//! the session's timeout is four; the leader asks for touches with every tick, and the gap between two renewals
//! (0.3 of the timeout) spans one. Follower and leader are joined by one ordered stream in each direction.
//!
//! | action | code |
//! | --- | --- |
//! | `Begin` | `Session::renew`: `sent` is read, the `sync` is sent; `until_due` keeps the gap |
//! | `Follower` | the follower handles what the leader sent: a ping (answered with the touches), the answer to the `sync` (the client sends a second one if it was slow, then the write), the commit (`owner::prove`) |
//! | `Leader` | the leader handles what the follower sent: touches, a `sync`, a write (refused if the session has expired) |
//! | `Sleep`, `Wake`, `Ping` | the leader's process is stopped and resumed; it then pings before it handles what came last |
//! | `ClientPing` | the client's own ping, which the follower answers by itself |
//! | `Reconnect` | the client turns to another server, which has the session revalidated: `Leader.revalidateSession` |
//! | `Failover` | a new leader gives every session its full timeout |
//!
//! The last but one line of `proof.md` is in here as an assumption: a leader that was stopped pings before it answers
//! what came after its last tick. Without it, the model finds what `proof.md` says is left to believe.

mod properties;

const TTL: u8 = 4;
const GAP: u8 = 1;

#[derive(Clone, Copy, PartialEq)]
enum Proof {
    OneBehind,
    /// The client's pings are proof, though the follower answers them.
    PingsTrusted,
    /// Whoever is connected leads until the client library says `Expired`, at 7/5 of the timeout without an answer.
    ClientsExpired,
    /// A committed write proves itself.
    NotBehind,
    /// The next renewal follows at once.
    NoGap,
    /// The write goes out without a `sync` before it.
    NoSync,
    /// A slow `sync` is not repeated.
    OneSync,
}

#[derive(Clone)]
struct ZkProof(Proof);

/// From the follower to the leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Up {
    /// The session was touched since the ping before; that it was not needs no telling.
    Touches,
    Sync,
    Write,
}

/// From the leader to the follower.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Down {
    Ping,
    Synced,
    Committed,
    Refused,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Renewal {
    None,
    Syncing { age: u8, slow: bool, second: bool },
    Writing { age: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Leader {
    Awake,
    /// `seen`: how many messages lay before it at the last tick.
    Asleep {
        seen: u8,
    },
    /// Resumed; a ping is due, and may come after so many messages.
    Owes {
        seen: u8,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    /// Until the leader expires the session.
    session: Option<u8>,
    leader: Leader,
    up: Vec<Up>,
    down: Vec<Down>,
    touched: bool,
    /// The claim's time that is left.
    left: u8,
    renewal: Renewal,
    /// The last committed renewal: since it was sent, since it was answered.
    sent: u8,
    answered: u8,
    failovers: u8,
    sleeps: u8,
    reconnects: u8,
    proven: bool,
    synced_twice: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Tick,
    Begin,
    Follower,
    Leader,
    Ping,
    Sleep,
    Wake,
    ClientPing,
    Expire,
    Reconnect,
    Failover,
}

impl State {
    fn tick(&mut self) -> Option<()> {
        match &mut self.leader {
            Leader::Awake if self.down.last() == Some(&Down::Ping) => {}
            Leader::Awake => self.down.push(Down::Ping),
            Leader::Asleep { seen } => *seen = self.up.len() as u8,
            Leader::Owes { .. } => return None,
        }
        self.session = self.session.map(|left| left.saturating_sub(1));
        self.left = self.left.saturating_sub(1);
        self.sent = (self.sent + 1).min(TTL);
        self.answered = (self.answered + 1).min(GAP);
        match &mut self.renewal {
            Renewal::None => {}
            Renewal::Syncing { age, slow, .. } => (*age, *slow) = ((*age + 1).min(TTL), true),
            Renewal::Writing { age } => *age = (*age + 1).min(TTL),
        }
        Some(())
    }

    /// The connection is lost, and what was on it.
    fn disconnect(&mut self) {
        self.up.clear();
        self.down.clear();
        self.touched = false;
        self.renewal = Renewal::None;
        if let Leader::Asleep { seen } | Leader::Owes { seen } = &mut self.leader {
            *seen = 0;
        }
    }

    fn send(&mut self, message: Up) {
        self.touched = true;
        self.up.push(message);
    }
}

impl ZkProof {
    fn begin(&self, state: &mut State) -> Option<()> {
        let gap = if self.0 == Proof::NoGap { 0 } else { GAP };
        if state.renewal != Renewal::None || state.left == 0 || state.answered < gap {
            return None;
        }
        if self.0 == Proof::NoSync {
            state.renewal = Renewal::Writing { age: 0 };
            state.send(Up::Write);
        } else {
            state.renewal = Renewal::Syncing { age: 0, slow: false, second: false };
            state.send(Up::Sync);
        }
        Some(())
    }

    fn follower(&self, state: &mut State) -> Option<()> {
        if state.down.is_empty() {
            return None;
        }
        match (state.down.remove(0), state.renewal) {
            (Down::Ping, _) => {
                // Two in a row say no more than one.
                if std::mem::replace(&mut state.touched, false) && state.up.last() != Some(&Up::Touches) {
                    state.up.push(Up::Touches);
                }
            }
            (Down::Synced, Renewal::Syncing { age, slow: true, second: false })
                if self.0 != Proof::OneSync =>
            {
                state.renewal = Renewal::Syncing { age, slow: false, second: true };
                state.synced_twice = true;
                state.send(Up::Sync);
            }
            (Down::Synced, Renewal::Syncing { age, .. }) => {
                state.renewal = Renewal::Writing { age };
                state.send(Up::Write);
            }
            (Down::Committed, Renewal::Writing { age }) => {
                state.renewal = Renewal::None;
                let proven = match self.0 {
                    Proof::ClientsExpired => TTL * 7 / 5 - age,
                    Proof::NotBehind => TTL - age,
                    _ => TTL - state.sent,
                };
                if state.left > 0 {
                    state.proven |= proven > state.left;
                    state.left = state.left.max(proven);
                }
                (state.sent, state.answered) = (age, 0);
            }
            _ => {
                state.renewal = Renewal::None;
                state.left = 0;
            }
        }
        Some(())
    }

    fn leader(state: &mut State) -> Option<()> {
        if state.up.is_empty() {
            return None;
        }
        match &mut state.leader {
            Leader::Awake => {}
            Leader::Owes { seen } if *seen > 0 => *seen -= 1,
            Leader::Owes { .. } | Leader::Asleep { .. } => return None,
        }
        match state.up.remove(0) {
            Up::Touches => state.session = state.session.map(|_| TTL),
            Up::Sync => state.down.push(Down::Synced),
            Up::Write if state.session.is_some() => state.down.push(Down::Committed),
            Up::Write => state.down.push(Down::Refused),
        }
        Some(())
    }

    fn faults(state: &mut State, action: Action) -> Option<()> {
        match (action, state.leader) {
            (Action::Sleep, Leader::Awake) if state.sleeps == 0 => {
                state.sleeps = 1;
                state.leader = Leader::Asleep { seen: 0 };
            }
            (Action::Wake, Leader::Asleep { seen }) => state.leader = Leader::Owes { seen },
            (Action::Ping, Leader::Owes { .. }) => {
                state.leader = Leader::Awake;
                state.down.push(Down::Ping);
            }
            (Action::Expire, Leader::Awake | Leader::Owes { .. }) if state.session == Some(0) => {
                state.session = None;
            }
            (Action::Reconnect, Leader::Awake) if state.reconnects == 0 => {
                state.reconnects = 1;
                state.disconnect();
                state.session = state.session.map(|_| TTL);
                if state.session.is_none() {
                    state.left = 0;
                }
            }
            (Action::Failover, _) if state.failovers == 0 => {
                state.failovers = 1;
                state.disconnect();
                state.leader = Leader::Awake;
                state.session = state.session.map(|_| TTL);
            }
            _ => return None,
        }
        Some(())
    }
}
