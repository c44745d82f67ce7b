//! Fewer messages for the same entries.

use std::pin::Pin;
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt};
use openraft::raft::AppendEntriesRequest;
use tokio::time::{Instant as Moment, timeout_at};

use crate::types::TypeConfig;

type Append = AppendEntriesRequest<TypeConfig>;

/// The same requests, but for those that only tell that more is committed: such a one waits for the next one, which
/// tells it, too, and has entries. If there is none within `patience`, it is sent by itself.
///
/// openraft makes it at once, and sends one request at a time: the next entries would wait for its answer, and every
/// entry would cost each follower two messages and two answers. Nobody waits for a follower to know what is committed:
/// it learns that from any later message (Raft, section 5.3). That there is no answer to a request that was left out
/// is no loss, as the answer to the one after it says that the log matches so far and further.
///
/// The first request is never held: it asks the follower how far its log goes.
pub(super) fn merged<S>(requests: S, patience: Duration) -> BoxStream<'static, Append>
where
    S: Stream<Item = Append> + Send + Unpin + 'static,
{
    let state = (requests.peekable(), true);
    let merged = stream::unfold(state, move |(mut requests, is_first)| async move {
        let mut request = requests.next().await?;
        let until = Moment::now() + patience;
        while !is_first && request.entries.is_empty() {
            match timeout_at(until, Pin::new(&mut requests).peek()).await {
                Ok(Some(next)) if next.prev_log_id == request.prev_log_id && next.vote == request.vote => {
                    request = requests.next().await?;
                }
                Ok(_) | Err(_) => break,
            }
        }
        Some((request, (requests, false)))
    });
    merged.boxed()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::channel::mpsc;
    use openraft::entry::RaftEntry;
    use openraft::network::RPCOption;
    use openraft::raft::AppendEntriesResponse;
    use openraft::{BasicNode, RaftNetworkFactory, RaftNetworkV2};

    use super::super::peers::{Peers, Reach};
    use super::super::testing::answering;
    use super::super::tls::Security;
    use super::super::wire::{Request, Response, Sender};
    use super::*;
    use crate::samples::{log_id, vote};
    use crate::types::Entry;

    const PATIENCE: Duration = Duration::from_millis(50);

    /// What follows the entry at `after`: `entries` of them, and that `committed` is.
    fn append(after: u64, entries: u64, committed: u64) -> Append {
        AppendEntriesRequest {
            vote: vote(),
            prev_log_id: Some(log_id(after)),
            entries: (1..=entries).map(|next| Entry::new_blank(log_id(after + next))).collect(),
            leader_commit: Some(log_id(committed)),
        }
    }

    /// After which entry, how many, and what is committed.
    async fn next(merged: &mut BoxStream<'static, Append>) -> Option<(u64, usize, u64)> {
        let index = |id: Option<crate::types::LogId>| id.unwrap().index;
        let request = merged.next().await?;
        Some((index(request.prev_log_id), request.entries.len(), index(request.leader_commit)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_is_told_with_the_entries_that_follow() {
        let (send, requests) = mpsc::unbounded();
        let mut merged = merged(requests, PATIENCE);
        send.unbounded_send(append(5, 1, 5)).unwrap();
        assert_eq!(next(&mut merged).await, Some((5, 1, 5)));
        send.unbounded_send(append(6, 0, 5)).unwrap();
        send.unbounded_send(append(6, 0, 6)).unwrap();
        let begun = Moment::now();
        let (request, ()) = tokio::join!(next(&mut merged), async {
            tokio::time::sleep(PATIENCE / 2).await;
            send.unbounded_send(append(6, 3, 6)).unwrap();
        });
        assert_eq!(request, Some((6, 3, 6)));
        assert_eq!(begun.elapsed(), PATIENCE / 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_commit_that_nothing_follows_is_told_by_itself_and_nothing_is_lost() {
        let (send, requests) = mpsc::unbounded();
        let mut merged = merged(requests, PATIENCE);
        send.unbounded_send(append(5, 0, 4)).unwrap();
        let begun = Moment::now();
        assert_eq!(next(&mut merged).await, Some((5, 0, 4)), "a probe does not wait");
        assert_eq!(begun.elapsed(), Duration::ZERO);
        send.unbounded_send(append(5, 0, 5)).unwrap();
        assert_eq!(next(&mut merged).await, Some((5, 0, 5)));
        assert_eq!(begun.elapsed(), PATIENCE);
        // Entries that do not join on: both are sent, in their order.
        send.unbounded_send(append(5, 0, 5)).unwrap();
        send.unbounded_send(append(9, 1, 5)).unwrap();
        assert_eq!(next(&mut merged).await, Some((5, 0, 5)));
        assert_eq!(next(&mut merged).await, Some((9, 1, 5)));
        // The end says nothing about what came before it.
        send.unbounded_send(append(10, 0, 10)).unwrap();
        drop(send);
        assert_eq!(next(&mut merged).await, Some((10, 0, 10)));
        assert_eq!(next(&mut merged).await, None);
    }

    #[tokio::test]
    async fn an_entry_is_one_message_to_each_follower() {
        let told = Arc::new(AtomicUsize::new(0));
        let counted = told.clone();
        let address = answering(move |request| {
            assert!(matches!(request, Request::Append(_)), "{request:?}");
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(Response::Append(AppendEntriesResponse::Success))
        });
        let node = BasicNode::new(address.await);
        let reach = Reach {
            cluster: "c".into(),
            sender: Sender::Member { id: 1, incarnation: 1 },
            list: [].into(),
            security: Security::Plaintext,
            recognise: Arc::new(|_, _| Box::pin(async { true })),
            append_patience: Duration::from_secs(10),
        };
        let mut follower = Peers::new(1, reach).new_client(2, &node).await;
        let (send, requests) = mpsc::unbounded();
        for after in 5..15 {
            send.unbounded_send(append(after, 1, after)).unwrap();
            send.unbounded_send(append(after + 1, 0, after + 1)).unwrap();
        }
        drop(send);
        let answers = follower.stream_append(requests, RPCOption::new(PATIENCE)).await.unwrap();
        let answers: Vec<_> = answers.map(|answer| answer.unwrap().unwrap()).collect().await;
        // Ten entries, and what is committed at the end.
        assert_eq!((told.load(Ordering::Relaxed), answers.len()), (11, 11));
        assert_eq!(answers.last(), Some(&Some(log_id(15))));
    }
}
