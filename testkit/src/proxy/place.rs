//! [`Place`]: where proxies listen and dial.

use std::{
    fs::File,
    future::Future,
    os::fd::AsFd,
    path::Path,
    sync::{OnceLock, mpsc},
    thread,
};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
    task::JoinHandle,
};

/// A thread with a runtime. Its proxies end with it.
#[derive(Debug)]
pub struct Place {
    handle: Handle,
    /// Ends the thread when it is dropped.
    _end: Option<oneshot::Sender<()>>,
}

impl Place {
    /// This process's own network: one thread for all its proxies.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn here() -> Result<Self> {
        static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
        let start = || {
            let mut builder = Builder::new_multi_thread();
            let runtime = builder.worker_threads(1).thread_name("testkit-proxy").enable_all().build();
            runtime.map_err(|error| error.to_string())
        };
        let runtime = RUNTIME.get_or_init(start).as_ref();
        let runtime = runtime.map_err(|error| anyhow!("no runtime for the proxies: {error}"))?;
        Ok(Self { handle: runtime.handle().clone(), _end: None })
    }

    /// A thread in that network namespace (`/proc/<pid>/ns/net`): what it opens is a socket of that network.
    ///
    /// # Errors
    ///
    /// When the kernel does not let it in.
    pub(crate) fn inside(namespace: &Path) -> Result<Self> {
        let file = File::open(namespace).with_context(|| format!("cannot open {}", namespace.display()))?;
        let (end, ended) = oneshot::channel::<()>();
        let (tell, told) = mpsc::sync_channel(1);
        let live = move || match enter(&file) {
            Ok(runtime) => {
                let _ = tell.send(Ok(runtime.handle().clone()));
                // An error means that the place was dropped, too.
                let _ = runtime.block_on(ended);
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        thread::Builder::new().name("testkit-proxy".into()).spawn(live)?;
        let handle = told.recv().context("the proxies' thread has died")??;
        Ok(Self { handle, _end: Some(end) })
    }

    /// Runs a task there. It never ends where the thread has ended.
    pub(super) fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send,
    {
        self.handle.spawn(task)
    }
}

/// Moves the calling thread, and no other: so the runtime must have no threads besides.
fn enter(namespace: &File) -> Result<Runtime> {
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
        .context("cannot enter a network namespace")?;
    Ok(Builder::new_current_thread().enable_all().build()?)
}
