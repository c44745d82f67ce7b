//! The certificate files, and the newest good reading of them.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use election_core::clock::Instant;

use super::Identity;
use super::keys::{Contents, Keys};
use crate::transport::TlsFiles;
use crate::types::NodeId;

/// The files are read at most this often.
const AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// The files that a process was given, and what was in them when they were last in order.
pub(crate) struct Credentials {
    files: TlsFiles,
    cluster: String,
    /// The member that this process is.
    node: Option<NodeId>,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    keys: Arc<Keys>,
    /// Of the contents that were read last, in order or not: so that each is made sense of once.
    digest: [u8; 32],
    read_at: Instant,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong with them, naming the parameter and the file.
    pub(crate) fn load(files: TlsFiles, cluster: &str, node: Option<NodeId>) -> Result<Self, String> {
        let contents = Contents::read(&files)?;
        let keys = Arc::new(Keys::new(&contents, &files, cluster, node)?);
        let loaded = Mutex::new(Loaded { keys, digest: digest(&contents), read_at: Instant::now() });
        Ok(Self { files, cluster: cluster.into(), node, loaded })
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who this process is.
    pub(crate) fn own(&self) -> Identity {
        self.lock().keys.own.clone()
    }

    /// The keys to use now: the files are read again if the last time was a moment ago.
    ///
    /// Files that are not in order (half of them replaced, say) are complained of once and left; the last
    /// good ones serve on.
    pub(crate) async fn current(self: &Arc<Self>) -> Arc<Keys> {
        {
            let mut loaded = self.lock();
            let now = Instant::now();
            if now.saturating_duration_since(loaded.read_at) < AT_MOST_EVERY {
                return loaded.keys.clone();
            }
            loaded.read_at = now;
        }
        let this = self.clone();
        // A panic in there, or the end of the runtime, leaves what is there.
        tokio::task::spawn_blocking(move || this.reload()).await.ok();
        self.lock().keys.clone()
    }

    fn reload(&self) {
        let complain = |why: String| {
            tracing::error!(
                why,
                "the certificate files are not in order: those that were read before serve on"
            );
        };
        let contents = match Contents::read(&self.files) {
            Ok(contents) => contents,
            Err(why) => return complain(why),
        };
        let digest = digest(&contents);
        if std::mem::replace(&mut self.lock().digest, digest) == digest {
            return;
        }
        match Keys::new(&contents, &self.files, &self.cluster, self.node) {
            Ok(keys) => {
                tracing::info!(own = %keys.own, "new certificate files are in use");
                self.lock().keys = Arc::new(keys);
            }
            Err(why) => complain(why),
        }
    }
}

fn digest(contents: &Contents) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in [&contents.ca, &contents.cert, &contents.key] {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("files", &self.files).field("own", &self.own()).finish()
    }
}
