//! What the servers have done so far: the difference of two readings is what a figure cost them.

use std::fs;
use std::ops::Sub;

use anyhow::{Context, Result};
use testkit::{etcd::Etcd, zk::Zk};

/// Totals since the servers started. What a backend does not count is `None`, not zero.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Counters {
    /// Messages of clients that reached a server: unary requests, and those on streams (watches, keep-alives, pings). Of
    /// an embedded group: entries of its log.
    pub requests: Option<f64>,
    /// Flushes of a write-ahead log to its disk, over all servers.
    pub fsyncs: Option<f64>,
    /// Processor seconds of all server processes. An embedded group's are those of its members.
    pub server_cpu: Option<f64>,
    /// Processor seconds of this process: the candidates.
    pub own_cpu: Option<f64>,
}

impl Sub for Counters {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        let less = |now: Option<f64>, then: Option<f64>| Some(now? - then?);
        Self {
            requests: less(self.requests, earlier.requests),
            fsyncs: less(self.fsyncs, earlier.fsyncs),
            server_cpu: less(self.server_cpu, earlier.server_cpu),
            own_cpu: less(self.own_cpu, earlier.own_cpu),
        }
    }
}

impl Counters {
    /// Of processes that count nothing else.
    pub(super) fn of_processes(servers: impl IntoIterator<Item = u32>) -> Self {
        let own = std::process::id();
        let mut servers = servers.into_iter().peekable();
        let server_cpu = servers.peek().is_some().then(|| servers.filter_map(cpu_seconds).sum());
        Self { requests: None, fsyncs: None, server_cpu, own_cpu: cpu_seconds(own) }
    }

    /// Through `/metrics` of every server.
    pub(super) async fn of_etcd(etcd: &Etcd) -> Result<Self> {
        let (mut requests, mut fsyncs) = (0.0, 0.0);
        for i in 0..etcd.nodes() {
            requests += etcd.metric(i, "grpc_server_msg_received_total").await?;
            fsyncs += etcd.metric(i, "etcd_disk_wal_fsync_duration_seconds_count").await?;
        }
        let pids = (0..etcd.nodes()).filter_map(|i| etcd.node(i).id());
        Ok(Self { requests: Some(requests), fsyncs: Some(fsyncs), ..Self::of_processes(pids) })
    }

    /// Through `mntr` of every server (itself one packet, each time).
    pub(super) async fn of_zk(zk: &Zk) -> Result<Self> {
        let (mut requests, mut fsyncs) = (0.0, 0.0);
        for i in 0..zk.nodes() {
            let answer = zk.four_letter_word(i, "mntr").await?;
            let count = |name: &str| {
                let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('\t'));
                let value = line.and_then(|value| value.trim().parse::<f64>().ok());
                value.with_context(|| format!("mntr has no {name}"))
            };
            requests += count("zk_packets_received")?;
            fsyncs += count("zk_cnt_fsynctime")?;
        }
        let pids = (0..zk.nodes()).filter_map(|i| zk.node(i).id());
        Ok(Self { requests: Some(requests), fsyncs: Some(fsyncs), ..Self::of_processes(pids) })
    }
}

/// Processor seconds, in user and kernel, of a process and all its threads.
fn cpu_seconds(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything; after it come the fields from the third on.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    // USER_HZ, which the kernel has shown to user space as 100 on every architecture for decades.
    Some(ticks / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_uses_the_processor() {
        let before = Counters::of_processes([]);
        let mut sum = 0_u64;
        while (Counters::of_processes([]) - before).own_cpu.is_some_and(|used| used < 0.02) {
            sum = std::hint::black_box((0..100_000_u64).fold(sum, u64::wrapping_add));
        }
        assert_eq!(before.server_cpu, None);
        assert_eq!((before - Counters::default()).own_cpu, None);
        assert!(Counters::of_processes([std::process::id()]).server_cpu.is_some());
    }
}
