//! The members as a client knows them: at first those of its list, then those that the group has.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use super::link::{Link, LinkConfig};
use super::tls::Security;
use super::wire::{Hello, Sender};
use crate::state_machine::Member;
use crate::types::NodeId;

/// The members and the connections to them.
pub(crate) type Roster = BTreeMap<NodeId, Link>;

/// What is known of the members, and how they are reached.
pub(super) struct Known {
    cluster: String,
    security: Security,
    /// With the addresses that this process was given: see [`Reach`](super::Reach).
    list: Roster,
    present: Mutex<Arc<Roster>>,
}

impl Known {
    /// Those of the list.
    pub(super) fn new(cluster: &str, members: &BTreeMap<NodeId, String>, security: &Security) -> Self {
        let mut known = Self {
            cluster: cluster.into(),
            security: security.clone(),
            list: Roster::new(),
            present: Mutex::default(),
        };
        known.list = members.iter().map(|(id, address)| (*id, known.reach(*id, address))).collect();
        known.present = Mutex::new(Arc::new(known.list.clone()));
        known
    }

    fn reach(&self, id: NodeId, address: &str) -> Link {
        let hello = Hello::new(&self.cluster, Sender::Client, id);
        let (address, security) = (address.into(), self.security.clone());
        Link::new(LinkConfig { address, hello, security, recognise: None })
    }

    /// Every member and the connection to it.
    pub(super) fn roster(&self) -> Arc<Roster> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The member after `id`, round and round.
    pub(super) fn after(&self, id: NodeId) -> NodeId {
        let roster = self.roster();
        let next = roster.range((Bound::Excluded(id), Bound::Unbounded)).next();
        next.or(roster.first_key_value()).map_or(id, |(next, _)| *next)
    }

    /// The connection to a member; to the next one if it is none any more.
    pub(super) fn link(&self, target: &mut NodeId) -> Option<Link> {
        if !self.roster().contains_key(target) {
            *target = self.after(*target);
        }
        self.roster().get(target).cloned()
    }

    /// Takes in who the members are now.
    pub(super) fn learn(&self, members: &[Member]) {
        if members.is_empty() {
            return;
        }
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let link = |member: &Member| {
            let known = present.get(&member.id).or_else(|| self.list.get(&member.id));
            let link = known.cloned().unwrap_or_else(|| self.reach(member.id, &member.address));
            (member.id, link)
        };
        let fresh: Roster = members.iter().map(link).collect();
        *present = Arc::new(fresh);
    }

    /// Asks those of the list as well, from now on: of the members that were learned nobody answers.
    pub(super) fn back_to_the_list(&self) {
        let mut present = self.present.lock().unwrap_or_else(PoisonError::into_inner);
        let mut all = self.list.clone();
        all.extend(present.iter().map(|(id, link)| (*id, link.clone())));
        *present = Arc::new(all);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_where_a_member_is_and_the_group_who_is_one() {
        let list = [(1, "a:1".to_owned()), (2, "b:1".to_owned())].into();
        let known = Known::new("c", &list, &Security::Plaintext);
        let roster = |known: &Known| -> Vec<(u64, String)> {
            known.roster().iter().map(|(id, link)| (*id, link.address().to_owned())).collect()
        };
        let member = |id, address: &str| Member { id, address: address.into(), votes: true };
        known.learn(&[member(2, "far:9"), member(4, "d:1")]);
        assert_eq!(roster(&known), [(2, "b:1".to_owned()), (4, "d:1".to_owned())]);
        assert_eq!((known.after(2), known.after(4), known.after(1)), (4, 2, 2));
        let mut gone = 1;
        assert_eq!(known.link(&mut gone).map(|link| link.address().to_owned()), Some("b:1".to_owned()));
        assert_eq!(gone, 2);
        known.learn(&[]);
        assert_eq!(roster(&known).len(), 2, "a node that knows nothing yet says nothing");
        known.back_to_the_list();
        assert_eq!(roster(&known).len(), 3);
    }
}
