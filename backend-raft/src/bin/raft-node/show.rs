//! Tables for people, JSON for machines.

use std::io::{self, Write};

use backend_raft::{ElectionStatus, GroupStatus, MemberStatus, Place, Role};
use serde_json::{Value, json};

fn role(role: Role) -> &'static str {
    match role {
        Role::Voter => "voter",
        Role::Learner => "learner",
        Role::Listed => "no member",
        _ => "?",
    }
}

pub(crate) fn status(group: &GroupStatus, as_json: bool) -> io::Result<()> {
    if as_json {
        return print(&status_json(group));
    }
    let leads = |member: &MemberStatus| group.leader == Some(member.id) && member.state.is_ok();
    let row = |member: &MemberStatus| match &member.state {
        Ok(state) => [
            member.id.to_string(),
            member.address.clone(),
            if leads(member) { "leader".into() } else { role(member.role).to_owned() },
            state.term.to_string(),
            state.applied.to_string(),
            group.lag(member).unwrap_or(0).to_string(),
            String::new(),
        ],
        Err(why) => {
            let none = String::new;
            [
                member.id.to_string(),
                member.address.clone(),
                role(member.role).to_owned(),
                none(),
                none(),
                none(),
                why.clone(),
            ]
        }
    };
    table(
        &["NODE", "ADDRESS", "ROLE", "TERM", "APPLIED", "BEHIND", ""],
        &group.members.iter().map(row).collect::<Vec<_>>(),
    )?;
    let leader = group.leader.map_or("no Raft leader".to_owned(), |leader| format!("Raft leader {leader}"));
    let (sessions, elections) = (group.sessions, group.elections);
    let health = if group.is_healthy() { "" } else { "; the group does not work" };
    writeln!(io::stdout(), "{leader}, {sessions} sessions, {elections} elections{health}")
}

fn status_json(group: &GroupStatus) -> Value {
    let member = |member: &MemberStatus| {
        let state = member.state.as_ref().ok();
        json!({
            "id": member.id,
            "address": member.address,
            "role": role(member.role),
            "leads": group.leader == Some(member.id) && state.is_some(),
            "term": state.map(|state| state.term),
            "last": state.map(|state| state.last),
            "committed": state.map(|state| state.committed),
            "applied": state.map(|state| state.applied),
            "behind": group.lag(member),
            "error": member.state.as_ref().err(),
        })
    };
    json!({
        "healthy": group.is_healthy(),
        "leader": group.leader,
        "term": group.term,
        "committed": group.committed,
        "sessions": group.sessions,
        "elections": group.elections,
        "members": group.members.iter().map(member).collect::<Vec<_>>(),
    })
}

pub(crate) fn elections(elections: &[ElectionStatus], as_json: bool) -> io::Result<()> {
    if as_json {
        let election = |one: &ElectionStatus| {
            let token = one.token.map(|token| token.get());
            json!({"election": one.election, "leader": one.leader, "token": token, "waiting": one.waiting})
        };
        return print(&elections.iter().map(election).collect());
    }
    let row = |one: &ElectionStatus| {
        let token = one.token.map_or(String::new(), |token| token.to_string());
        [one.election.clone(), one.leader.clone().unwrap_or_default(), token, one.waiting.to_string()]
    };
    table(&["ELECTION", "LEADER", "TOKEN", "WAITING"], &elections.iter().map(row).collect::<Vec<_>>())
}

pub(crate) fn queue(places: &[Place], as_json: bool) -> io::Result<()> {
    if as_json {
        let place = |place: &Place| {
            let token = place.token.map(|token| token.get());
            json!({"candidate": place.id, "session": place.session, "number": place.number, "token": token})
        };
        return print(&places.iter().map(place).collect());
    }
    let row = |place: &Place| {
        let token = place.token.map_or(String::new(), |token| token.to_string());
        [place.id.clone(), place.session.to_string(), place.number.to_string(), token]
    };
    table(&["CANDIDATE", "SESSION", "NUMBER", "TOKEN"], &places.iter().map(row).collect::<Vec<_>>())
}

fn print(value: &Value) -> io::Result<()> {
    writeln!(io::stdout(), "{value:#}")
}

/// Columns as wide as what is in them.
fn table<const N: usize>(head: &[&str; N], rows: &[[String; N]]) -> io::Result<()> {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([head[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut out = io::stdout().lock();
    for row in std::iter::once(&head.map(str::to_owned)).chain(rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        writeln!(out, "{}", cells.join("  ").trim_end())?;
    }
    Ok(())
}
