//! Data directories of other versions: those of the previous one are taken over, those of a later one refused.
//!
//! `tests/fixtures/format-1` is the data directory of a group of one, as it was when its process was killed.
//! With a new format goes a new fixture, written by the last version that wrote the old one:
//!
//! ```text
//! FIXTURE_NODE=/path/to/that/raft-node cargo test -p backend-raft --test formats -- --ignored
//! ```

mod common;

use std::path::{Path, PathBuf};
use std::time::Duration;

use backend_raft::{Place, RaftAdmin, RaftConfig, RaftCoordinator};
use common::{Process, soon};
use election_core::{Candidate, Coordinator, ElectionName};
use redb::{Database, ReadableDatabase, TableDefinition};
use testkit::ports::Port;

const META: TableDefinition<'static, &str, &[u8]> = TableDefinition::new("meta");
/// Long enough to be there when everything else is done.
const TTL: Duration = Duration::from_secs(3600);

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The files, without those that the file system is to blame for.
const FILES: [&str; 3] = ["raft.redb", "snapshot", "acknowledged"];

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in FILES {
        std::fs::copy(from.join(file), to.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
}

/// One member on a data directory of its own.
struct Alone {
    // Before the directory, which it uses.
    process: Option<Process>,
    dir: tempfile::TempDir,
    port: Port,
}

impl Alone {
    /// On a copy of a fixture.
    fn on(name: &str) -> Self {
        let alone = Self::new();
        copy(&fixture(name), &alone.data());
        alone
    }

    fn new() -> Self {
        Self { process: None, dir: tempfile::tempdir().unwrap(), port: Port::lease().unwrap() }
    }

    fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    fn start(&mut self, program: &Path) -> &mut Process {
        let (address, data) = (self.port.address(), self.data());
        let url =
            format!("raft://{address}?node=1&data={}&snapshot_every=20&keep_entries=10", data.display());
        self.process.insert(Process::run(program, &[&url], self.dir.path().join("log")))
    }

    fn config(&self) -> RaftConfig {
        RaftConfig::new([self.port.address().to_string()]).with_ttl(TTL)
    }

    async fn client(&self) -> RaftCoordinator {
        soon("a client", RaftCoordinator::connect(self.config())).await.unwrap()
    }

    async fn queue(&self, election: &str) -> Vec<Place> {
        let admin = RaftAdmin::new(&self.config()).unwrap();
        soon("the queue", admin.queue(&ElectionName::new(election).unwrap())).await.unwrap()
    }
}

/// The format of a data directory, by its own account.
fn format(database: &Database) -> u32 {
    let read = database.begin_read().unwrap();
    let row = read.open_table(META).unwrap().get("format").unwrap().unwrap();
    u32::from_be_bytes(row.value().try_into().unwrap())
}

fn ours() -> PathBuf {
    env!("CARGO_BIN_EXE_raft-node").into()
}

/// What the fixture's writer has put into it.
fn shape(queue: &[Place]) -> Vec<(&str, bool)> {
    queue.iter().map(|place| (place.id.as_str(), place.token.is_some())).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_directory_of_the_previous_format_is_taken_over() {
    let mut alone = Alone::on("format-1");
    alone.start(&ours()).ready();
    for election in ["snapshotted", "logged"] {
        let queue = alone.queue(election).await;
        assert_eq!(shape(&queue), [("leader", true), ("waiting", false)], "{election}");
    }
    let (old, logged) = (alone.queue("snapshotted").await, alone.queue("logged").await);
    assert!(old[0].token < logged[0].token);
    // The sessions are the same, and end as sessions do: the leader's goes, and whoever waits in another one leads.
    let admin = RaftAdmin::new(&alone.config()).unwrap();
    assert_ne!(old[0].session, old[1].session);
    assert!(soon("the end of a session", admin.end_session(old[0].session)).await.unwrap());
    let next = alone.queue("snapshotted").await;
    assert_eq!(shape(&next), [("waiting", true)]);
    assert!(next[0].token > logged[0].token, "tokens go on above those of the previous format");
    // New ones go on as well, also over a snapshot and a restart.
    let client = alone.client().await;
    let mut last = next[0].token.unwrap();
    for _ in 0..30 {
        let campaign = client.elector("new").unwrap();
        let won = soon("won", campaign.campaign(Candidate::new("new").unwrap())).await.unwrap();
        assert!(won.token() > last);
        last = won.token();
        soon("resigned", won.resign()).await.unwrap();
    }
    drop(alone.process.take());
    // An older version is told so: it would take what is new in there for damage.
    assert_eq!(format(&Database::open(alone.data().join("raft.redb")).unwrap()), 2);
    alone.start(&ours()).ready();
    assert_eq!(shape(&alone.queue("snapshotted").await), [("waiting", true)]);
}

#[test]
fn a_data_directory_of_a_later_format_is_refused_and_left_as_it_is() {
    let mut alone = Alone::on("format-1");
    let file = alone.data().join("raft.redb");
    {
        let database = Database::open(&file).unwrap();
        let write = database.begin_write().unwrap();
        write.open_table(META).unwrap().insert("format", 7_u32.to_be_bytes().as_slice()).unwrap();
        write.commit().unwrap();
    }
    let process = alone.start(&ours());
    assert!(!process.wait().success());
    let log = process.log();
    assert!(log.contains("has format 7, this version reads format") && log.contains("upgrade"), "{log}");
    drop(alone.process.take());
    assert_eq!(format(&Database::open(&file).unwrap()), 7);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "writes a fixture with the raft-node that FIXTURE_NODE names: see the top of this file"]
async fn write_a_fixture() {
    let program = PathBuf::from(std::env::var("FIXTURE_NODE").expect("FIXTURE_NODE=/path/to/raft-node"));
    let mut alone = Alone::new();
    alone.start(&program).ready();
    let (leading, waiting) = (alone.client().await, alone.client().await);
    for election in ["snapshotted", "logged"] {
        let elector = leading.elector(election).unwrap();
        let won = soon("won", elector.campaign(Candidate::new("leader").unwrap())).await.unwrap();
        // Held for ever, so that its record is in the fixture.
        std::mem::forget(won);
        let elector = waiting.elector(election).unwrap();
        tokio::spawn(async move { elector.campaign(Candidate::new("waiting").unwrap()).await.map(drop) });
        soon("two in the queue", async { while alone.queue(election).await.len() < 2 {} }).await;
        if election == "snapshotted" {
            let elector = waiting.elector("between").unwrap();
            for _ in 0..40 {
                let won = elector.campaign(Candidate::new("between").unwrap()).await.unwrap();
                won.resign().await.unwrap();
            }
        }
    }
    // Killed, and by this dropped: nothing is withdrawn any more.
    drop(alone.process.take());
    copy(&alone.data(), &fixture("format-new"));
}
