//! Proving, again and again, that a session lives.

use election_core::Loss;
use election_core::clock::Instant;
use futures::StreamExt;
use futures::stream::FuturesUnordered;

use crate::metering;
use crate::network::{CallError, Failure, Group, Request, Response};
use crate::session::Session;

/// Renews for as long as the session lives.
pub(crate) async fn keep(group: &Group, session: &Session) {
    let mut next = Instant::now() + session.timing.renew_every;
    loop {
        tokio::time::sleep(next.saturating_duration_since(Instant::now())).await;
        let Some(sent) = prove_once(group, session).await else { return };
        next = sent + session.timing.renew_every;
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
            // The group has been searched, with pauses, for a whole TTL.
            attempts.push(attempt());
        }
    }
}
