//! What an administrator sees of a group.

use std::collections::BTreeMap;

use election_core::{FencingToken, Operation, Result};

use crate::admin::RaftAdmin;
use crate::error;
use crate::network::{Link, Request, Response, Status};
use crate::state_machine::Contest;

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// It votes: a majority of the voters decides.
    Voter,
    /// It gets a copy of everything, and does not vote yet.
    Learner,
    /// It is in this process's list, and no member that answered knows it as one of the group.
    Listed,
}

/// How far a member is, by its own account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The Raft leader it knows.
    pub leader: Option<u64>,
    /// Raft's term.
    pub term: u64,
    /// The index of the last entry in its log.
    pub last: u64,
    /// The index of the last entry that it knows to be decided.
    pub committed: u64,
    /// The index of the last entry that it has applied.
    pub applied: u64,
}

/// How a member is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Its id.
    pub id: u64,
    /// Its address.
    pub address: String,
    /// What it may do.
    pub role: Role,
    /// How far it is; an error if it does not answer.
    pub state: std::result::Result<Progress, String>,
}

/// How a group is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// The members by id, and those of the list that are none.
    pub members: Vec<MemberStatus>,
    /// The Raft leader, by the word of the member with the highest term.
    pub leader: Option<u64>,
    /// The highest term of any member.
    pub term: u64,
    /// The index of the last entry that any member knows to be decided.
    pub committed: u64,
    /// How many sessions there are, as the member knows that has applied the most.
    pub sessions: u64,
    /// How many elections with at least one candidate there are, likewise.
    pub elections: u64,
}

impl GroupStatus {
    /// How many decided entries a member has not applied yet; `None` if it does not answer.
    #[must_use]
    pub fn lag(&self, member: &MemberStatus) -> Option<u64> {
        member.state.as_ref().ok().map(|state| self.committed.saturating_sub(state.applied))
    }

    /// Whether the group works: a Raft leader is known, and a majority of the voters answers.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        let voters = self.members.iter().filter(|member| member.role == Role::Voter);
        let (all, up) =
            voters.fold((0, 0), |(all, up), voter| (all + 1, up + usize::from(voter.state.is_ok())));
        self.leader.is_some() && up * 2 > all
    }
}

/// An election in a list of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ElectionStatus {
    /// Its name.
    pub election: String,
    /// The leader's candidate id, if there is a leader.
    pub leader: Option<String>,
    /// Its token.
    pub token: Option<FencingToken>,
    /// How many candidates wait.
    pub waiting: u64,
}

type Answers = BTreeMap<u64, (String, std::result::Result<Status, String>)>;

impl RaftAdmin {
    /// How every member is: those of the list, and those that they know. Nobody need be the Raft leader for it, so it
    /// also shows a group that does not work.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn status(&self) -> GroupStatus {
        let mut answers = Answers::new();
        // Once for those who are known, once more for those who were learned of.
        for _ in 0..2 {
            let roster = self.group.roster();
            let fresh = roster.iter().filter(|(id, _)| !answers.contains_key(id));
            let asked: Vec<_> = fresh.map(|(id, link)| self.one(*id, link.clone())).collect();
            answers.extend(futures::future::join_all(asked).await);
            let known = answers.values().filter_map(|(_, answer)| answer.as_ref().ok());
            if let Some(newest) = known.max_by_key(|status| status.applied) {
                self.group.learn(&newest.members);
            }
        }
        summary(answers)
    }

    async fn one(&self, id: u64, link: Link) -> (u64, (String, std::result::Result<Status, String>)) {
        let answer = match link.call(Request::Status, self.patience).await {
            Ok(Response::Status(status)) => Ok(status),
            Ok(other) => Err(error::unexpected(Operation::Connect, other).to_string()),
            Err(error) => Err(error.to_string()),
        };
        (id, (link.address().to_owned(), answer))
    }

    /// Every election that has a candidate, by name, as of now.
    ///
    /// # Errors
    /// `Unavailable` or `Timeout` if the group does not answer.
    ///
    /// # Cancel safety
    /// Cancel safe: it changes nothing.
    pub async fn elections(&self) -> Result<Vec<ElectionStatus>> {
        let mut all: Vec<ElectionStatus> = Vec::new();
        loop {
            let after = all.last().map_or(String::new(), |last| last.election.clone());
            match self.ask(Request::Contests { after }, Operation::Observe).await? {
                Response::Contests(contests) if contests.is_empty() => return Ok(all),
                Response::Contests(contests) => all.extend(contests.into_iter().map(to_status)),
                other => return Err(error::unexpected(Operation::Observe, other)),
            }
        }
    }
}

fn to_status(contest: Contest) -> ElectionStatus {
    ElectionStatus {
        waiting: contest.candidates.saturating_sub(u64::from(contest.leader.is_some())),
        election: contest.election,
        leader: contest.leader,
        token: contest.token.map(FencingToken::new),
    }
}

fn summary(answers: Answers) -> GroupStatus {
    let known = || answers.values().filter_map(|(_, answer)| answer.as_ref().ok());
    let newest = known().max_by_key(|status| (status.applied, status.term)).cloned().unwrap_or_default();
    // A deposed leader that is cut off believes in itself, in an older term.
    let leading = known().filter(|status| status.leader.is_some()).max_by_key(|status| status.term);
    let leader = leading.and_then(|status| status.leader);
    let (term, committed) = known()
        .fold((0, 0), |(term, committed), status| (term.max(status.term), committed.max(status.committed)));
    let role = |id: u64| match newest.members.iter().find(|member| member.id == id) {
        Some(member) if member.votes => Role::Voter,
        Some(_) => Role::Learner,
        None => Role::Listed,
    };
    let member = |(id, (address, answer)): (u64, (String, std::result::Result<Status, String>))| {
        let state = answer.map(|status| Progress {
            leader: status.leader,
            term: status.term,
            last: status.last,
            committed: status.committed,
            applied: status.applied,
        });
        MemberStatus { id, address, role: role(id), state }
    };
    GroupStatus {
        members: answers.into_iter().map(member).collect(),
        leader,
        term,
        committed,
        sessions: newest.sessions,
        elections: newest.elections,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state_machine::Member;

    #[test]
    fn the_word_of_the_highest_term_counts_and_who_is_no_member_is_told_apart() {
        let members = |ids: &[u64]| -> Vec<Member> {
            ids.iter().map(|id| Member { id: *id, address: "h:1".into(), votes: *id != 4 }).collect()
        };
        let status = |leader, term, applied, ids: &[u64]| Status {
            leader,
            term,
            committed: applied,
            applied,
            members: members(ids),
            ..Status::default()
        };
        let answers: Answers = [
            (1, Ok(status(Some(1), 5, 90, &[1, 2, 3]))),
            (2, Ok(status(Some(3), 6, 100, &[2, 3, 4]))),
            (3, Err("it is down".into())),
            (4, Ok(status(Some(3), 6, 97, &[2, 3, 4]))),
        ]
        .into_iter()
        .map(|(id, answer)| (id, ("h:1".into(), answer)))
        .collect();
        let group = summary(answers);
        assert_eq!((group.leader, group.term, group.committed), (Some(3), 6, 100));
        let roles: Vec<_> = group.members.iter().map(|member| member.role).collect();
        assert_eq!(roles, [Role::Listed, Role::Voter, Role::Voter, Role::Learner]);
        let lags: Vec<_> = group.members.iter().map(|member| group.lag(member)).collect();
        assert_eq!(lags, [Some(10), Some(0), None, Some(3)]);
        assert!(!group.is_healthy(), "one voter of two");
    }
}
