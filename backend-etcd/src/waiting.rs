//! Waiting in the queue: for the predecessor only, and for the loss of our own record.

use std::sync::Arc;

use election_core::{Kind, Operation, Result};
use tokio::sync::mpsc;

use crate::candidacy::Candidacy;
use crate::error;
use crate::record::Record;
use crate::requests::{self, Ahead, Standing};
use crate::watch::{Notice, Spec};

/// Waits until nobody is ahead.
///
/// # Errors
/// `SessionLost` as soon as the record or the session is known to be gone.
pub(crate) async fn wait(candidacy: &Candidacy, ahead: Ahead, revision: i64) -> Result<()> {
    tokio::select! {
        biased;
        loss = candidacy.session.state.ended() => Err(error::from_loss(loss, Operation::Campaign)),
        () = candidacy.record.gone() => Err(gone(&candidacy.record)),
        outcome = queue(candidacy, ahead, revision) => outcome,
    }
}

async fn queue(candidacy: &Candidacy, mut ahead: Ahead, mut revision: i64) -> Result<()> {
    loop {
        // A predecessor of this process: if it has led, nobody was ahead of it.
        let local = candidacy.session.record(ahead.created);
        let departed = departure(candidacy, &ahead, revision).await?;
        if ahead.first || local.is_some_and(|local| local.has_led()) {
            // Nobody is ahead. The look, in a revision that is not before that, makes a phantom impossible.
            let Candidacy { record, .. } = candidacy;
            let servers = &candidacy.shared.servers;
            let bound = candidacy.shared.bound();
            let found = requests::exists(servers, bound, &record.key, record.created, departed).await?;
            return if found.1 { Ok(()) } else { Err(gone(record)) };
        }
        match look(candidacy, departed).await? {
            (_, None) => return Ok(()),
            (seen, Some(next)) => (revision, ahead) = (seen, next),
        }
    }
}

/// Who is ahead, in a revision that is at least `not_before` and in which our record exists.
pub(crate) async fn look(candidacy: &Candidacy, not_before: i64) -> Result<(i64, Option<Ahead>)> {
    let Candidacy { shared, record, prefix, .. } = candidacy;
    let found = requests::standing(&shared.servers, shared.bound(), prefix, record, not_before).await?;
    match found {
        (revision, Standing::First) => Ok((revision, None)),
        (revision, Standing::Behind(ahead)) => Ok((revision, Some(ahead))),
        (_, Standing::Gone) => Err(gone(record)),
    }
}

/// Waits until the predecessor, which existed at `revision`, is gone; a revision in which it is.
async fn departure(candidacy: &Candidacy, ahead: &Ahead, mut revision: i64) -> Result<i64> {
    let shared = &candidacy.shared;
    loop {
        let (notices, mut heard) = mpsc::unbounded_channel();
        // From now on, not from the revision of the join: others have written since, and a revision that has
        // passed is served by a loop that sleeps 100 ms.
        let spec = Spec { key: ahead.key.clone(), prefix: false, from: 0, deletes_only: true };
        let _watcher = shared.hub.watch(spec, move |notice| drop(notices.send(notice)));
        while let Some(notice) = heard.recv().await {
            match notice {
                Notice::Watching(since) if since > revision => {
                    let bound = shared.bound();
                    let found =
                        requests::exists(&shared.servers, bound, &ahead.key, ahead.created, since).await?;
                    if !found.1 {
                        return Ok(found.0);
                    }
                    revision = since;
                }
                Notice::Changes(changes) => {
                    if let Some(change) = changes.iter().find(|change| change.put.is_none()) {
                        return Ok(change.revision);
                    }
                }
                Notice::Watching(_) | Notice::Interrupted => {}
                Notice::Compacted => break,
                Notice::Refused(reason) => {
                    return Err(error::new(Kind::PermissionDenied, Operation::Campaign)
                        .election(&candidacy.record.election)
                        .source(reason.to_string()));
                }
            }
        }
    }
}

fn gone(record: &Arc<Record>) -> election_core::Error {
    record.mark_gone();
    error::new(Kind::SessionLost, Operation::Campaign)
        .election(&record.election)
        .message("the candidate's record was deleted while it waited: campaign again")
}
