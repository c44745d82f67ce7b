//! The certificates of a connection that is open.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::rustls::pki_types::UnixTime;

use super::{BEFORE_EXPIRY, Chain, Credentials, Keys};
use crate::types::NodeId;

/// What was found good is not looked at again for so long, unless the files change: with thousands of
/// connections the signatures would cost more than the requests.
const GOOD_FOR: Duration = Duration::from_secs(300);

/// Whose certificate it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// A node's, which this process has called.
    Node(NodeId),
    /// A caller's.
    Caller,
}

/// The other end's certificates, and what they were found good by.
pub(crate) struct Held {
    credentials: Arc<Credentials>,
    keys: Arc<Keys>,
    chain: Chain,
    whose: Whose,
    good_until: UnixTime,
}

/// What to do with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Good,
    /// It serves, but shall be made anew.
    Old,
    /// It must serve no longer.
    Bad(String),
}

impl Held {
    /// The certificates of a connection that was just made with `keys`.
    pub(crate) fn new(credentials: Arc<Credentials>, keys: Arc<Keys>, chain: Chain, whose: Whose) -> Self {
        // Never before this moment: the first look is a full one.
        let good_until = UnixTime::since_unix_epoch(Duration::ZERO);
        Self { credentials, keys, chain, whose, good_until }
    }

    fn check(&self, keys: &Keys, at: UnixTime) -> Result<(), String> {
        match self.whose {
            Whose::Node(node) => keys.check_node(&self.chain, node, at),
            Whose::Caller => keys.check_caller(&self.chain, at),
        }
    }

    /// Looks at them again, as of now. The wall clock is right here: certificates are written in its terms, and
    /// no leadership depends on it.
    pub(crate) async fn look(&mut self) -> Verdict {
        let keys = self.credentials.current().await;
        self.judge(keys, UnixTime::now())
    }

    pub(super) fn judge(&mut self, keys: Arc<Keys>, now: UnixTime) -> Verdict {
        let replaced = !Arc::ptr_eq(&keys, &self.keys);
        if !replaced && now < self.good_until {
            return Verdict::Good;
        }
        if let Err(why) = self.check(&keys, now) {
            return Verdict::Bad(why);
        }
        match self.whose {
            // Whoever called makes the connection anew; whoever was called need only know whether to believe.
            Whose::Caller => self.keys = keys.clone(),
            Whose::Node(_) => {
                let soon = later(now, BEFORE_EXPIRY);
                if replaced
                    || self.check(&keys, soon).is_err()
                    || keys.check_caller(keys.chain(), soon).is_err()
                {
                    return Verdict::Old;
                }
            }
        }
        let horizon = later(now, GOOD_FOR + BEFORE_EXPIRY);
        let lasting = self.check(&keys, horizon).is_ok() && keys.check_caller(keys.chain(), horizon).is_ok();
        self.good_until = if lasting { later(now, GOOD_FOR) } else { now };
        Verdict::Good
    }
}

fn later(moment: UnixTime, by: Duration) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(moment.as_secs()) + by)
}
