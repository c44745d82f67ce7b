//! Changes that an administrator makes: of the members, and of records.

use backend_raft::Join;

use super::{REVIVE, World};
use crate::machine::Machine;
use crate::net::machine_of_id;
use crate::plan::{Aim, FAULTS_UNTIL, Kind, Strike};
use crate::roles::Role;
use crate::roles::administrator::Task;

/// A group of fewer stands still with every fault.
const FEWEST: usize = 2;

impl World {
    /// Has somebody change what the group is, or what is in it.
    pub(super) fn intend(&mut self, strike: &Strike) {
        let members = self.shared.ledger.members();
        // Those who were told to go, and have not gone yet.
        self.leaving.retain(|id| members.contains(id));
        match strike.kind {
            Kind::DeleteRecord => {
                let elections = &self.shared.settings.elections;
                let election = elections[strike.seed as usize % elections.len()].clone();
                self.ask(Task::Delete(election));
            }
            Kind::AddMember => {
                self.bring(strike, Join::Ask);
            }
            _ => {
                let Some(old) = self.whom_to_remove(strike) else { return };
                if strike.kind == Kind::ReplaceMember {
                    if self.bring(strike, Join::Replace(old)) {
                        self.leaving.insert(old);
                    }
                } else if members.len() - self.leaving.len() > FEWEST {
                    self.leaving.insert(old);
                    self.note(strike, machine_of_id(old));
                    self.ask(Task::Remove(old));
                }
            }
        }
    }

    /// A member that is not told to go already, up or down.
    fn whom_to_remove(&self, strike: &Strike) -> Option<u64> {
        let staying: Vec<u64> =
            self.shared.ledger.members().into_iter().filter(|id| !self.leaving.contains(id)).collect();
        let leader = self.shared.ledger.leader().map(|(_, member)| member);
        match strike.aim {
            Aim::RaftLeader => leader.filter(|leader| staying.contains(leader)),
            Aim::Claimant | Aim::Anybody(_) => {
                staying.get(strike.seed as usize % staying.len().max(1)).copied()
            }
        }
    }

    /// Starts a member on a machine that had none yet, if there is one left; it asks to be let in.
    fn bring(&mut self, strike: &Strike, join: Join) -> bool {
        let is_free = |machine: &&mut Machine| {
            machine.role == Role::Member { contends: false, join: Join::Ask } && machine.is_new()
        };
        // Before the group is formed nobody knows whom to ask.
        if self.shared.ledger.members().is_empty() {
            return false;
        }
        let Some(machine) = self.machines.iter_mut().find(is_free) else { return false };
        machine.role = Role::Member { contends: false, join };
        self.pids += 1;
        machine.start(self.now, self.pids);
        let index = machine.index;
        self.note(strike, index);
        true
    }

    /// Writes the fault down: it may disturb for as long as one that strikes by itself.
    fn note(&mut self, strike: &Strike, machine: usize) {
        let until = (self.now + strike.lasts).min(FAULTS_UNTIL);
        self.disturb(machine, strike.kind, until);
    }

    /// Gives the administrator something to do; he comes when he is needed.
    fn ask(&mut self, task: Task) {
        self.shared.tasks.add(task);
        let machine = self.machines.iter_mut().find(|machine| machine.role == Role::Administrator);
        if let Some(machine) = machine.filter(|machine| machine.is_new()) {
            self.pids += 1;
            machine.start(self.now, self.pids);
        }
    }

    /// A member that was removed comes back, with an empty disk, and must not be let in.
    pub(super) fn try_again_under_the_same_id(&mut self, index: usize) {
        let again = Role::Member { contends: false, join: Join::Ask };
        let machine = &mut self.machines[index];
        // Once is enough.
        if machine.comes_back || self.now > FAULTS_UNTIL {
            return;
        }
        (machine.comes_back, machine.role) = (true, again);
        machine.replace_disk();
        self.starts.push((self.now + REVIVE, index));
    }
}
