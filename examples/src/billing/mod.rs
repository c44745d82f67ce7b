//! A billing service that cannot charge twice, and a stage that tries to make it.
//!
//! | module | role |
//! | --- | --- |
//! | [`worker`] | **the service**: leads, reads unpaid invoices, charges, writes back through the fence |
//! | [`ledger`] | the service's SQLite database, with the fence in it |
//! | [`client`] | the service's side of the payment provider: an outcome is done, refused or *unknown* |
//! | [`provider`] | the payment provider: another process, durable, honours idempotency keys, fails on demand |
//! | [`stage`] | starts all of them, kills, pauses and deposes leaders, and shows what happens |
//! | [`audit`] | settles the account from what the provider executed and what the ledger holds |
//! | [`invoices`], [`money`] | reading CSV, exact amounts |
//! | [`wire`], [`lifeline`] | the lines between the processes; none outlives the stage |
//! | [`plant`] | defects to switch on, so that the audit can be seen to find them |

pub mod audit;
pub mod cli;
pub mod client;
pub mod invoices;
pub mod ledger;
pub mod lifeline;
pub mod money;
pub mod plant;
pub mod provider;
pub mod stage;
pub mod wire;
pub mod worker;
