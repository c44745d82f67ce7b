//! What a process must be told: the members, and which of them, if any, it embeds.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use election_core::{Error, Result, Timing};

use crate::error::BACKEND;
use crate::timing;
use crate::transport::Transport;
use crate::types::NodeId;

/// Everything a coordinator on an embedded Raft group is configured with.
///
/// ```
/// use backend_raft::RaftConfig;
/// let config = RaftConfig::from_url("raft://127.0.0.1:7001,127.0.0.1:7002?node=1&data=/var/lib/x&profile=lan")?;
/// assert_eq!(config.members.len(), 2);
/// assert_eq!(config.node.as_ref().unwrap().id, 1);
/// # Ok::<(), election_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RaftConfig {
    /// `host:port` of every member, or `id@host:port`; without an id it is the place in the list, from 1. Where the
    /// group has other members by now, those that it still has are enough: they know the rest.
    pub members: Vec<String>,
    /// The group's name. Processes and data directories of another name are refused.
    pub cluster: String,
    /// The member that this process embeds; without it the process is a client.
    pub node: Option<NodeConfig>,
    /// The timings of Raft. The same in every member.
    pub raft: RaftTiming,
    /// The timings of this process's session.
    pub session: Timing,
    /// How long connecting, and a campaign without a session, may take before it is an error.
    pub patience: Duration,
    /// How what is sent is protected.
    pub transport: Transport,
}

/// The member that a process embeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its id: its place in the list of members, from 1, unless the list gives it another one.
    pub id: NodeId,
    /// Its data directory. It belongs to this member for good: a member that lost it must join under a new id.
    pub data: PathBuf,
    /// Where it listens, if not at its own address in the list of members (behind a NAT, say).
    pub listen: Option<String>,
    /// After how many log entries a snapshot is written.
    pub snapshot_every: u64,
    /// How many entries that are in the snapshot stay in the log for members that are a little behind.
    pub keep_entries: u64,
    /// Whether it joins a group that exists, and never forms one: see [`Join`].
    pub join: Join,
}

/// How a member without a past comes into its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Join {
    /// With the members of its list it forms the group, once. The default.
    #[default]
    Form,
    /// It asks the members of its list, and those that they know, to be let in.
    Ask,
    /// The same, in place of the member of this id, in one step.
    Replace(NodeId),
    /// It waits until an administrator adds it.
    Wait,
}

impl NodeConfig {
    /// A member with the default snapshot policy: every 10,000 entries, keeping 1,000.
    pub fn new(id: NodeId, data: impl Into<PathBuf>) -> Self {
        let join = Join::default();
        Self { id, data: data.into(), listen: None, snapshot_every: 10_000, keep_entries: 1_000, join }
    }
}

/// A longer wait for a leader or a connection is a mistake in units, and openraft counts milliseconds in sums of it.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// The timings of Raft.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftTiming {
    /// The time between two heartbeats of the Raft leader.
    pub heartbeat: Duration,
    /// The shortest time for which a member that keeps to its leader no longer (see
    /// [`election_max`](Self::election_max)) waits before it stands for election.
    pub election_min: Duration,
    /// The longest. For so long, too, a member keeps to its leader after a heartbeat, a restarted member does not
    /// vote, and a Raft leader serves that hears from no quorum. So a member stands for election between
    /// `election_max + election_min` and twice `election_max` after the last heartbeat.
    pub election_max: Duration,
}

/// A named set of timings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Profile {
    /// One rack or one availability zone: heartbeat 10 ms, election 20–40 ms, session 100 ms. A crash of the Raft
    /// leader ends every leadership.
    Lan,
    /// One region: heartbeat 30 ms, election 60–120 ms, session 600 ms. A crashed leader is replaced within
    /// a second, also if the Raft leader crashed with it; leaderships elsewhere survive that.
    #[default]
    Default,
    /// Between regions: heartbeat 300 ms, election 750–1500 ms, session 5 s. Leaderships survive a crash of the
    /// Raft leader.
    Wan,
}

impl Profile {
    /// The timings of Raft.
    #[must_use]
    pub fn raft(self) -> RaftTiming {
        let timing = |heartbeat, min, max| RaftTiming {
            heartbeat: Duration::from_millis(heartbeat),
            election_min: Duration::from_millis(min),
            election_max: Duration::from_millis(max),
        };
        match self {
            Self::Lan => timing(10, 20, 40),
            Self::Default => timing(30, 60, 120),
            Self::Wan => timing(300, 750, 1500),
        }
    }

    /// The TTL of a session.
    #[must_use]
    pub fn ttl(self) -> Duration {
        Duration::from_millis(match self {
            Self::Lan => 100,
            Self::Default => 600,
            Self::Wan => 5000,
        })
    }
}

