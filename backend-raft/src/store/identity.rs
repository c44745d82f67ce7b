//! Whose data directory it is.

use rand::Rng;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};

use super::acknowledged::Acknowledged;
use super::database::to_io;
use super::directory::Directory;
use super::error::StoreError;

/// Names this life of a data directory. Drawn at random when the directory is created: a node that lost its
/// disk comes back with another one, and is refused, because it may have forgotten a vote.
pub(crate) type Incarnation = u128;

/// The format of the data directory. Raise it with every change that an older version cannot read, keep reading the
/// one before, and keep a data directory of it: see `tests/formats.rs`.
///
/// 2: snapshots end with the roll of members, and the log may enroll one.
pub(crate) const FORMAT: u32 = 2;
/// The oldest that can be read.
const OLDEST: u32 = 1;

const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// The first incarnation seen of each peer.
const PEERS: TableDefinition<'static, u64, u128> = TableDefinition::new("peers");

/// Who a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The group's name.
    pub(crate) cluster: String,
    /// The node's id.
    pub(crate) node: u64,
    /// This life of its data directory.
    pub(crate) incarnation: Incarnation,
}

/// Reads the identity, or writes it into an empty database.
pub(super) fn load_or_create(
    database: &Database,
    directory: &dyn Directory,
    cluster: &str,
    node: u64,
) -> Result<Identity, StoreError> {
    let found = read(database).map_err(|error| StoreError::database(directory, error))?;
    let path = directory.path().to_path_buf();
    match found {
        None => {
            let identity = Identity { cluster: cluster.into(), node, incarnation: rand::rng().random() };
            create(database, &identity).map_err(|error| StoreError::database(directory, to_io(error)))?;
            Ok(identity)
        }
        Some((format, _)) if !(OLDEST..=FORMAT).contains(&format) => {
            Err(StoreError::Format { path, found: format, expected: FORMAT })
        }
        Some((_, found)) if found.cluster != cluster => {
            Err(StoreError::OtherCluster { path, found: found.cluster, expected: cluster.into() })
        }
        Some((_, found)) if found.node != node => {
            Err(StoreError::OtherNode { path, found: found.node, expected: node })
        }
        Some((format, identity)) => {
            // Before anything is written that an older version could misread.
            if format != FORMAT {
                raise(database).map_err(|error| StoreError::database(directory, to_io(error)))?;
                tracing::info!(?path, from = format, to = FORMAT, "the data directory has a new format now");
            }
            Ok(identity)
        }
    }
}

fn raise(database: &Database) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(META)?.insert("format", FORMAT.to_be_bytes().as_slice())?;
    transaction.commit()?;
    Ok(())
}

fn create(database: &Database, identity: &Identity) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    write(&transaction, identity, std::iter::empty())?;
    transaction.commit()?;
    Ok(())
}

/// Writes an identity, and by which data directories its peers are known.
pub(super) fn write(
    transaction: &WriteTransaction,
    identity: &Identity,
    known: impl Iterator<Item = (u64, Incarnation)>,
) -> Result<(), redb::Error> {
    let mut meta = transaction.open_table(META)?;
    meta.insert("format", FORMAT.to_be_bytes().as_slice())?;
    meta.insert("cluster", identity.cluster.as_bytes())?;
    meta.insert("node", identity.node.to_be_bytes().as_slice())?;
    meta.insert("incarnation", identity.incarnation.to_be_bytes().as_slice())?;
    let mut peers = transaction.open_table(PEERS)?;
    for (peer, incarnation) in known {
        peers.insert(peer, incarnation)?;
    }
    Ok(())
}

fn read(database: &Database) -> std::io::Result<Option<(u32, Identity)>> {
    let transaction = database.begin_read().map_err(to_io)?;
    let meta = match transaction.open_table(META) {
        Ok(meta) => meta,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(to_io(error)),
    };
    let bytes = |key: &str| -> std::io::Result<Vec<u8>> {
        let row = meta.get(key).map_err(to_io)?;
        row.map(|row| row.value().to_vec()).ok_or_else(|| invalid(key))
    };
    let identity = Identity {
        cluster: String::from_utf8(bytes("cluster")?).map_err(|_| invalid("cluster"))?,
        node: u64::from_be_bytes(bytes("node")?.try_into().map_err(|_| invalid("node"))?),
        incarnation: u128::from_be_bytes(
            bytes("incarnation")?.try_into().map_err(|_| invalid("incarnation"))?,
        ),
    };
    let format = u32::from_be_bytes(bytes("format")?.try_into().map_err(|_| invalid("format"))?);
    Ok(Some((format, identity)))
}

fn invalid(key: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, format!("the record {key:?} is missing or damaged"))
}

/// Compares a peer's incarnation with the first one seen of it, and remembers that one for good.
pub(super) fn recognise(
    database: &Database,
    acknowledged: &mut Acknowledged,
    peer: u64,
    incarnation: Incarnation,
) -> std::io::Result<bool> {
    let mut attempt = || -> Result<bool, redb::Error> {
        let transaction = database.begin_write()?;
        let known = {
            let mut peers = transaction.open_table(PEERS)?;
            let known = peers.get(peer)?.map(|row| row.value());
            if known.is_none() {
                peers.insert(peer, incarnation)?;
            }
            known
        };
        if known.is_none() {
            acknowledged.number(&transaction)?;
            transaction.commit()?;
            acknowledged.note()?;
        }
        Ok(known.is_none_or(|known| known == incarnation))
    };
    attempt().map_err(to_io)
}
