//! One member of a Raft group, in a process of its own; and what an administrator does with a group.

mod cli;
mod run;
mod show;

use std::process::ExitCode;

use backend_raft::{Backup, RaftAdmin, RaftConfig};
use clap::Parser;
use cli::{Arguments, Command, Listed};
use election_core::{ElectionName, Error, Kind};

/// Done.
const DONE: u8 = 0;
/// It cannot be done so: the message says what to change.
const FAILED: u8 = 1;
/// It cannot be done now, or it is not known whether it was: ask again. Also: the group does not work.
const NOT_NOW: u8 = 3;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse_from(cli::with_command(std::env::args())).command {
        Command::Run { url, metrics } => run::member(&url, metrics.as_deref()).await,
        other => administer(other).await,
    };
    ExitCode::from(done.unwrap_or_else(|error| {
        eprintln!("raft-node: {error}");
        match error.downcast_ref::<Error>().map(Error::kind) {
            Some(Kind::Unavailable | Kind::Timeout) => NOT_NOW,
            _ => FAILED,
        }
    }))
}

type Done = Result<u8, Box<dyn std::error::Error>>;

/// A URL of somebody who is no member.
fn config(url: &str) -> election_core::Result<RaftConfig> {
    let config = RaftConfig::from_url(url)?;
    if config.node.is_some() {
        return Err(Error::invalid_config("node is given: an administrator's URL has no node and no data")
            .backend("raft"));
    }
    Ok(config)
}

fn admin(url: &str) -> election_core::Result<RaftAdmin> {
    RaftAdmin::new(&config(url)?)
}

async fn administer(command: Command) -> Done {
    let changed = match command {
        Command::Run { .. } => return Ok(FAILED),
        Command::Status { url, json } => {
            let status = admin(&url)?.status().await;
            show::status(&status, json)?;
            return Ok(if status.is_healthy() { DONE } else { NOT_NOW });
        }
        Command::Elections { url, json } => {
            show::elections(&admin(&url)?.elections().await?, json)?;
            return Ok(DONE);
        }
        Command::Queue { url, election, json } => {
            show::queue(&admin(&url)?.queue(&ElectionName::new(&election)?).await?, json)?;
            return Ok(DONE);
        }
        Command::EndSession { url, session } => {
            let ended = admin(&url)?.end_session(session).await?;
            println!("{}", if ended { "ended" } else { "there is no such session" });
            return Ok(DONE);
        }
        Command::Backup { url, file } => {
            println!("{}", admin(&url)?.backup(file).await?);
            return Ok(DONE);
        }
        Command::Restore { file, directory, url, epoch } => {
            for data in Backup::read(file)?.restore(&config(&url)?, directory, epoch)? {
                println!("{}", data.display());
            }
            return Ok(DONE);
        }
        Command::Add { url, member: Listed { id, address } } => {
            admin(&url)?.add_member(id, &address, None).await?
        }
        Command::Replace { url, old, member: Listed { id, address } } => {
            admin(&url)?.add_member(id, &address, Some(old)).await?
        }
        Command::Remove { url, node, force } => admin(&url)?.remove_member(node, force).await?,
    };
    let members: Vec<String> = changed.into_iter().map(|(id, address)| format!("{id}@{address}")).collect();
    println!("members: {}", members.join(","));
    Ok(DONE)
}
