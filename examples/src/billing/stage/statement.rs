//! The account as a table.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::plan::LeaderFault;
use super::state::State;
use crate::billing::audit::Account;
use crate::billing::money::Money;

/// What is printed at the end.
pub(super) struct Statement<'a> {
    pub(super) account: Account,
    pub(super) state: &'a State,
    pub(super) rejected: usize,
    pub(super) replays: i64,
}

/// More findings than this are counted, not listed.
const MOST_FINDINGS: usize = 20;

impl fmt::Display for Statement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, state, rejected, replays } = self;
        writeln!(f)?;
        row(
            f,
            "invoices",
            account.invoices,
            &format!("in the ledger; {rejected} rows of the file rejected"),
        )?;
        row(f, "charges", account.charges, "executed at the provider, counted per invoice and not by key")?;
        row(f, "double charges", account.double, "")?;
        row(f, "missed", account.missed, "")?;
        for (currency, (asked, charged)) in &account.totals {
            let amount = |minor: &i128| {
                i64::try_from(*minor).map_or_else(
                    |_| minor.to_string(),
                    |minor| Money { minor, currency: *currency }.to_string(),
                )
            };
            writeln!(f, "  {:<20}{:>18} invoiced, {} charged", "", amount(asked), amount(charged))?;
        }
        self.takeovers(f)?;
        let fenced = state.fenced.len() as u64;
        row(f, "fenced", fenced, "writes of past leaders that the fence refused")?;
        row(f, "unknown outcomes", state.unknown, "requests without an answer, repeated with the same key")?;
        row(f, "replays", replays, "repeated requests that the provider answered without charging again")?;
        let failures = state.slow + state.lost_answers + u64::from(state.provider_deaths);
        let kinds = format!(
            "of the provider: {} slow, {} answers lost, {} deaths",
            state.slow, state.lost_answers, state.provider_deaths
        );
        row(f, "failures", failures, &kinds)?;
        let unplanned = state.replaced.saturating_sub(state.provider_deaths);
        if unplanned > 0 {
            row(f, "unplanned exits", unplanned, "of processes that nobody had killed: see the logs")?;
        }
        writeln!(f)?;
        self.verdict(f)
    }
}

impl Statement<'_> {
    fn takeovers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let takeovers = &self.state.takeovers;
        let of = |kind: Option<LeaderFault>| {
            takeovers
                .iter()
                .filter(move |(fault, _)| kind.is_none_or(|kind| kind == *fault))
                .map(|(_, took)| *took)
        };
        let count = |kind| of(kind).count();
        let measured = "from the fault to the successor's first valid claim";
        row(f, "takeovers", count(None), &format!("{}{measured}", spread(of(None))))?;
        for (word, kind) in
            [("killed", LeaderFault::Kill), ("paused", LeaderFault::Pause), ("resigned", LeaderFault::Resign)]
        {
            if count(Some(kind)) > 0 {
                row(f, &format!("  {word}"), count(Some(kind)), &spread(of(Some(kind))))?;
            }
        }
        Ok(())
    }

    fn verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let findings = &self.account.findings;
        if self.account.is_clean() {
            return writeln!(f, "The account is settled: every invoice was charged exactly once.");
        }
        writeln!(f, "THE ACCOUNT IS NOT SETTLED, {} findings:", findings.len())?;
        for finding in findings.iter().take(MOST_FINDINGS) {
            writeln!(f, "  {finding}")?;
        }
        match findings.len().checked_sub(MOST_FINDINGS) {
            Some(more) if more > 0 => writeln!(f, "  … and {more} more"),
            _ => Ok(()),
        }
    }
}

fn row(f: &mut fmt::Formatter<'_>, word: &str, value: impl fmt::Display, note: &str) -> fmt::Result {
    writeln!(f, "  {}", format!("{word:<20}{value:>8}  {note}").trim_end())
}

/// The median and the maximum; nothing of nothing.
fn spread(times: impl Iterator<Item = Duration>) -> String {
    // Three digits, up to what fits: never refuses a value.
    let Ok(mut histogram) = Histogram::<u64>::new(3) else { return String::new() };
    for time in times {
        histogram.record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX)).ok();
    }
    if histogram.is_empty() {
        return String::new();
    }
    let millis = |micros: u64| format!("{:.1} ms", micros as f64 / 1000.0);
    let (p50, max) = (millis(histogram.value_at_quantile(0.5)), millis(histogram.max()));
    format!("p50 {p50}, max {max}  ")
}
