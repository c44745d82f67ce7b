//! Waiting for a condition, with a bound, by asking.

use std::{future::Future, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How long a server may take to become ready: far above the 2 s that three nodes need on two busy cores.
pub const READY_WITHIN: Duration = Duration::from_secs(60);

/// Pause between two questions. Short, because every test that starts a server pays half of it.
const PAUSE: Duration = Duration::from_millis(15);

/// Asks again and again until the answer is `Some`, and returns what it holds.
///
/// # Errors
///
/// When `bound` has passed without one (the message says `what` was awaited), or when the question itself fails.
pub async fn until<T, F, Fut>(what: &str, bound: Duration, mut question: F) -> Result<T>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<Option<T>>>,
{
    let deadline = Instant::now() + bound;
    loop {
        if let Some(answer) = question().await? {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("waited {bound:?} in vain for {what}");
        }
        sleep(PAUSE).await;
    }
}
