//! Other people's candidates, to contend with ours in one election: `etcdctl elect` and Curator's `LeaderLatch`.

mod curator;
mod etcdctl;
mod talk;

pub use curator::Latch;
pub use etcdctl::{Elect, Listen};
