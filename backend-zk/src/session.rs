//! One ZooKeeper session: its client, its deadline, and the write that proves it.
//!
#![doc = include_str!("proof.md")]

use std::sync::Arc;
use std::time::Duration;

use election_core::backend::SessionState;
use election_core::clock::{Clock, Instant};
use election_core::{Backoff, Loss, Timing};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use zookeeper_client as zk;

use crate::config::Config;
use crate::error::is_passing;
use crate::held::Held;
use crate::lookout::Lookout;

/// A live session. Everybody but its owner holds it for the time of a request only: when the last holder lets
/// go, the client closes the session and the servers remove its records.
pub(crate) struct Session {
    pub(crate) client: zk::Client,
    pub(crate) state: Arc<SessionState>,
    pub(crate) timing: Timing,
    /// The ephemeral znode that renewals write to: `<root>/.sessions/<session id>`. No election has a name that
    /// begins with a dot.
    mark: String,
    root: String,
    acls: zk::Acls<'static>,
    pub(crate) lookout: Lookout,
    pub(crate) held: Arc<Held>,
    /// Whether nobody else uses the client: then what nobody here holds is nobody's.
    exclusive: bool,
    /// Turns to join a queue. Requests of a session are served in order, so a renewal waits behind all that was
    /// sent before it: a thousand campaigns begun at once cost the session, on three slow servers. So few join
    /// at a time, and none begins to while a renewal is under way.
    pub(crate) joining: Semaphore,
}

/// As many as fill the pipeline of an ensemble: beyond, only their time grows.
const JOINING: u32 = 64;

/// A renewal that was committed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Committed {
    /// Read before its first request was handed to the client.
    pub(crate) sent: Instant,
    /// Read after its answer came: the servers saw it no later.
    pub(crate) answered: Instant,
}

impl Session {
    /// Wraps a client whose session was created after `before`.
    ///
    /// Creating a session is itself a committed write, and the leader starts its timeout then: a fresh session
    /// is proven from `before` on.
    pub(crate) fn fresh(client: zk::Client, before: Instant, clock: Arc<dyn Clock>, config: &Config) -> Self {
        let timing = config.timing(client.session_timeout());
        #[cfg(zoo)]
        let timing = if election_core::zoo::planted("zk-waits-for-expired") {
            // The client says so after 7/5 of the timeout; until then it leads.
            Timing { ttl: timing.ttl * 10, ..timing }
        } else {
            timing
        };
        let state = SessionState::new(clock, before + timing.validity());
        let mark = format!("{}/.sessions/{:016x}", config.root, client.session_id().0);
        Self {
            client,
            state,
            timing,
            mark,
            root: config.root.clone(),
            acls: acls(config),
            lookout: Lookout::default(),
            held: Arc::default(),
            exclusive: true,
            joining: Semaphore::new(JOINING as usize),
        }
    }

    /// Wraps a client of unknown age: its session is proven by two renewals, which takes a third of its timeout.
    pub(crate) async fn adopt(
        client: zk::Client,
        clock: Arc<dyn Clock>,
        config: &Config,
    ) -> Result<(Self, Committed), zk::Error> {
        let mut session = Self::fresh(client, clock.now(), clock.clone(), config);
        let first = session.renew().await?;
        sleep(session.renewal_gap()).await;
        let second = session.renew().await?;
        session.state = SessionState::new(clock, first.sent + session.timing.validity());
        Ok((session, second))
    }

    /// Others may have records under this session: its client was handed in.
    pub(crate) fn may_be_shared(&mut self) {
        self.exclusive = false;
    }

    /// The least time from the answer to one renewal to the sending of the next, so that the leader collects the
    /// touches of the first one in between: it asks for them every half tick, and a timeout has two ticks.
    pub(crate) fn renewal_gap(&self) -> Duration {
        self.timing.ttl.mul_f64(0.3)
    }

    /// Makes one committed write that the leader accepts only while the session lives.
    pub(crate) async fn renew(&self) -> Result<Committed, zk::Error> {
        let clock = self.state.clock();
        #[cfg(zoo)]
        if election_core::zoo::planted("zk-pings-trusted") {
            // What a ping is: the server that we are connected to answers it by itself.
            let sent = clock.now();
            self.client.check_stat(&self.mark).await?;
            return Ok(Committed { sent, answered: clock.now() });
        }
        // Its place in the line, with or without the turns, keeps others from joining meanwhile.
        let mut quiet = std::pin::pin!(self.joining.acquire_many(JOINING));
        let _turns = timeout(self.timing.ttl / 20, &mut quiet).await;
        let sent = clock.now();
        // The leader's answer passes through the queue in which it asks the follower for touches: with it, the
        // touches of the renewal before are on their way, ahead of the write below. An answer that was slow may
        // be that of a leader which has just been resumed and has not asked yet; the second one is not.
        self.client.sync(&self.mark).await?;
        if clock.now().saturating_duration_since(sent) > self.timing.ttl / 16 {
            self.client.sync(&self.mark).await?;
        }
        self.write_mark().await?;
        Ok(Committed { sent, answered: clock.now() })
    }

    /// Looks for the records that have no watch: see [`Lookout`].
    pub(crate) async fn look_for_records(&self) {
        let looked = tokio::select! {
            _ = self.state.ended() => return,
            looked = self.lookout.look(&self.client, &self.root) => looked,
        };
        if let Err(error) = looked {
            // Deadlines and queue are sound without; servers before 3.6 cannot list the records of a session.
            tracing::warn!(%error, "could not look for the records without a watch");
        }
    }

