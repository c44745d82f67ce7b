//! The requests to etcd, each in the one form in which it may be repeated.

use election_core::{Kind, Operation, Result};
use etcd_client::{
    Compare, CompareOp, GetOptions, GetResponse, KeyValue, LeaseGrantOptions, PutOptions, ResponseHeader,
    SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse, TxnResponse,
};

use crate::error;
use crate::record::{Place, Record};
use crate::servers::{Bound, Servers};

/// etcd's default for `--max-txn-ops`: so many comparisons or operations fit in one transaction.
pub(crate) const MAX_TXN_OPS: usize = 128;

/// The largest answer that is taken, in bytes; gRPC's own limit is 4 MiB. One renewal may rewrite 128 records of 64 KiB
/// in one revision, which a watch tells in one answer. It is also the names of 100,000 candidates of one election.
pub(crate) const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// The record right ahead of a candidate's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) key: Vec<u8>,
    pub(crate) created: i64,
    /// Known to have had nobody ahead: when it goes, nobody is ahead of us.
    pub(crate) first: bool,
}

/// The answer to a request to join.
pub(crate) struct Created {
    pub(crate) created: i64,
    pub(crate) place: Place,
    /// The revision of the view below.
    pub(crate) revision: i64,
    /// Who is ahead; unknown if the record was created by an earlier attempt whose answer was lost.
    pub(crate) view: Option<Option<Ahead>>,
    /// It was one request: none that names the record is under way.
    pub(crate) once: bool,
}

/// The answer to a request to delete.
pub(crate) struct Deleted {
    /// The record was there.
    pub(crate) existed: bool,
    /// As in [`Created`].
    pub(crate) once: bool,
}

/// Creates the record if it is absent and looks who is ahead, in one round trip.
///
/// The range is read in the same transaction, after the put: the newest record is our own, the second newest is
/// our predecessor. Values stay where they are (`keys_only`).
pub(crate) async fn create(
    servers: &Servers,
    bound: Bound,
    (prefix, key, value, lease): (&[u8], &[u8], &[u8], i64),
) -> Result<Created> {
    let newest = GetOptions::new()
        .with_prefix()
        .with_sort(SortTarget::Create, SortOrder::Descend)
        .with_limit(2)
        .with_keys_only();
    let txn = Txn::new()
        .when([Compare::create_revision(key, CompareOp::Equal, 0)])
        .and_then([
            TxnOp::put(key, value, Some(PutOptions::new().with_lease(lease))),
            TxnOp::get(prefix, Some(newest)),
        ])
        .or_else([TxnOp::get(key, Some(GetOptions::new().with_keys_only()))]);
    let (answer, once) = txn_counted(servers, Operation::Campaign, bound, txn).await?;
    let revision = header(answer.header(), Operation::Campaign)?.revision();
    let mut ranges = ranges(&answer);
    let range = ranges.pop().ok_or_else(|| malformed(Operation::Campaign))?;
    let own = range.kvs().first().filter(|own| own.key() == key);
    let own = own.ok_or_else(|| malformed(Operation::Campaign))?;
    let view = answer.succeeded().then(|| {
        // The count is of the whole range: two means that the predecessor has nobody ahead.
        let first = range.count() == 2;
        range.kvs().get(1).map(|kv| ahead(kv, first))
    });
    let place = Place { lease: own.lease(), modified: own.mod_revision() };
    Ok(Created { created: own.create_revision(), place, revision, view, once })
}

/// What a look at the queue shows, at one revision.
pub(crate) enum Standing {
    /// Our record exists and nobody is ahead.
    First,
    Behind(Ahead),
    /// Our record does not exist.
    Gone,
}

/// Looks whether a record exists and who is ahead of it, in one revision, which is at least `not_before`.
pub(crate) async fn standing(
    servers: &Servers,
    bound: Bound,
    prefix: &[u8],
    record: &Record,
    not_before: i64,
) -> Result<(i64, Standing)> {
    let look = |serializable: bool| {
        let own = GetOptions::new().with_keys_only();
        let before = GetOptions::new()
            .with_prefix()
            .with_sort(SortTarget::Create, SortOrder::Descend)
            .with_max_create_revision(record.created - 1)
            .with_limit(1)
            .with_keys_only();
        let [own, before] = [own, before].map(|get| if serializable { get.with_serializable() } else { get });
        let txn = Txn::new()
            .and_then([TxnOp::get(record.key.as_slice(), Some(own)), TxnOp::get(prefix, Some(before))]);
        self::txn(servers, Operation::Campaign, bound, txn)
    };
    let answer = at_least(not_before, look, |answer: &TxnResponse| answer.header().map(revision_of)).await?;
    let revision = header(answer.header(), Operation::Campaign)?.revision();
    let ranges = ranges(&answer);
    let [own, before] = ranges.as_slice() else { return Err(malformed(Operation::Campaign)) };
    let standing = if !is_record(own.kvs().first(), record.created) {
        Standing::Gone
    } else if let Some(kv) = before.kvs().first() {
        Standing::Behind(ahead(kv, false))
    } else {
        Standing::First
    };
    Ok((revision, standing))
}

