//! Leader-gated workers to run, to read and to copy.
//!
//! | binary | what it shows |
//! | --- | --- |
//! | `leader_worker` | the fifty lines to start from |
//! | `observer` | routes to the present leader |
//! | `billing` | three processes, a hostile payment provider, and not one invoice charged twice |
//!
//! This library holds the parts of `billing`, so that its tests can reach them.

pub mod billing;
