//! A suite: the benches of one target, run by criterion, with a closing table of ratios.

mod estimates;
mod figure;
mod lazy;
mod pace;
mod progress;
mod side;
mod table;

use std::cell::Cell;
use std::path::PathBuf;
use std::rc::{Rc, Weak};
use std::time::Duration;

use anyhow::Result;
use criterion::{BenchmarkId, Criterion, PlottingBackend, SamplingMode, Throughput};
use tokio::runtime::Runtime;

pub use estimates::Estimate;
pub use figure::{Figure, Held};
pub use lazy::LazyRig;
pub use pace::Pace;
pub use table::{Goal, Row, table};

use crate::rig::{Backend, Context, Counters, Setting};
use progress::Progress;
use side::{Cost, Side};

/// The benches of one target.
pub struct Suite {
    name: &'static str,
    criterion: Criterion,
    home: PathBuf,
    runtime: Runtime,
    driver: PathBuf,
    pace: Pace,
    context: Context,
    progress: Progress,
    /// The rig that was asked for last: the figures that follow are measured on it.
    rig: Weak<LazyRig>,
    held: Rc<Cell<Option<Held>>>,
    done: Vec<Figure>,
}

/// Runs the benches of `body` as criterion's command line says, then prints the table of what was measured.
///
/// `driver` is the path of the binary `driver`, which only cargo knows.
pub fn run(name: &'static str, driver: &str, body: impl FnOnce(&mut Suite)) {
    let home = estimates::home();
    let mut suite = Suite {
        name,
        criterion: Criterion::default()
            .plotting_backend(PlottingBackend::Plotters)
            .output_directory(&home)
            .configure_from_args(),
        home,
        runtime: Runtime::new().expect("a tokio runtime"),
        driver: PathBuf::from(driver),
        pace: Pace::of_process(),
        context: Context::now(),
        progress: Progress::start(name),
        rig: Weak::new(),
        held: Rc::default(),
        done: Vec::new(),
    };
    body(&mut suite);
    suite.criterion.final_summary();
    let rows = suite.rows();
    if suite.pace != Pace::Smoke && !rows.is_empty() {
        println!("{}", table(&rows));
    }
}

impl Suite {
    /// The numbers of servers to measure on: `BENCH_SERVERS`, else 1 and 3; in a smoke run and a quick one 1.
    ///
    /// # Panics
    /// When `BENCH_SERVERS` holds no numbers.
    #[must_use]
    pub fn servers(&self) -> Vec<usize> {
        let wanted = std::env::var("BENCH_SERVERS").ok();
        match (self.pace, wanted) {
            (Pace::Smoke, _) | (Pace::Quick, None) => vec![1],
            (Pace::Full, None) => vec![1, 3],
            (_, Some(wanted)) => {
                let counts = wanted.split(',').map(|count| count.trim().parse().ok().filter(|n| *n > 0));
                let counts: Option<Vec<usize>> = counts.collect();
                counts.unwrap_or_else(|| panic!("BENCH_SERVERS is {wanted:?}: give numbers, as in 1,3"))
            }
        }
    }

