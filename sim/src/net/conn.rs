//! [`Conn`]: one connection, as the network sees it.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::task::Waker;

use bytes::Bytes;
use tokio::sync::oneshot;

/// What travels.
#[derive(Debug, Hash)]
pub(super) enum Segment {
    Syn,
    Accepted,
    Data(Bytes),
    /// Nothing more will come.
    Fin,
    /// There is no such connection here.
    Reset,
}

/// One end.
pub(super) struct End {
    pub(super) machine: usize,
    /// Which process of the machine has it.
    pub(super) life: u32,
    /// Whom to tell that the connection is made, or that it is refused.
    pub(super) connecting: Option<oneshot::Sender<bool>>,
    /// What has arrived and is not read.
    pub(super) received: VecDeque<Bytes>,
    pub(super) ended: bool,
    pub(super) reset: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
    /// What this end has sent, and when it is due at the other one.
    pub(super) outgoing: VecDeque<(u64, Segment)>,
    /// How many bytes of it.
    pub(super) under_way: usize,
    /// It has said that nothing more will come.
    pub(super) shut: bool,
    /// Nobody has it any more.
    pub(super) dropped: bool,
}

impl End {
    pub(super) fn new(machine: usize, life: u32) -> Self {
        Self {
            machine,
            life,
            connecting: None,
            received: VecDeque::new(),
            ended: false,
            reset: false,
            reader: None,
            writer: None,
            outgoing: VecDeque::new(),
            under_way: 0,
            shut: false,
            dropped: false,
        }
    }

    /// A segment of this end has arrived at the other.
    pub(super) fn taken(&mut self, segment: &Segment, woken: &mut Vec<Waker>) {
        if let Segment::Data(bytes) = segment {
            self.under_way -= bytes.len();
            woken.extend(self.writer.take());
        }
    }

    /// A segment arrives at this end.
    pub(super) fn hear(&mut self, segment: Segment, woken: &mut Vec<Waker>) {
        match segment {
            Segment::Syn => {}
            Segment::Accepted => self.connected(true),
            Segment::Data(bytes) => self.received.push_back(bytes),
            Segment::Fin => self.ended = true,
            Segment::Reset => {
                self.reset = true;
                self.connected(false);
                woken.extend(self.writer.take());
            }
        }
        woken.extend(self.reader.take());
    }

    fn connected(&mut self, well: bool) {
        if let Some(connecting) = self.connecting.take() {
            connecting.send(well).ok();
        }
    }
}

/// A connection.
pub(super) struct Conn {
    pub(super) address: String,
    /// Who called, and who was called.
    pub(super) ends: [End; 2],
}

impl Conn {
    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.dropped && end.outgoing.is_empty())
    }
}

/// A sum over what arrived, and when.
pub(super) fn digest(sum: u64, id: u64, side: usize, due: u64, segment: &Segment) -> u64 {
    let mut hasher = DefaultHasher::new();
    (sum, id, side, due, segment).hash(&mut hasher);
    hasher.finish()
}
