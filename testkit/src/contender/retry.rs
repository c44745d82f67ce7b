//! What to do after an error, and what to write down about it.

use std::time::Duration;

use anyhow::Result;
use election_core::gate::Fenced;
use election_core::{Backoff, Error, Kind};

use super::stop::Stop;

/// The word for the reason of an event.
pub(super) fn reason(error: &Error) -> String {
    if Fenced::cause_of(error).is_some() { "fenced".to_owned() } else { format!("{:?}", error.kind()) }
}

/// Whether the service has refused us for good. All else may pass: an outage lasts as long as it lasts.
pub(super) fn is_final(error: &Error) -> bool {
    matches!(error.kind(), Kind::InvalidConfig | Kind::PermissionDenied)
}

/// Delays for a proving ground: an outage ends when the nemesis says so, and is to be noticed soon.
pub(super) fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(20), Duration::from_millis(500))
}

/// Waits before the next attempt, or until the process is to end.
pub(super) async fn pause(backoff: &mut Backoff, stop: &mut Stop) -> Result<()> {
    tokio::select! {
        () = tokio::time::sleep(backoff.next_delay()) => {}
        () = stop.asked() => {}
    }
    Ok(())
}
