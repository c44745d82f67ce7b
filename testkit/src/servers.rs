//! What a service of one or more servers is, whichever service it is: processes, and the folder that they write to.

use std::{path::Path, sync::Arc};

use anyhow::Result;

use crate::{
    node::{Launch, Node},
    work_dir::WorkDir,
};

/// The servers of one service, numbered from 0, ended when dropped.
///
/// What is done to one of them is done when the method returns. Every method that takes a number panics when there is
/// no such server.
#[derive(Debug)]
pub struct Servers {
    // First: fields are dropped in this order, and a server must be down before its folder goes.
    nodes: Vec<Arc<Node>>,
    folder: WorkDir,
}

impl Servers {
    /// None yet. `prefix` begins the name of the folder.
    pub(crate) fn in_folder(prefix: &str) -> Result<Self> {
        Ok(Self { nodes: Vec::new(), folder: WorkDir::new(prefix)? })
    }

    pub(crate) fn start(&mut self, launch: Launch) -> Result<()> {
        self.nodes.push(Arc::new(Node::start(launch)?));
        Ok(())
    }

    /// How many servers there are, running or not.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The process of one server, e.g. for its id.
    ///
    /// # Panics
    ///
    /// When there is no such server.
    #[must_use]
    pub fn node(&self, i: usize) -> &Arc<Node> {
        &self.nodes[i]
    }

    /// SIGKILL. Its data stay, for a restart.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn kill(&self, i: usize) -> Result<()> {
        self.node(i).kill()
    }

    /// SIGSTOP: the server's connections stay open and say nothing.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn pause(&self, i: usize) -> Result<()> {
        self.node(i).pause()
    }

    /// SIGCONT.
    ///
    /// # Errors
    ///
    /// When the server is down.
    pub fn resume(&self, i: usize) -> Result<()> {
        self.node(i).resume()
    }

    /// Starts a server again with its data and ports (after a kill if it still runs) and returns at once.
    ///
    /// # Errors
    ///
    /// When the process cannot be started.
    pub fn restart_unready(&self, i: usize) -> Result<()> {
        self.node(i).restart()
    }

    /// Where the data and logs of all servers are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Servers {
    /// A failed test shows what its servers said; before any of them is ended, because what the others say of the dead
    /// would push out what matters.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for node in &self.nodes {
            eprintln!("---- {} ({}) ----\n{}\n----", node.name(), node.log().display(), node.log_tail());
        }
    }
}