    /// Removes the records of this session that nobody holds: see [`held`](crate::held).
    pub(crate) async fn remove_strays(&self) {
        if !self.exclusive {
            return;
        }
        let listed = tokio::select! {
            _ = self.state.ended() => return,
            listed = self.client.list_ephemerals(&self.root) => listed,
        };
        // Servers before 3.6 cannot list them.
        for path in listed.unwrap_or_default().iter().filter(|path| self.held.is_stray(path)) {
            tracing::warn!(path, "a record of this session is held by nobody: it is removed");
            // One that is there after the next reconnect is tried again then.
            let _ = self.client.delete(path, None).await;
        }
    }

    /// Writes to our znode, or creates it. When this has been answered, the server that we are connected to has
    /// applied all that was committed before it was asked, and a deposed leader cannot have answered.
    ///
    /// No version is compared: the znode bears the id of the session and goes with it, so nothing but this
    /// session writes to it, and a write that is repeated after a lost reply does no harm.
    pub(crate) async fn write_mark(&self) -> Result<(), zk::Error> {
        // Another attempt is needed when an administrator creates or deletes it between two requests.
        for _ in 0..4 {
            match self.client.set_data(&self.mark, b"", None).await {
                Err(zk::Error::NoNode) => {}
                done => return done.map(drop),
            }
            let mode = zk::CreateMode::Ephemeral.with_acls(self.acls);
            match self.client.create(&self.mark, b"", &mode).await {
                Err(zk::Error::NodeExists) => {}
                Err(zk::Error::NoNode) => self.create_folder_of(&self.mark).await?,
                done => return done.map(drop),
            }
        }
        Err(zk::Error::UnexpectedError(format!("{} comes and goes", self.mark)))
    }

    /// Creates an election's znode and what is above it. Plain and persistent: it costs a few bytes for every
    /// name that was ever used, and spares the queue a counter that starts anew.
    pub(crate) async fn create_election(&self, path: &str) -> Result<(), zk::Error> {
        self.client.mkdir(path, &zk::CreateMode::Persistent.with_acls(self.acls)).await
    }

    /// The candidates of an election, read again after a lost connection.
    pub(crate) async fn candidates(&self, election: &str) -> Result<Vec<String>, zk::Error> {
        let mut backoff = pauses();
        loop {
            match self.client.list_children(election).await {
                Err(zk::Error::NoNode) => return Ok(Vec::new()),
                Err(error) if is_passing(&error) => sleep(backoff.next_delay()).await,
                listed => return listed,
            }
        }
    }

    async fn create_folder_of(&self, path: &str) -> Result<(), zk::Error> {
        let (folder, _) = path.rsplit_once('/').unwrap_or_default();
        self.create_election(folder).await
    }

    pub(crate) fn acls(&self) -> zk::Acls<'static> {
        self.acls
    }

    /// What a terminal state of the client means for the session.
    pub(crate) fn loss_of(state: zk::SessionState) -> Option<Loss> {
        match state {
            zk::SessionState::Expired | zk::SessionState::AuthFailed | zk::SessionState::Closed => {
                Some(Loss::SessionExpired)
            }
            zk::SessionState::Disconnected
            | zk::SessionState::SyncConnected
            | zk::SessionState::ConnectedReadOnly => None,
        }
    }
}

/// With credentials what we create is ours alone, else everybody's.
fn acls(config: &Config) -> zk::Acls<'static> {
    match config.credentials {
        Some(_) => zk::Acls::creator_all(),
        None => zk::Acls::anyone_all(),
    }
}

/// The pauses between attempts of one request. The client holds requests back while it is disconnected, so they
/// matter only for servers that refuse at once.
pub(crate) fn pauses() -> Backoff {
    Backoff::new(Duration::from_millis(1), Duration::from_millis(200))
}

#[cfg(test)]
mod tests {
    use election_core::clock::BootClock;
    use testkit::need::{self, Tool};
    use testkit::zk::Zk;

    use super::*;

    /// What a deletion that the servers have lost looks like afterwards.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_record_that_nobody_holds_is_removed_and_a_held_one_stays() -> anyhow::Result<()> {
        if !need::has(Tool::ZooKeeper) {
            return Ok(());
        }
        let server = Zk::single().await?;
        let client = zk::Client::connect(&server.authority()).await?;
        let clock: Arc<dyn Clock> = Arc::new(BootClock);
        let session = Session::fresh(
            client,
            clock.now(),
            clock,
            &Config::parse(&format!("zk://{}", server.authority()))?,
        );
        session.create_election("/election/e").await?;
        let mode = zk::CreateMode::EphemeralSequential.with_acls(session.acls());
        let mut paths = Vec::new();
        for guid in ["c8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11", "d8f31b9b-9c6d-4d0f-8d55-0e5d1c6f3a11"] {
            let prefix = format!("/election/e/_c_{guid}-a-latch-");
            let (_, sequence) = session.client.create(&prefix, b"", &mode).await?;
            paths.push((prefix.clone(), format!("{prefix}{sequence}")));
        }
        session.write_mark().await?;
        let _hold = session.held.hold(paths[0].0.as_str().into());
        session.remove_strays().await;
        let left = session.client.list_children("/election/e").await?;
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(paths[0].1.ends_with(&left[0]), "{left:?}");
        assert!(session.client.check_stat(&session.mark).await?.is_some(), "the mark is no stray");
        Ok(())
    }
}
