//! What the candidates, the service and the world do.

use super::*;

impl ZkQueue {
    pub(super) fn token(&self, node: Node) -> u8 {
        if self.0 == Variant::SequenceAsToken { node.sequence } else { node.created }
    }

    pub(super) fn creates(&self, state: &mut State, action: Action) -> Option<()> {
        match (action, state.phases[target(action)]) {
            (Action::Campaign(c), Phase::Idle) => {
                // Processes are alike: one order of beginning is enough.
                if c > 0 && state.phases[c - 1] == Phase::Idle || !state.live[c] {
                    return None;
                }
                state.phases[c] = Phase::Creating { kept: true };
                state.sent[c] = true;
            }
            (Action::Create(c), Phase::Creating { .. }) if state.sent[c] => {
                state.sent[c] = false;
                if state.create(c) {
                    state.answered[c] = true;
                } else {
                    state.phases[c] = Phase::Over;
                    state.live[c] = false;
                }
            }
            (Action::Created(c), Phase::Creating { kept }) if state.answered[c] => {
                state.answered[c] = false;
                state.seen[c] = state.node(c).created;
                state.phases[c] = if kept { Phase::Listing } else { Phase::Leaving };
            }
            (Action::Disconnect(c), Phase::Creating { kept }) if state.disconnects < DISCONNECTS => {
                state.disconnects += 1;
                state.late[c] |= std::mem::replace(&mut state.sent[c], false);
                state.answered[c] = false;
                state.phases[c] = Phase::Unknown { kept };
            }
            (Action::Late(c), _) if state.late[c] => {
                state.late[c] = false;
                let own = state.own[c];
                state.create(c);
                // Nobody has told the candidate.
                if !matches!(state.phases[c], Phase::Unknown { .. }) {
                    state.own[c] = own;
                }
            }
            (Action::Dropped(c), _) if state.late[c] => state.late[c] = false,
            (Action::Find(c), Phase::Unknown { kept }) => {
                let synced = !matches!(self.0, Variant::NoFind | Variant::FindWithoutSync);
                if synced && state.late[c] {
                    return None;
                }
                state.seen[c] = state.revision;
                state.phases[c] = match (self.0 != Variant::NoFind && state.stands(c), kept) {
                    _ if !state.exists[c] => Phase::Over,
                    (true, true) => Phase::Listing,
                    (true, false) => Phase::Leaving,
                    (false, true) => {
                        state.sent[c] = true;
                        Phase::Creating { kept }
                    }
                    (false, false) => Phase::Over,
                };
            }
            _ => return None,
        }
        Some(())
    }

    pub(super) fn waits(&self, state: &mut State, action: Action) -> Option<()> {
        match (action, state.phases[target(action)]) {
            (Action::List(c, revision), Phase::Listing) => {
                if revision < state.seen[c] || revision > state.revision {
                    return None;
                }
                state.seen[c] = revision;
                match state.ahead(c, revision) {
                    _ if !state.node(c).existed(revision) => state.phases[c] = Phase::Over,
                    None => state.win(c, self.token(state.node(c))),
                    Some(ahead) => state.phases[c] = Phase::Waiting { ahead },
                }
            }
            (Action::SeesEnd(c), Phase::Waiting { ahead }) => {
                let ended = state.nodes[ahead as usize].map(|node| node.ended).into_iter().max()?;
                if ended == 0 {
                    return None;
                }
                state.seen[c] = state.seen[c].max(ended);
                state.phases[c] = Phase::Listing;
                if self.0 == Variant::NoRecheck {
                    state.win(c, self.token(state.node(c)));
                }
            }
            (Action::Cancel(c), Phase::Creating { kept: true } | Phase::Unknown { kept: true })
                if self.0 == Variant::CancelLeaves =>
            {
                state.late[c] |= std::mem::replace(&mut state.sent[c], false);
                state.answered[c] = false;
                state.phases[c] = Phase::Over;
            }
            (Action::Cancel(c), Phase::Creating { kept: true }) => {
                state.phases[c] = Phase::Creating { kept: false };
            }
            (Action::Cancel(c), Phase::Unknown { kept: true }) => {
                state.phases[c] = Phase::Unknown { kept: false }
            }
            (Action::Cancel(c), Phase::Listing | Phase::Waiting { .. }) => state.phases[c] = Phase::Leaving,
            (Action::Resign(c), Phase::Leading) => state.phases[c] = Phase::Leaving,
            (Action::Delete(c), Phase::Leaving) => {
                let first = (0..N).filter(|c| state.stands(*c)).min_by_key(|c| state.node(*c).created);
                let hit = if self.0 == Variant::RemovesTheFirst { first.unwrap_or(c) } else { c };
                let slot = state.own[hit] as usize;
                state.end(hit, std::iter::once(slot));
                state.phases[c] = Phase::Over;
            }
            (Action::Notices(c), _) if state.is_in(c) && !state.live[c] => state.phases[c] = Phase::Leaving,
            (Action::Notices(c), _) if state.is_in(c) && !state.stands(c) => state.phases[c] = Phase::Over,
            _ => return None,
        }
        Some(())
    }

    pub(super) fn sessions(state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Lapse(c) if state.live[c] && state.exists[c] && state.lapses < LAPSES => {
                if matches!(state.phases[c], Phase::Idle | Phase::Over) {
                    return None;
                }
                state.live[c] = false;
                state.lapses += 1;
            }
            Action::Lapse(c) if state.live[c] && !state.exists[c] => state.live[c] = false,
            Action::Expire(c) if state.exists[c] && !state.live[c] => {
                state.exists[c] = false;
                state.end(c, 0..2);
            }
            Action::AdminExpires(c) => {
                let waits = matches!(state.phases[c], Phase::Waiting { .. });
                if state.expired_by_admin
                    || !waits
                    || !state.stands(c)
                    || state.ahead(c, state.revision).is_none()
                {
                    return None;
                }
                state.expired_by_admin = true;
                state.exists[c] = false;
                state.end(c, 0..2);
            }
            Action::RemoveParent => {
                let empty = state.nodes.as_flattened().iter().all(|node| !node.existed(state.revision));
                if state.parent_removed || !empty || state.sequence == 0 {
                    return None;
                }
                state.parent_removed = true;
                state.sequence = 0;
            }
            _ => return None,
        }
        Some(())
    }
}

fn target(action: Action) -> usize {
    use Action::*;
    match action {
        Campaign(c)
        | Create(c)
        | Created(c)
        | Disconnect(c)
        | Late(c)
        | Dropped(c)
        | Find(c)
        | List(c, _) => c,
        SeesEnd(c) | Cancel(c) | Resign(c) | Delete(c) | Notices(c) => c,
        Lapse(c) | Expire(c) | AdminExpires(c) => c,
        RemoveParent => 0,
    }
}
