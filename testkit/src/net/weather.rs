//! [`Weather`]: packets that are lost or refused on their way, until it is lifted.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use anyhow::{Context, Result, ensure};

use super::host::Host;

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    /// It vanishes.
    Lost,
    /// It vanishes with this probability, in percent.
    Lossy(u8),
    /// Its sender is told that nobody listens: an open connection is reset, a new one is refused.
    Refused,
    /// Its sender is told by ICMP that a firewall forbids it: a new connection fails, over IPv6 as if its process lacked
    /// the right; an open one is not ended and goes on trying.
    Forbidden,
}

/// What a host does to the packets that another sends it. The way back is another rule.
#[derive(Clone, Debug)]
pub struct Rule {
    from: Arc<Host>,
    to: Arc<Host>,
    fate: Fate,
}

impl Rule {
    /// For packets from `from` to `to`.
    #[must_use]
    pub fn new(from: &Arc<Host>, to: &Arc<Host>, fate: Fate) -> Self {
        Self { from: from.clone(), to: to.clone(), fate }
    }

    /// Both ways.
    #[must_use]
    pub fn between(one: &Arc<Host>, other: &Arc<Host>, fate: Fate) -> [Self; 2] {
        [Self::new(one, other, fate), Self::new(other, one, fate)]
    }

    /// Both ways between `one` and each of `others`, but for itself.
    #[must_use]
    pub fn around(one: &Arc<Host>, others: &[Arc<Host>], fate: Fate) -> Vec<Self> {
        let others = others.iter().filter(|other| !Arc::ptr_eq(one, other));
        others.flat_map(|other| Self::between(one, other, fate)).collect()
    }

    fn line(&self, chain: &str) -> String {
        let from = self.from.address();
        match self.fate {
            Fate::Lost => format!("-A {chain} -s {from} -j DROP\n"),
            Fate::Lossy(percent) => format!(
                "-A {chain} -s {from} -m statistic --mode random --probability {:.2} -j DROP\n",
                f64::from(percent) / 100.0
            ),
            Fate::Refused => format!("-A {chain} -s {from} -p tcp -j REJECT --reject-with tcp-reset\n"),
            Fate::Forbidden => {
                let message = if from.is_ipv6() { "icmp6-adm-prohibited" } else { "icmp-admin-prohibited" };
                format!("-A {chain} -s {from} -p tcp -j REJECT --reject-with {message}\n")
            }
        }
    }
}

/// Rules that hold until they are lifted; so does every other weather at the same time.
#[derive(Debug)]
#[must_use = "it has no end until it is lifted"]
pub struct Weather {
    /// A chain of that name on each host concerned, so that it can be lifted without touching others.
    chain: String,
    hosts: Vec<Arc<Host>>,
}

impl Weather {
    /// Makes the rules hold. On each host they begin at one moment, on different hosts some milliseconds apart.
    ///
    /// # Errors
    ///
    /// When a percentage is above 100, or the kernel lacks what a rule needs.
    pub fn impose(rules: impl IntoIterator<Item = Rule>) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let chain = format!("weather{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let mut by_host = BTreeMap::new();
        for rule in rules {
            if let Fate::Lossy(percent) = rule.fate {
                ensure!(percent <= 100, "a loss of {percent} %: give at most 100");
            }
            let (_, lines) =
                by_host.entry(rule.to.address()).or_insert_with(|| (rule.to.clone(), String::new()));
            lines.push_str(&rule.line(&chain));
        }
        let weather = Self { chain, hosts: by_host.values().map(|(host, _)| host.clone()).collect() };
        let chain = &weather.chain;
        let begin = |lines: &str| format!("*filter\n-N {chain}\n{lines}-I INPUT -j {chain}\nCOMMIT\n");
        at_once(by_host.values().map(|(host, lines)| (host, begin(lines))))?;
        Ok(weather)
    }

    /// How many packets it has hit so far.
    ///
    /// # Errors
    ///
    /// When a host does not tell.
    pub fn hits(&self) -> Result<u64> {
        let mut hits = 0;
        for host in &self.hosts {
            // Lines such as `[12:720] -A weather3 -s 198.18.0.10/32 -j DROP`.
            let rules = host.run(&tool(host, "save"), &["-c", "-t", "filter"])?;
            let ours = format!("-A {} ", self.chain);
            for line in rules.lines().filter(|line| line.contains(&ours)) {
                let count = line.strip_prefix('[').and_then(|line| line.split(':').next());
                hits +=
                    count.and_then(|count| count.parse::<u64>().ok()).context("a rule without a count")?;
            }
        }
        Ok(hits)
    }

    /// Ends it, and says how many packets it has hit.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn lift(self) -> Result<u64> {
        let hits = self.hits()?;
        let chain = &self.chain;
        let mut end = String::new();
        write!(end, "*filter\n-D INPUT -j {chain}\n-F {chain}\n-X {chain}\nCOMMIT\n")?;
        at_once(self.hosts.iter().map(|host| (host, end.clone())))?;
        Ok(hits)
    }
}

/// The tool for its kind of addresses.
fn tool(host: &Host, what: &str) -> String {
    let prefix = if host.address().is_ipv6() { "ip6tables" } else { "iptables" };
    format!("{prefix}-{what}")
}

/// On all hosts side by side: each takes some milliseconds, and a partition should begin in one moment.
fn at_once<'a>(tables: impl Iterator<Item = (&'a Arc<Host>, String)>) -> Result<()> {
    thread::scope(|scope| {
        let restore = |(host, table): (&'a Arc<Host>, String)| {
            scope
                .spawn(move || host.namespace().run(&tool(host, "restore"), &["--noflush", "--wait"], &table))
        };
        let threads: Vec<_> = tables.map(restore).collect();
        threads.into_iter().try_for_each(|thread| match thread.join() {
            Ok(result) => result.map(drop),
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}
