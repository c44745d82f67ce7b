//! Proving, again and again, that a session lives.

use std::time::Duration;

use election_core::clock::Instant;
use election_core::{Backoff, Loss};
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::metering;
use crate::network::{CallError, Failure, Group, Request, Response};
use crate::session::Session;

/// The longest pause between two attempts that were refused.
const MOST_PATIENT: Duration = Duration::from_millis(500);

/// Renews for as long as the session lives.
pub(crate) async fn keep(group: &Group, session: &Session) {
    let mut sent = session.opened;
    loop {
        let next = sent + session.timing.renew_every;
        tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
        let Some(proven) = prove_once(group, session).await else { return };
        sent = proven;
    }
}

/// Tries until a renewal is proven, and says when it was sent; `None` if the session has ended.
///
/// An attempt that takes long is not given up, it is overtaken: on a busy machine an answer that comes
/// late is better than none, and what it proves counts from its own sending.
async fn prove_once(group: &Group, session: &Session) -> Option<Instant> {
    let attempt = || async {
        // Before the request is handed over: what is proven counts from here.
        let sent = Instant::now();
        let request = Request::Renew { session: session.id, key: session.key };
        (sent, group.call(request, session.timing.ttl).await)
    };
    let mut attempts = FuturesUnordered::from_iter([attempt()]);
    let mut backoff =
        Backoff::new(Duration::from_millis(4), MOST_PATIENT.min(session.timing.attempt_timeout));
    loop {
        let overtake = tokio::time::sleep(session.timing.attempt_timeout);
        let answered = tokio::select! {
            Some(answered) = attempts.next() => answered,
            () = overtake => {
                group.doubt_leader();
                attempts.push(attempt());
                continue;
            }
        };
        match answered {
            (sent, Ok(Response::Renewed(true))) => {
                metering::proof(Instant::now().saturating_duration_since(sent));
                return session.state.prove(sent, session.timing.validity()).ok().map(|_| sent);
            }
            (_, Ok(Response::Renewed(false))) => {
                session.state.end(Loss::SessionExpired);
                return None;
            }
            (_, Ok(other)) => tracing::warn!(?other, "an unexpected answer to a renewal"),
            // It is not ours: this process shows another certificate now than when it was opened.
            (_, Err(error)) if matches!(error.last, CallError::Failure(Failure::Forbidden { .. })) => {
                tracing::error!(%error, "the group no longer takes this session for ours");
                session.state.end(Loss::SessionExpired);
                return None;
            }
            (_, Err(error)) => tracing::debug!(%error, "a renewal failed"),
        }
        if attempts.is_empty() {
            // Refusals come at once: the group has not been searched, with pauses, for a whole TTL.
            tokio::time::sleep(backoff.next_delay()).await;
            attempts.push(attempt());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use election_core::Timing;
    use election_core::backend::SessionState;
    use election_core::clock::BootClock;
    use tokio::sync::mpsc;

    use super::*;
    use crate::network::{Security, SessionKey, testing};
    use crate::registry::Registry;

    /// A session whose opening was answered late.
    fn session(age: Duration, timing: Timing) -> Session {
        let opened = Instant::now() - age;
        Session {
            id: 1,
            key: SessionKey::of(1),
            opened,
            state: SessionState::new(Arc::new(BootClock), opened + timing.validity()),
            candidacies: Registry::default(),
            timing,
            patience: timing.ttl,
        }
    }

    /// A group that answers every request so, and those that it was asked.
    async fn group(
        answer: impl Fn() -> Result<Response, Failure> + Send + Sync + 'static,
    ) -> (Group, mpsc::UnboundedReceiver<Request>) {
        let (asked, requests) = mpsc::unbounded_channel();
        let answers = move |request| {
            asked.send(request).ok();
            answer()
        };
        let members = [(1, testing::answering(answers).await)].into();
        (Group::new("election", &members, None, Duration::from_secs(1), &Security::Plaintext), requests)
    }

    #[tokio::test]
    async fn a_session_that_was_opened_late_is_renewed_at_once() {
        let timing = Timing::for_ttl(Duration::from_secs(60));
        let (group, mut renewals) = group(|| Ok(Response::Renewed(true))).await;
        let session = session(timing.validity() - Duration::from_secs(10), timing);
        tokio::select! {
            () = keep(&group, &session) => panic!("it lives"),
            renewed = renewals.recv() => drop(renewed.unwrap()),
            // It is valid for so long.
            () = tokio::time::sleep(Duration::from_secs(10)) => panic!("not renewed"),
        }
    }

    #[tokio::test]
    async fn renewals_that_are_refused_are_tried_with_pauses() {
        let timing = Timing::for_ttl(Duration::from_secs(60));
        let (group, mut renewals) = group(|| Err(Failure::NotNow { why: "not now".into() })).await;
        let session = session(timing.renew_every, timing);
        let kept = tokio::time::timeout(Duration::from_millis(500), keep(&group, &session)).await;
        assert!(kept.is_err());
        let mut tries = 0;
        while renewals.try_recv().is_ok() {
            tries += 1;
        }
        assert!((2..50).contains(&tries), "tried {tries} times");
    }
}
