//! Who may come in: counts connections, so that one caller cannot take the places of the others.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use election_core::clock::Instant;

use super::budget::Shares;
use super::caller::{Caller, Origin};
use super::limits::Connections;
use super::refusal::Refused;
use super::wire::Sender;
use crate::metering;
use crate::types::NodeId;

/// From how many addresses on those that are quiet are forgotten.
const MANY_ADDRESSES: usize = 4096;
/// An address is quiet when nothing came from it for so long; long enough for its allowance to be full again.
const QUIET: Duration = Duration::from_secs(10);
/// The addresses are looked through at most this often.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// A line about one address is logged at most this often.
const LOG_EVERY: Duration = Duration::from_secs(1);

/// The door of a node.
pub(crate) struct Door {
    limits: Connections,
    inside: Mutex<Inside>,
}

#[derive(Default)]
struct Inside {
    addresses: HashMap<IpAddr, Address>,
    ungreeted: usize,
    clients: usize,
    per_origin: HashMap<Origin, usize>,
    per_member: HashMap<NodeId, usize>,
    shares: HashMap<Origin, Weak<Shares>>,
    swept_at: Option<Instant>,
}

/// What is known of an address.
struct Address {
    ungreeted: usize,
    /// How many connections it may still open at once; grows with time.
    allowance: f64,
    counted_at: Instant,
    /// When a line of each kind was logged last.
    logged_at: HashMap<Line, Instant>,
}

/// A kind of line in the log about an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Line {
    /// Connections were closed unheard.
    Closed,
    /// A connection was refused or ended.
    Refused,
}

/// A connection that has not said yet who it is.
pub(crate) struct Knock {
    door: Arc<Door>,
    from: IpAddr,
}

/// A connection that was let in.
pub(crate) struct Place {
    door: Arc<Door>,
    sender: Sender,
    origin: Origin,
}

impl Door {
    /// A door with these limits.
    pub(crate) fn new(limits: Connections) -> Arc<Self> {
        Arc::new(Self { limits, inside: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection from `from`; `None` if it must be closed at once, unheard.
    pub(crate) fn knock(self: &Arc<Self>, from: IpAddr) -> Option<Knock> {
        let Origin::Address(from) = Origin::address(from) else { return None };
        let Connections { burst, per_second, ungreeted, ungreeted_per_address, .. } = self.limits;
        let mut inside = self.lock();
        let all = inside.ungreeted;
        let now = Instant::now();
        let address = inside.address(from, burst, now);
        let elapsed = now.saturating_duration_since(address.counted_at);
        address.counted_at = now;
        address.allowance =
            (address.allowance + elapsed.as_secs_f64() * f64::from(per_second)).min(f64::from(burst));
        if all >= ungreeted || address.ungreeted >= ungreeted_per_address || address.allowance < 1.0 {
            metering::refused("new_connections");
            return None;
        }
        address.allowance -= 1.0;
        address.ungreeted += 1;
        inside.ungreeted += 1;
        Some(Knock { door: self.clone(), from })
    }

    /// Whether a line about this address may be logged now: a flood must not fill the disk.
    pub(crate) fn may_log(&self, line: Line, from: IpAddr) -> bool {
        let Origin::Address(from) = Origin::address(from) else { return true };
        let now = Instant::now();
        let mut inside = self.lock();
        let logged_at = &mut inside.address(from, self.limits.burst, now).logged_at;
        let may = logged_at.get(&line).is_none_or(|at| now.saturating_duration_since(*at) >= LOG_EVERY);
        if may {
            logged_at.insert(line, now);
        }
        may
    }

    /// How many connections of clients there are.
    pub(crate) fn clients(&self) -> usize {
        self.lock().clients
    }

    /// Lets a caller in whose greeting was accepted.
    pub(crate) fn admit(
        self: &Arc<Self>,
        sender: Sender,
        origin: Origin,
    ) -> Result<(Place, Caller), Refused> {
        let mut inside = self.lock();
        match sender {
            Sender::Member { id, .. } => {
                let limit = self.limits.per_member;
                count(&mut inside.per_member, id, limit)
                    .map_err(|()| full(format!("node {id} has the most connections it may ({limit})")))?;
            }
            Sender::Client => {
                let limit = self.limits.clients;
                if inside.clients >= limit {
                    return Err(full(format!("clients have the most connections they may ({limit})")));
                }
                let limit = self.limits.per_origin;
                count(&mut inside.per_origin, origin.clone(), limit)
                    .map_err(|()| full(format!("{origin} has the most connections it may ({limit})")))?;
                inside.clients += 1;
            }
        }
        if inside.shares.len() > 2 * inside.per_origin.len() + 64 {
            inside.shares.retain(|_, shares| shares.strong_count() > 0);
        }
        let shares = inside.shares.get(&origin).and_then(Weak::upgrade);
        let shares = shares.unwrap_or_else(|| {
            let shares = Arc::default();
            inside.shares.insert(origin.clone(), Arc::downgrade(&shares));
            shares
        });
        let place = Place { door: self.clone(), sender, origin: origin.clone() };
        Ok((place, Caller { sender, origin, shares }))
    }
}

fn full(what: String) -> Refused {
    metering::refused("connections");
    Refused::Full { what }
}

/// Counts one more, unless there are `limit` already.
fn count<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: K, limit: usize) -> Result<(), ()> {
    let count = counts.entry(key).or_default();
    if *count >= limit {
        return Err(());
    }
    *count += 1;
    Ok(())
}

/// Counts one less.
fn discount<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

impl Inside {
    fn address(&mut self, from: IpAddr, burst: u32, now: Instant) -> &mut Address {
        let swept = self.swept_at.is_some_and(|at| now.saturating_duration_since(at) < SWEEP_EVERY);
        if self.addresses.len() >= MANY_ADDRESSES && !swept {
            self.swept_at = Some(now);
            self.addresses.retain(|_, address| {
                address.ungreeted > 0 || now.saturating_duration_since(address.counted_at) < QUIET
            });
        }
        self.addresses.entry(from).or_insert_with(|| Address {
            ungreeted: 0,
            allowance: f64::from(burst),
            counted_at: now,
            logged_at: HashMap::new(),
        })
    }
}

impl Drop for Knock {
    fn drop(&mut self) {
        let mut inside = self.door.lock();
        inside.ungreeted -= 1;
        if let Some(address) = inside.addresses.get_mut(&self.from) {
            address.ungreeted -= 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut inside = self.door.lock();
        match self.sender {
            Sender::Member { id, .. } => discount(&mut inside.per_member, &id),
            Sender::Client => {
                inside.clients -= 1;
                discount(&mut inside.per_origin, &self.origin);
            }
        }
        if inside.shares.get(&self.origin).is_some_and(|shares| shares.strong_count() == 0) {
            inside.shares.remove(&self.origin);
        }
    }
}

#[cfg(test)]
mod tests;
