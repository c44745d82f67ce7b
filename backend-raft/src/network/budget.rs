//! What a connection may take of something, within what all connections of its origin may.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits;

/// What the connections of an origin share.
#[derive(Debug)]
pub(crate) struct Shares {
    /// How many more requests may be under way in the log.
    pub(crate) turns: Arc<Semaphore>,
    /// How many more lists may be made.
    lists: Arc<Semaphore>,
    /// How many more bytes of requests may be under way.
    requests: Arc<Semaphore>,
    /// How many more bytes of long answers may wait to be written.
    answers: Arc<Semaphore>,
}

impl Default for Shares {
    fn default() -> Self {
        let all = |limit| Arc::new(Semaphore::new(limit));
        Self {
            turns: all(limits::TURNS_PER_ORIGIN),
            lists: all(limits::LISTS_PER_ORIGIN),
            requests: all(limits::REQUEST_BYTES_PER_ORIGIN),
            answers: all(limits::ANSWER_BYTES_PER_ORIGIN),
        }
    }
}

impl Shares {
    /// Lists that a connection may have under way.
    pub(super) fn lists(&self) -> Budget {
        Budget::new(limits::LISTS, Some(&self.lists))
    }

    /// Takes bytes for a request, if there are so many left. Who had to wait for them would keep the renewals behind it
    /// on its connection waiting, too.
    pub(super) fn request(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        self.requests.clone().try_acquire_many_owned(u32::try_from(bytes).ok()?).ok()
    }

    /// Bytes of long answers to a connection that may wait to be written.
    pub(super) fn answers(&self) -> Budget {
        Budget::new(limits::ANSWER_BYTES, Some(&self.answers))
    }
}

/// What a connection may take of something. Clones are one budget.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    most: usize,
    own: Arc<Semaphore>,
    shared: Option<Arc<Semaphore>>,
}

/// What was taken; dropped, it is given back.
pub(super) struct Taken {
    _own: Option<OwnedSemaphorePermit>,
    _shared: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// At most `most`, and no more than is left of what others share.
    pub(super) fn new(most: usize, shared: Option<&Arc<Semaphore>>) -> Self {
        Self { most, own: Arc::new(Semaphore::new(most)), shared: shared.cloned() }
    }

    /// Waits for `some` of it, first come first served: its own part first, so that of what is shared a connection holds
    /// no more than it may. Who asks for more than there is gets all of it.
    pub(super) async fn take(&self, some: usize) -> Taken {
        let some = u32::try_from(some.min(self.most)).unwrap_or(u32::MAX);
        // Never closed.
        let own = self.own.clone().acquire_many_owned(some).await.ok();
        let shared = match &self.shared {
            Some(shared) => shared.clone().acquire_many_owned(some).await.ok(),
            None => None,
        };
        Taken { _own: own, _shared: shared }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_connection_takes_its_part_and_all_of_an_origin_no_more_than_theirs() {
        let shared = Arc::new(Semaphore::new(10));
        let [a, b, c] = [(); 3].map(|()| Budget::new(4, Some(&shared)));
        let taken = |budget: &Budget, some| budget.take(some).now_or_never();
        let of_a = taken(&a, 4).unwrap();
        assert!(taken(&a, 1).is_none());
        let of_b = taken(&b, 100).unwrap();
        assert_eq!(shared.available_permits(), 2, "more than there is means all of it");
        assert!(taken(&c, 3).is_none());
        let of_c = taken(&c, 2).unwrap();
        drop(of_a);
        assert!(taken(&c, 2).is_some());
        drop((of_b, of_c));
        assert_eq!(shared.available_permits(), 10);
    }
}
