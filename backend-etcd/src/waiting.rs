//! Waiting in the queue: for the predecessor only, and for the loss of our own record.
//!
//! A win needs two facts of one revision: our record exists, and nobody is ahead.
//!
//! - If the predecessor is known to be the first (most queues have two in them), one watch reaches over its key
//!   and ours. It tells what happens to both in the order of revisions, so when it tells of the predecessor's end
//!   and has not told of ours, both facts are there, and no look is needed.
//! - Else the predecessor's key alone is watched: a wider watch would wake waiters for nothing. Its end calls for
//!   one look.

use std::sync::Arc;

use election_core::{Error, Kind, Operation, Result};
use tokio::sync::mpsc;

use crate::candidacy::Candidacy;
use crate::error;
use crate::record::Record;
use crate::requests::{self, Ahead, Standing};
use crate::watch::{Change, Extent, Notice, Spec};

/// Waits until nobody is ahead.
///
/// # Errors
/// `SessionLost` as soon as the record or the session is known to be gone.
pub(crate) async fn wait(candidacy: &Candidacy, ahead: Ahead, revision: i64) -> Result<()> {
    #[cfg(zoo)]
    if election_core::zoo::planted("etcd-no-ownership-check") {
        return queue(candidacy, ahead, revision).await;
    }
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
        let departed = Departure { candidacy, ahead: &ahead }.wait(revision).await?;
        if ahead.first {
            return Ok(());
        }
        if local.is_some_and(|local| local.has_led()) {
            let Candidacy { shared, record, .. } = candidacy;
            let own = [(record.key.as_slice(), record.created)];
            let found = requests::exist(&shared.servers, shared.bound(), &own, departed).await?;
            return if found.1 == [true] { Ok(()) } else { Err(gone(record)) };
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

/// The wait for the end of one predecessor.
struct Departure<'a> {
    candidacy: &'a Candidacy,
    ahead: &'a Ahead,
}

impl Departure<'_> {
    /// A revision in which the predecessor, which existed at `revision`, is gone. If it was known to be the first,
    /// our own record exists in that revision.
    async fn wait(&self, mut revision: i64) -> Result<i64> {
        let Candidacy { shared, record, .. } = self.candidacy;
        loop {
            let (notices, mut heard) = mpsc::unbounded_channel();
            let _watcher = shared.hub.watch(self.spec(), move |notice| drop(notices.send(notice)));
            while let Some(notice) = heard.recv().await {
                match notice {
                    Notice::Watching(since) if since > revision => {
                        let keys =
                            [(self.ahead.key.as_slice(), self.ahead.created), (&record.key, record.created)];
                        let bound = shared.bound();
                        let (seen, found) = requests::exist(&shared.servers, bound, &keys, since).await?;
                        if found[1..] != [true] {
                            return Err(gone(record));
                        }
                        if found[..1] != [true] {
                            return Ok(seen);
                        }
                        revision = since;
                    }
                    Notice::Changes(changes) => {
                        if let Some(departed) = self.judge(&changes)? {
                            return Ok(departed);
                        }
                    }
                    Notice::Watching(_) | Notice::Interrupted => {}
                    Notice::Compacted => break,
                    Notice::Refused(reason) => {
                        return Err(error::new(Kind::PermissionDenied, Operation::Campaign)
                            .election(&record.election)
                            .source(reason.to_string()));
                    }
                }
            }
        }
    }

    /// From now on, not from the revision of the join: others have written since, and a revision that has passed is
    /// served by a loop that sleeps 100 ms.
    fn spec(&self) -> Spec {
        let (ahead, own) = (&self.ahead.key, &self.candidacy.record.key);
        let (key, extent) = if self.ahead.first {
            (ahead.min(own).clone(), Extent::Through(ahead.max(own).clone()))
        } else {
            (ahead.clone(), Extent::Key)
        };
        Spec { key, extent, from: 0, deletes_only: true }
    }

    /// The changes of one revision come together: our own end counts also if it is told after the predecessor's.
    fn judge(&self, changes: &[Change]) -> Result<Option<i64>> {
        let departed = end(changes, &self.ahead.key, self.ahead.created);
        #[cfg(zoo)]
        if election_core::zoo::planted("etcd-no-ownership-check") {
            return Ok(departed);
        }
        match end(changes, &self.candidacy.record.key, self.candidacy.record.created) {
            Some(own) if departed.is_none_or(|departed| own <= departed) => Err(gone(&self.candidacy.record)),
            _ => Ok(departed),
        }
    }
}

/// When the record that was created then ended, if these changes tell of it.
///
/// A member that lags begins to watch before the record was created, and then tells of the end of the one that had
/// its name before.
fn end(changes: &[Change], key: &[u8], created: i64) -> Option<i64> {
    let end = |change: &&Change| change.put.is_none() && change.key == key && change.revision > created;
    changes.iter().find(end).map(|change| change.revision)
}

fn gone(record: &Arc<Record>) -> Error {
    record.mark_gone();
    error::new(Kind::SessionLost, Operation::Campaign)
        .election(&record.election)
        .message("the candidate's record was deleted while it waited: campaign again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_record_that_had_the_name_before_is_none() {
        let deleted = |key: &str, revision| Change { key: key.into(), revision, put: None };
        let changes = [deleted("a", 4), deleted("b", 6)];
        assert_eq!(end(&changes, b"a", 5), None);
        assert_eq!(end(&changes, b"b", 5), Some(6));
        let changes = [deleted("a", 4), deleted("a", 9)];
        assert_eq!(end(&changes, b"a", 5), Some(9));
    }
}
