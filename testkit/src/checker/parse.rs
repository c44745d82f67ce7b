//! From lines to what a [`Run`](super::run::Run) is made of.

use std::collections::HashMap;

use super::run::{Campaign, Outcome, Process, Snapshot, Stream, Trouble};
use crate::history::{Effect, Event, Op, Phase};

pub(super) fn processes(events: &[&Event], troubles: &[Trouble]) -> (Vec<Process>, Vec<usize>) {
    let mut index: HashMap<(&str, u32, u32), usize> = HashMap::new();
    let mut processes: Vec<Process> = Vec::new();
    let mut writer = Vec::with_capacity(events.len());
    for event in events {
        let process = *index.entry((&event.id, event.incarnation, event.pid)).or_insert_with(|| {
            processes.push(Process {
                id: event.id.clone(),
                incarnation: event.incarnation,
                pid: event.pid,
                lines: (event.mono_ns, event.mono_ns),
                ended: None,
                closed: None,
            });
            processes.len() - 1
        });
        let at = event.mono_ns;
        processes[process].lines.1 = at;
        match (event.op, event.phase) {
            // Who rests has resigned and contends no more, which is its end as far as the laws go.
            (Op::Run, Phase::Ok | Phase::Fail | Phase::Info) => processes[process].ended = Some((at, at)),
            (Op::Close, Phase::Ok) => processes[process].closed = Some(at),
            _ => {}
        }
        writer.push(process);
    }
    for trouble in troubles.iter().filter(|trouble| trouble.fault.effect == Effect::Kills) {
        let killed = trouble.fault.pid.and_then(|pid| process_of(&processes, pid, trouble.began));
        if let Some(process) = killed {
            processes[process].ended.get_or_insert((trouble.began, trouble.over));
        }
    }
    replaced(&mut processes);
    (processes, writer)
}

/// Who says nothing of its end, and is not said to have been killed, had ended when the same id began anew.
fn replaced(processes: &mut [Process]) {
    let mut next: HashMap<(String, u32), u64> = HashMap::new();
    for process in &*processes {
        next.insert((process.id.clone(), process.incarnation), process.lines.0);
    }
    for process in processes {
        let successor = next.get(&(process.id.clone(), process.incarnation + 1));
        if let Some(begun) = successor {
            process.ended.get_or_insert((process.lines.1, *begun));
        }
    }
}

pub(super) fn process_of(processes: &[Process], pid: u32, at: u64) -> Option<usize> {
    let distance = |process: &Process| {
        let (first, last) = process.lines;
        if at < first { first - at } else { at.saturating_sub(last) }
    };
    let found = processes.iter().enumerate().filter(|(_, process)| process.pid == pid);
    // Of two that had one id, the one whose lines are around the moment.
    found.min_by_key(|(_, process)| distance(process)).map(|(index, _)| index)
}

pub(super) fn campaigns(
    events: &[&Event],
    writer: &[usize],
    processes: &[Process],
    end: u64,
) -> Vec<Campaign> {
    let mut campaigns: Vec<Campaign> = Vec::new();
    let mut open: HashMap<(usize, Option<u64>), usize> = HashMap::new();
    let mut all: HashMap<(usize, Option<u64>), usize> = HashMap::new();
    for (event, &process) in events.iter().zip(writer) {
        let key = (process, event.number);
        if (event.op, event.phase) == (Op::Resign, Phase::Ok)
            && let Some(&index) = all.get(&key)
        {
            campaigns[index].gone = Some(event.mono_ns);
        }
        if event.op != Op::Campaign {
            continue;
        }
        let outcome = match event.phase {
            Phase::Invoke => {
                open.insert(key, campaigns.len());
                all.insert(key, campaigns.len());
                campaigns.push(Campaign {
                    process,
                    number: event.number.unwrap_or_default(),
                    began: event.mono_ns,
                    outcome: Outcome::Open,
                    ended: processes[process].ended.map_or(end, |(at, _)| at),
                    gone: processes[process].closed,
                });
                continue;
            }
            Phase::Ok => Outcome::Won(event.token.unwrap_or_default()),
            Phase::Fail => Outcome::Failed,
            Phase::Info => Outcome::Dropped,
        };
        if let Some(index) = open.remove(&key) {
            campaigns[index].outcome = outcome;
            campaigns[index].ended = event.mono_ns;
        }
    }
    campaigns
}

pub(super) fn streams(events: &[&Event], writer: &[usize], processes: &[Process]) -> Vec<Stream> {
    let mut streams: Vec<Stream> = Vec::new();
    let mut open: HashMap<(usize, Option<u64>), usize> = HashMap::new();
    for (event, &process) in events.iter().zip(writer).filter(|(event, _)| event.op == Op::Observe) {
        let key = (process, event.number);
        if event.phase == Phase::Invoke {
            open.insert(key, streams.len());
            let ended = processes[process].lines.1;
            streams.push(Stream { process, began: event.mono_ns, items: Vec::new(), ended });
        } else if let Some(&index) = open.get(&key) {
            match &event.view {
                Some(view) => streams[index].items.push((event.mono_ns, view.clone())),
                None => streams[index].ended = event.mono_ns,
            }
        }
    }
    streams
}

pub(super) fn troubles(events: &[&Event], end: u64) -> Vec<Trouble> {
    let mut troubles: Vec<Trouble> = Vec::new();
    let mut open: HashMap<(u32, u64), usize> = HashMap::new();
    for event in events.iter().filter(|event| event.op == Op::Fault) {
        let Some(fault) = &event.fault else { continue };
        let new = troubles.len();
        let index = *open.entry((event.pid, fault.number)).or_insert(new);
        if index == new {
            troubles.push(Trouble { fault: fault.clone(), began: event.mono_ns, active: None, over: end });
        }
        let trouble = &mut troubles[index];
        // What the harness learns later, it adds to the later lines.
        trouble.fault.exercised = fault.exercised.or(trouble.fault.exercised);
        trouble.fault.token = fault.token.or(trouble.fault.token);
        trouble.fault.pid = fault.pid.or(trouble.fault.pid);
        match event.phase {
            Phase::Invoke => {}
            Phase::Info => {
                let first = trouble.active.map_or(event.mono_ns, |(first, _)| first);
                trouble.active = Some((first, event.mono_ns));
            }
            Phase::Ok | Phase::Fail => trouble.over = event.mono_ns,
        }
    }
    troubles
}

pub(super) fn snapshots(events: &[&Event]) -> Vec<Snapshot> {
    let look = |event: &&Event| {
        Some(Snapshot {
            began: event.earliest(),
            ended: event.mono_ns,
            tokens: event.records.clone().filter(|_| event.op == Op::Records)?,
        })
    };
    events.iter().filter_map(look).collect()
}