impl RaftConfig {
    /// A client of the group, or, with [`node`](Self::node) set, a member, with the timings of the default
    /// profile.
    pub fn new(members: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            members: members.into_iter().map(Into::into).collect(),
            cluster: "election".into(),
            node: None,
            raft: Profile::Default.raft(),
            session: timing::session(Profile::Default.ttl()),
            patience: Duration::from_secs(5),
            transport: Transport::default(),
        }
    }

    /// The same with a member embedded.
    #[must_use]
    pub fn with_node(mut self, node: NodeConfig) -> Self {
        self.node = Some(node);
        self
    }

    /// The same with the timings of `profile`.
    #[must_use]
    pub fn with_profile(mut self, profile: Profile) -> Self {
        self.raft = profile.raft();
        self.session = timing::session(profile.ttl());
        self
    }

    /// The same with sessions of this TTL, which is a whole number of milliseconds.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.session = timing::session(ttl);
        self
    }

    /// The members by id. Call it on what was validated: where an id cannot be read, its place stands in.
    pub(crate) fn by_id(&self) -> BTreeMap<NodeId, String> {
        let named = (1..).zip(&self.members);
        named
            .map(|(place, member)| split(place, member).unwrap_or((place, member)))
            .map(|(id, at)| (id, at.into()))
            .collect()
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    /// [`Kind::InvalidConfig`](election_core::Kind::InvalidConfig); the message names the field, its value, the
    /// limit and what to do.
    pub fn validate(&self) -> Result<()> {
        self.validate_members()?;
        self.raft.validate()?;
        self.session.validate(0).map_err(|error| error.backend(BACKEND))?;
        let ttl = self.session.ttl;
        // The group counts in them: it would keep the session for less than this process trusts it.
        if !ttl.subsec_nanos().is_multiple_of(1_000_000) {
            return invalid(format!("ttl is {ttl:?}: give whole milliseconds"));
        }
        let ttl = ttl.as_millis();
        let bounds = crate::state_machine::TTL_BOUNDS_MS;
        if !u64::try_from(ttl).is_ok_and(|ttl| bounds.contains(&ttl)) {
            return invalid(format!("ttl is {ttl} ms: give {} to {} ms", bounds.start(), bounds.end()));
        }
        if self.patience.is_zero() {
            return invalid("patience is 0: give the time that connecting may take, some seconds".into());
        }
        if self.patience > MAX_WAIT {
            return invalid(format!("patience is {:?}: give at most {MAX_WAIT:?}", self.patience));
        }
        self.validate_transport()
    }

    fn validate_members(&self) -> Result<()> {
        if self.members.is_empty() {
            return invalid(
                "members is empty: give host:port of every member, as in raft://h1:7001,h2:7001".into(),
            );
        }
        if self.members.len() > 9 {
            return invalid(format!("members has {} entries, the limit is 9: 3 or 5 do", self.members.len()));
        }
        let mut seen: BTreeMap<NodeId, &str> = BTreeMap::new();
        for (place, member) in (1..).zip(&self.members) {
            let Some((id, address)) = split(place, member) else {
                return invalid(format!("members has {member:?}: give id@host:port, as in 4@10.0.0.1:7001"));
            };
            let port = address.rsplit_once(':').and_then(|(host, port)| {
                (!host.is_empty()).then(|| port.parse::<u16>().ok()).flatten().filter(|port| *port != 0)
            });
            if port.is_none() {
                return invalid(format!("members has {member:?}: give host:port, as in 10.0.0.1:7001"));
            }
            if seen.values().any(|known| *known == address) {
                return invalid(format!("members has {member:?} twice: give every member its own address"));
            }
            if seen.insert(id, address).is_some() {
                return invalid(format!(
                    "members has the id {id} twice, the second time in {member:?} (a member without an id has its \
                     place in the list): write the ids of all, as in 1@h1:7001,3@h3:7001"
                ));
            }
        }
        if self.cluster.is_empty() || self.cluster.len() > 128 {
            let bytes = self.cluster.len();
            return invalid(format!("cluster has {bytes} bytes: give a name of 1 to 128 bytes"));
        }
        let Some(node) = &self.node else { return Ok(()) };
        if !self.by_id().contains_key(&node.id) {
            let id = node.id;
            return invalid(format!(
                "node is {id}, which is not in the list: give this member's place in it, 1 to {}, or write its id \
                 there, as in {id}@host:port",
                self.members.len()
            ));
        }
        if node.join != Join::Form && self.members.len() == 1 {
            return invalid(
                "join is given with a list of this member alone: list a member of the group, too".into(),
            );
        }
        if node.join == Join::Replace(node.id) {
            return invalid(format!(
                "replaces is {0}, this member itself: a new member has a new id",
                node.id
            ));
        }
        if node.data.as_os_str().is_empty() {
            return invalid("data is empty: give the member's data directory".into());
        }
        if node.snapshot_every == 0 {
            return invalid("snapshot_every is 0: give a number of log entries, 10000 if in doubt".into());
        }
        Ok(())
    }
}

/// Takes `id@host:port` apart; `None` if the id is none.
fn split(place: NodeId, member: &str) -> Option<(NodeId, &str)> {
    match member.split_once('@') {
        None => Some((place, member)),
        Some((id, address)) => Some((id.parse().ok().filter(|id| *id != 0)?, address)),
    }
}

impl RaftTiming {
    fn validate(&self) -> Result<()> {
        let Self { heartbeat, election_min, election_max } = *self;
        if heartbeat < Duration::from_millis(2) {
            return invalid(format!("heartbeat is {heartbeat:?}: give at least 2 ms"));
        }
        if election_min < heartbeat.saturating_mul(2) {
            return invalid(format!(
                "election_min is {election_min:?} with a heartbeat of {heartbeat:?}: give at least twice the \
                 heartbeat"
            ));
        }
        if election_max < election_min.saturating_add(heartbeat) {
            return invalid(format!(
                "election_max is {election_max:?} with an election_min of {election_min:?}: give twice \
                 election_min, so that two members seldom stand at once"
            ));
        }
        if election_max > MAX_WAIT {
            return invalid(format!("election_max is {election_max:?}: give at most {MAX_WAIT:?}"));
        }
        Ok(())
    }
}

pub(crate) fn invalid<T>(message: String) -> Result<T> {
    Err(Error::invalid_config(message).backend(BACKEND))
}
