//! What an election leaves in its store, as an outsider sees it.

/// One candidate's record, read with a client of its own and no code of the backends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The etcd key or the path of the znode.
    pub key: String,
    /// The candidate's value.
    pub value: Vec<u8>,
    /// The etcd lease or the ZooKeeper session that owns the record.
    pub session: i64,
    /// The place in the queue: create revision (etcd) or `czxid` (ZooKeeper).
    pub order: i64,
}