/// Which of these keys exist with these create revisions, in one revision, which is at least `not_before`.
///
/// Unlike [`standing`] it costs the server one look-up per key, however long the queue is.
pub(crate) async fn exist(
    servers: &Servers,
    bound: Bound,
    keys: &[(&[u8], i64)],
    not_before: i64,
) -> Result<(i64, Vec<bool>)> {
    let look = |serializable: bool| {
        let options = GetOptions::new().with_keys_only();
        let options = if serializable { options.with_serializable() } else { options };
        let gets: Vec<_> = keys.iter().map(|(key, _)| TxnOp::get(*key, Some(options.clone()))).collect();
        self::txn(servers, Operation::Campaign, bound, Txn::new().and_then(gets))
    };
    let answer = at_least(not_before, look, |answer: &TxnResponse| answer.header().map(revision_of)).await?;
    let revision = header(answer.header(), Operation::Campaign)?.revision();
    let ranges = ranges(&answer);
    if ranges.len() != keys.len() {
        return Err(malformed(Operation::Campaign));
    }
    let found = ranges.iter().zip(keys).map(|(range, (_, created))| is_record(range.kvs().first(), *created));
    Ok((revision, found.collect()))
}

/// Reads at one member, without a quorum round; and linearizably if that member's view is older than asked for.
///
/// No newer view is needed: what was ahead of a record once and is no more never comes back, as a key that is
/// created again has a newer create revision. (A linearizable read alone would not do: after a pause of the
/// server it can be stale, etcd #20418.)
async fn at_least<T, F>(
    not_before: i64,
    look: impl Fn(bool) -> F,
    revision: impl Fn(&T) -> Option<i64>,
) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let local = look(true).await?;
    if revision(&local) >= Some(not_before) {
        return Ok(local);
    }
    let answer = look(false).await?;
    if revision(&answer) >= Some(not_before) {
        return Ok(answer);
    }
    Err(stale(Operation::Campaign))
}

/// Deletes the record.
///
/// By its name alone: whatever has this name is the record of this candidacy, and no successor's (see
/// [`Names`](crate::names::Names)). A transaction that compares the token as well would say the same and cost twice as much:
/// etcd 3.4 copies the buffer of all writes of the last 100 ms for each transaction that it applies.
pub(crate) async fn delete(
    servers: &Servers,
    operation: Operation,
    bound: Bound,
    key: &[u8],
) -> Result<Deleted> {
    let (answer, once) = servers
        .call_counted(operation, bound, |client| {
            let (mut kv, key) = (client.kv_client(), key.to_vec());
            async move { kv.delete(key, None).await }
        })
        .await?;
    Ok(Deleted { existed: answer.deleted() > 0, once })
}

/// Grants a lease under an id of our own; the TTL that the server chose, in seconds.
pub(crate) async fn grant(
    servers: &Servers,
    operation: Operation,
    bound: Bound,
    id: i64,
    ttl: i64,
) -> Result<i64> {
    let answer = servers
        .call(operation, bound, |client| {
            let mut lease = client.lease_client();
            async move { lease.grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await }
        })
        .await?;
    Ok(answer.ttl())
}

/// Revokes a lease, and with it what hangs on it; no error if there is none.
pub(crate) async fn revoke(servers: &Servers, bound: Bound, id: i64) -> Result<()> {
    let answer = servers
        .call(Operation::Close, bound, |client| {
            let mut lease = client.lease_client();
            async move { lease.revoke(id).await }
        })
        .await;
    match answer {
        Err(error) if error.kind() == Kind::SessionLost => Ok(()),
        answer => answer.map(drop),
    }
}

pub(crate) async fn get(
    servers: &Servers,
    operation: Operation,
    bound: Bound,
    key: &[u8],
    options: GetOptions,
) -> Result<GetResponse> {
    servers
        .call(operation, bound, |client| {
            let (mut kv, options) = (client.kv_client(), options.clone());
            async move { kv.get(key, Some(options)).await }
        })
        .await
}

pub(crate) async fn txn(
    servers: &Servers,
    operation: Operation,
    bound: Bound,
    txn: Txn,
) -> Result<TxnResponse> {
    Ok(txn_counted(servers, operation, bound, txn).await?.0)
}

/// The same, and whether it was sent once: see [`Servers::call_counted`].
pub(crate) async fn txn_counted(
    servers: &Servers,
    operation: Operation,
    bound: Bound,
    txn: Txn,
) -> Result<(TxnResponse, bool)> {
    servers
        .call_counted(operation, bound, |client| {
            let mut kv = client.kv_client().max_decoding_message_size(MAX_ANSWER);
            let txn = txn.clone();
            async move { kv.txn(txn).await }
        })
        .await
}

/// The answers of a transaction's gets, in order.
pub(crate) fn ranges(answer: &TxnResponse) -> Vec<GetResponse> {
    let range = |answer| match answer {
        TxnOpResponse::Get(range) => Some(range),
        TxnOpResponse::Put(_) | TxnOpResponse::Delete(_) | TxnOpResponse::Txn(_) => None,
    };
    answer.op_responses().into_iter().filter_map(range).collect()
}

pub(crate) fn header(header: Option<&ResponseHeader>, operation: Operation) -> Result<&ResponseHeader> {
    header.ok_or_else(|| malformed(operation))
}

pub(crate) fn malformed(operation: Operation) -> election_core::Error {
    error::new(Kind::Unexpected, operation).message("the server's answer lacks a part: is it an etcd v3?")
}

pub(crate) fn stale(operation: Operation) -> election_core::Error {
    error::new(Kind::Unavailable, operation).message(
        "the cluster answers with a state older than one already seen: was it restored from a backup?",
    )
}

pub(crate) fn is_record(kv: Option<&KeyValue>, created: i64) -> bool {
    kv.is_some_and(|kv| kv.create_revision() == created)
}

fn revision_of(header: &ResponseHeader) -> i64 {
    header.revision()
}

fn ahead(kv: &KeyValue, first: bool) -> Ahead {
    Ahead { key: kv.key().to_vec(), created: kv.create_revision(), first }
}
