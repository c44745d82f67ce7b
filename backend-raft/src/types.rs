//! The types that this backend gives to openraft. Nothing of them appears in a public signature.

use openraft::impls::leader_id_adv::LeaderId as AdvLeaderId;

use crate::runtime::BootRuntime;
use crate::state_machine::{Command, Machine, Outcome};

openraft::declare_raft_types!(
    /// What is replicated, and on which runtime.
    pub(crate) TypeConfig:
        D = Command,
        R = Outcome,
        NodeId = u64,
        Node = openraft::BasicNode,
        Term = u64,
        LeaderId = AdvLeaderId<Self::Term, Self::NodeId>,
        AsyncRuntime = BootRuntime,
);

/// A member's place in the list of members, counted from 1. Never reused.
pub(crate) type NodeId = u64;
pub(crate) type LogId = openraft::type_config::alias::LogIdOf<TypeConfig>;
pub(crate) type Vote = openraft::type_config::alias::VoteOf<TypeConfig>;
pub(crate) type Entry = openraft::type_config::alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::type_config::alias::StoredMembershipOf<TypeConfig>;
pub(crate) type SnapshotMeta = openraft::type_config::alias::SnapshotMetaOf<TypeConfig>;
pub(crate) type Snapshot = openraft::type_config::alias::SnapshotOf<TypeConfig, bytes::Bytes>;
pub(crate) type CommittedLeaderId = openraft::type_config::alias::CommittedLeaderIdOf<TypeConfig>;
pub(crate) type Raft = openraft::Raft<TypeConfig, Machine>;