    /// All of these cases; in a smoke run the first.
    #[must_use]
    pub fn cases<'a, T>(&self, cases: &'a [T]) -> &'a [T] {
        if self.pace == Pace::Smoke { &cases[..1] } else { cases }
    }

    /// All of these cases, the dear ones too only if there is time.
    #[must_use]
    pub fn cases_or_dear<T: Copy>(&self, cases: &[T], dear: &[T]) -> Vec<T> {
        let more = if self.pace == Pace::Full { dear } else { &[] };
        self.cases(cases).iter().chain(more).copied().collect()
    }

    /// How much is measured.
    #[must_use]
    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// A rig that is started when the first bench that criterion selects needs it. What is measured until the next
    /// one is asked for is measured on it.
    #[must_use]
    pub fn rig(&mut self, setting: Setting) -> Rc<LazyRig> {
        self.keep(LazyRig::new(setting, self.driver.clone(), false))
    }

    /// The same with sessions that last longer than a busy machine may stall: see [`Rig::patient`].
    ///
    /// [`Rig::patient`]: crate::rig::Rig::patient
    #[must_use]
    pub fn patient_rig(&mut self, setting: Setting) -> Rc<LazyRig> {
        self.keep(LazyRig::new(setting, self.driver.clone(), true))
    }

    fn keep(&mut self, rig: LazyRig) -> Rc<LazyRig> {
        let rig = Rc::new(rig);
        self.rig = Rc::downgrade(&rig);
        rig
    }

    /// Where a bench puts what is held while it sets up: it belongs to the figure that is measured then.
    #[must_use]
    pub fn held(&self) -> Rc<Cell<Option<Held>>> {
        self.held.clone()
    }

    /// Measures the raw limit of a figure that ends when somebody has been told of a deletion. In memory there is none,
    /// and so no goal.
    ///
    /// # Panics
    /// As [`measure`](Self::measure).
    pub fn measure_raw_pushes(&mut self, figure: &mut Figure, rig: &LazyRig) {
        if rig.setting().backend == Backend::Memory {
            figure.goal = Goal::Free;
            return;
        }
        let raw = async || rig.get().await?.raw().await;
        self.measure(&figure.limit(), raw, async |raw, iters| raw.pushes(iters).await);
    }

    /// Measures what [`Figure::rival`] names, if it names something. It runs on none of our servers, so what they
    /// cost meanwhile is not asked for.
    ///
    /// # Panics
    /// As [`measure`](Self::measure).
    pub fn measure_rival<S>(
        &mut self,
        figure: &Figure,
        setup: impl AsyncFn() -> Result<S>,
        routine: impl AsyncFnMut(&mut S, u64) -> Result<Duration>,
    ) {
        let Some(rival) = &figure.rival else { return };
        let rig = std::mem::take(&mut self.rig);
        self.measure(&figure.of_rival(rival), setup, routine);
        self.rig = rig;
    }

    /// Measures one figure, if criterion's command line selects it.
    ///
    /// `setup` is not measured. `routine` does its work as often as it is told and returns how long that took,
    /// without what it had to prepare and to wait for in between.
    ///
    /// # Panics
    /// When either fails.
    pub fn measure<S>(
        &mut self,
        figure: &Figure,
        setup: impl AsyncFn() -> Result<S>,
        mut routine: impl AsyncFnMut(&mut S, u64) -> Result<Duration>,
    ) {
        let (runtime, name, rig) = (&self.runtime, self.name, self.rig.upgrade());
        let what = format!("{name}/{}/{}", figure.subject, figure.case);
        let counters = || async { rig.as_ref()?.counters().await };
        let (mut state, mut before, mut operations) = (None, None, 0);
        let mut group = self.criterion.benchmark_group(name);
        // Flat: every sample is as long as the others, so no sample measures the start of 64 tasks alone.
        group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_secs(1));
        let (samples, time) = match self.pace {
            Pace::Quick => (10, figure.time / 3),
            Pace::Smoke | Pace::Full => (figure.samples, figure.time),
        };
        group.sample_size(samples).measurement_time(time);
        group.throughput(Throughput::Elements(figure.elements));
        group.bench_function(BenchmarkId::new(&figure.subject, &figure.case), |bencher| {
            // Outside of `iter_custom`: criterion plans its samples by how long that takes.
            if state.is_none() {
                self.progress.begins(&what);
                state = Some(or_panic(&what, runtime.block_on(setup())));
                before = runtime.block_on(counters());
            }
            let Some(state) = &mut state else { return };
            bencher.iter_custom(|iters| {
                operations += iters * figure.elements;
                or_panic(&what, runtime.block_on(routine(state, iters)))
            });
        });
        group.finish();
        let spent = before.and_then(|before| Some(runtime.block_on(counters())? - before));
        let _context = runtime.enter();
        if state.take().is_some() {
            self.note(figure, operations, spent);
            self.done.push(figure.clone());
        }
    }

    /// Writes down what criterion does not know.
    fn note(&self, figure: &Figure, operations: u64, spent: Option<Counters>) {
        let held = self.held.take();
        if self.pace == Pace::Smoke {
            return;
        }
        let mut side = Side::new(self.name, figure, self.pace == Pace::Quick, &self.context);
        side.cost = spent.map(|spent| Cost::new(operations, spent, held));
        side.servers = self.rig.upgrade().and_then(|rig| self.runtime.block_on(rig.facts()));
        or_panic(self.name, side.write(&self.home));
    }

    fn rows(&self) -> Vec<Row> {
        let read =
            |figure: &Figure| Estimate::read(&self.home, self.name, &figure.subject, &figure.case).ok();
        let row = |figure: &Figure| {
            let measured = read(figure)?;
            let of_this_run = |subject: &str| {
                let mut done = self.done.iter();
                done.find(|other| other.subject == subject && other.case == figure.case).and_then(read)
            };
            let limit = of_this_run(&figure.limit().subject);
            let rival = figure.rival.as_deref().and_then(of_this_run);
            Some(Row { bench: self.name, figure: figure.clone(), measured, limit, rival })
        };
        self.done.iter().filter_map(row).collect()
    }
}

/// Criterion's closures return no errors.
fn or_panic<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:#}"))
}
