//! What the Raft leader says about the entries that it applies: to the log, and to the metrics.
//!
//! What nobody asked for (a session that expired, a record that was removed) is said at level info, with the
//! leaderships that changed by it, so that a takeover can be read from the log. What is done thousands of times a
//! second is said at level debug. No value of a candidate is told, and no key of a session.

use super::command::{Command, Effect};
use super::state::State;
use crate::metering;

macro_rules! say {
    ($loud:expr, $($rest:tt)*) => {
        if $loud { tracing::info!($($rest)*) } else { tracing::debug!($($rest)*) }
    };
}

/// Tells what an entry changed.
pub(super) fn tell(command: &Command, effects: &[Effect], state: &State) {
    let expired = matches!(command, Command::ExpireSessions { .. });
    let loud = expired || matches!(command, Command::Remove { .. });
    for effect in effects {
        match effect {
            Effect::SessionOpened { session, ttl_ms } => {
                metering::count(metering::OPENED);
                tracing::debug!(session, ttl_ms, "a session is opened");
            }
            Effect::SessionGone { session } => {
                let why = if expired { "expired" } else { "closed" };
                metering::gone(why);
                say!(loud, session, why, "a session has ended");
            }
            Effect::Granted { .. } => metering::count(metering::GRANTED),
            Effect::Deposed { candidacy } => {
                metering::count(metering::DEPOSED);
                say!(loud, %candidacy, "a candidacy was removed by an administrator");
            }
            // Looking up who leads takes a moment: only if somebody listens.
            Effect::LeaderChanged { .. } if !loud && !tracing::enabled!(tracing::Level::DEBUG) => {}
            Effect::LeaderChanged { election } => match state.leader(election) {
                Some(leader) => {
                    say!(
                        loud,
                        election,
                        leader = leader.id,
                        token = leader.token,
                        "an election has a new leader"
                    );
                }
                None => say!(loud, election, "an election has no leader"),
            },
        }
    }
}
