//! [`MemoryGate`]: a fence beside data in memory.

use std::collections::HashMap;

use super::{FenceGate, Fenced};
use crate::candidate::ElectionName;
use crate::error::Result;
use crate::token::FencingToken;

/// A fence beside data in memory: keep it behind the same lock as the data.
///
/// It forgets with the process. That is right for what is rebuilt with the process, and wrong for anything
/// that outlives it.
///
/// ```
/// use std::sync::Mutex;
/// use election_core::gate::{FenceGate, MemoryGate};
/// use election_core::{ElectionName, FencingToken};
///
/// #[derive(Default)]
/// struct Routes {
///     gate: MemoryGate,
///     present: String,
/// }
///
/// fn set(routes: &Mutex<Routes>, token: FencingToken, to: &str) -> election_core::Result<()> {
///     let mut routes = routes.lock().unwrap();
///     routes.gate.admit(&ElectionName::new("router")?, token)?;
///     routes.present = to.to_owned(); // under the lock that the check was made under
///     Ok(())
/// }
///
/// let routes = Mutex::new(Routes::default());
/// set(&routes, FencingToken::new(8), "the successor's")?;
/// assert!(set(&routes, FencingToken::new(7), "a late one").is_err());
/// assert_eq!(routes.lock().unwrap().present, "the successor's");
/// # Ok::<(), election_core::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct MemoryGate {
    highest: HashMap<ElectionName, FencingToken>,
}

impl FenceGate for MemoryGate {
    fn admit(&mut self, election: &ElectionName, token: FencingToken) -> Result<()> {
        #[cfg(zoo)]
        if crate::zoo::planted("fence-compares-for-equality") {
            return match self.highest.insert(election.clone(), token) {
                Some(first) if first != token => {
                    self.highest.insert(election.clone(), first);
                    Err(Fenced { token, highest: first }.into())
                }
                _ => Ok(()),
            };
        }
        match self.highest.get_mut(election) {
            // Below, not unequal: after a takeover the successor's token is unequal as well.
            Some(highest) if token < *highest => Err(Fenced { token, highest: *highest }.into()),
            Some(highest) => {
                *highest = token;
                Ok(())
            }
            None => {
                self.highest.insert(election.clone(), token);
                Ok(())
            }
        }
    }

    fn highest(&mut self, election: &ElectionName) -> Result<Option<FencingToken>> {
        Ok(self.highest.get(election).copied())
    }
}
