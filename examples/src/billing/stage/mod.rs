//! The stage: starts the processes, makes them fail, and settles the account.
//!
//! It waits for reports, never for time: every wait ends with the report it is about, or with an error when
//! nothing has moved for half a minute.

mod cast;
mod child;
mod display;
mod home;
mod plan;
mod rounds;
mod state;
mod statement;

use std::time::Duration;

use anyhow::{Context, bail};

use self::cast::Cast;
use self::display::Display;
use self::home::Home;
use self::plan::Plan;
use self::state::State;
use self::statement::Statement;
use super::cli::RunArgs;
use super::invoices::{self, Import};
use super::ledger::{Imported, Ledger};
use super::provider::store::Store;
use super::{audit, wire::Order};

/// How long nothing may move before a wait is given up: many times the slowest takeover (a ZooKeeper session
/// of four seconds and its expiry).
const PATIENCE: Duration = Duration::from_secs(30);

/// The sample, so that the binary runs from anywhere.
const SAMPLE: &[u8] = include_bytes!("../../../data/invoices.csv");

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Every invoice was charged exactly once.
    Settled,
    /// Something is wrong: the account says what.
    NotSettled,
    /// By Ctrl-C or SIGTERM; every process was ended.
    Interrupted,
}

/// Runs it all.
///
/// # Errors
/// If the run could not be completed; the data directory is kept then.
pub async fn run(args: RunArgs) -> anyhow::Result<Verdict> {
    args.check()?;
    let import = match &args.invoices {
        Some(path) => invoices::read(path)?,
        None => invoices::parse(SAMPLE)?,
    };
    let mut home = Home::open(args.data_dir.as_deref(), args.keep)?;
    let outcome = perform(&args, &import, &home).await;
    match outcome {
        Ok(Verdict::Settled | Verdict::Interrupted) => home.done(),
        Ok(Verdict::NotSettled) | Err(_) => home.keep_for_inspection(),
    }
    outcome
}

async fn perform(args: &RunArgs, import: &Import, home: &Home) -> anyhow::Result<Verdict> {
    let display = Display::new();
    let mut ledger = Ledger::open(&home.ledger())?;
    let imported = ledger.import(&import.invoices)?;
    let (settled, total) = ledger.progress()?;
    report_import(&display, import, &imported, settled);
    if total == 0 {
        bail!("there is nothing to bill: the file has no usable row");
    }

    let plan = Plan::new(args.seed.unwrap_or_else(rand::random), args.rounds, total - settled);
    display.line(format!(
        "{} workers on {}, {} rounds of faults, seed {}",
        args.workers,
        home::backend_word(args.backend),
        args.rounds,
        plan.seed
    ));
    let mut stage =
        Stage { cast: Cast::new(args, home)?, state: State::new(settled, total), display, ledger };
    let played = tokio::select! {
        played = stage.play(plan) => played.map(|()| true),
        signal = interrupted() => signal.map(|()| false),
    };
    stage.cast.end_all().await;
    stage.display.finish();
    if !played? {
        return Ok(Verdict::Interrupted);
    }

    let store = Store::open(&home.provider())?;
    let rows = stage.ledger.rows()?;
    let account = audit::settle(total, &rows, &stage.ledger.accepted()?, &store.executed()?);
    let verdict = if account.is_clean() { Verdict::Settled } else { Verdict::NotSettled };
    let statement =
        Statement { account, state: &stage.state, rejected: import.bad.len(), replays: store.replays()? };
    print!("{statement}");
    Ok(verdict)
}

fn report_import(display: &Display, import: &Import, imported: &Imported, settled: u64) {
    for row in &import.bad {
        display.line(format!("rejected: {row}"));
    }
    for id in &imported.conflicting {
        display.line(format!("{id}: the ledger holds it with other data, which stays"));
    }
    let Imported { new, known, .. } = imported;
    let rejected = import.bad.len();
    display.line(format!(
        "{new} new invoices, {known} known, {rejected} rows rejected, {settled} settled earlier"
    ));
}

/// Waits for Ctrl-C or a request to terminate.
async fn interrupted() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed.context("cannot listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}

/// Everything that is on stage.
struct Stage {
    cast: Cast,
    state: State,
    display: Display,
    ledger: Ledger,
}

impl Stage {
    async fn play(&mut self, mut plan: Plan) -> anyhow::Result<()> {
        self.state.script = plan.next_script();
        self.cast.start_provider(self.state.script.clone())?;
        self.wait("the provider to listen", |state| state.listening.then_some(())).await?;
        for worker in 0..self.cast.size() {
            self.cast.start_worker(worker)?;
        }
        self.wait("a first leader", |state| state.claims.last().map(|_| ())).await?;
        while let Some(fault) = plan.next_fault() {
            let mut script = plan.next_script();
            // Once more if the fault came too late: a round that exercised nothing does not count.
            while !self.round(fault, script).await? {
                script = plan::one_more();
            }
        }
        self.wait("the last invoice", |state| state.nothing_left().then_some(())).await?;
        self.cast.order_all(Order::Quit).await;
        let workers = self.cast.size();
        self.wait("the workers to quit", |state| state.all_gone(workers).then_some(())).await
    }

    /// Waits until the reports have led to what `found` looks for.
    async fn wait<T>(
        &mut self,
        what: &str,
        mut found: impl FnMut(&mut State) -> Option<T>,
    ) -> anyhow::Result<T> {
        let mut settled = self.state.settled;
        let mut deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(&mut self.state) {
                return Ok(found);
            }
            if let Some(error) = self.state.failed.take() {
                bail!("{error}");
            }
            if std::mem::replace(&mut settled, self.state.settled) != self.state.settled {
                deadline = tokio::time::Instant::now() + PATIENCE;
            }
            let Ok(event) = tokio::time::timeout_at(deadline, self.cast.next_event()).await else {
                bail!(
                    "nothing has moved for {PATIENCE:?} while waiting for {what}; {}",
                    self.state.summary()
                );
            };
            self.handle(event)?;
        }
    }

    fn handle(&mut self, event: child::Event) -> anyhow::Result<()> {
        if !self.cast.is_current(&event) {
            return Ok(()); // the last words of a process that was replaced
        }
        if let Some(line) = self.state.apply(&event) {
            self.display.line(line);
        }
        if matches!(event.what, child::What::Gone) {
            self.cast.replace_if_unplanned(event.who, &mut self.state)?;
        }
        // The count of a killed worker's last report may be missing: the ledger knows.
        if self.state.recount {
            self.state.recount = false;
            self.state.settled = self.ledger.progress()?.0;
        }
        self.display.progress(&self.state);
        Ok(())
    }
}
