//! A suite: the benches of one target, run by criterion, with a closing table of ratios.

mod estimates;
mod table;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use criterion::{BenchmarkId, Criterion, PlottingBackend, SamplingMode, Throughput};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

pub use estimates::Estimate;
pub use table::{Goal, Row, table};

use crate::rig::{Rig, Setting};

/// One figure of a suite.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Whose figure it is, e.g. `etcd-3`.
    pub subject: String,
    /// Under which circumstances, e.g. the number of candidates.
    pub case: String,
    /// What the figure should be, compared with the raw limit.
    pub goal: Goal,
    /// How many elections, or candidates, one iteration serves.
    pub elements: u64,
    /// How many samples are taken, at least 10.
    pub samples: usize,
    /// About how long taking them may last.
    pub time: Duration,
}

impl Figure {
    /// A figure with criterion's least number of samples.
    #[must_use]
    pub fn new(subject: impl ToString, case: impl ToString, goal: Goal) -> Self {
        let (subject, case) = (subject.to_string(), case.to_string());
        Self { subject, case, goal, elements: 1, samples: 10, time: Duration::from_secs(5) }
    }

    /// The same, of the raw limit.
    #[must_use]
    pub fn limit(&self) -> Self {
        Self { subject: format!("{}-raw", self.subject), goal: Goal::Limit, ..self.clone() }
    }
}

/// The benches of one target.
pub struct Suite {
    name: &'static str,
    criterion: Criterion,
    home: PathBuf,
    runtime: Runtime,
    driver: PathBuf,
    smoke: bool,
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
        smoke: is_smoke(std::env::args()),
        done: Vec::new(),
    };
    body(&mut suite);
    suite.criterion.final_summary();
    let rows = suite.rows();
    if !suite.smoke && !rows.is_empty() {
        println!("{}", table(&rows));
    }
}

/// Whether criterion will run each bench only once. As criterion itself decides: only `cargo bench` says
/// `--bench`.
fn is_smoke(args: impl Iterator<Item = String>) -> bool {
    let args: Vec<String> = args.collect();
    let has = |flag: &str| args.iter().any(|arg| arg == flag);
    !has("--bench") || has("--test")
}

impl Suite {
    /// The numbers of servers to measure on: `BENCH_SERVERS`, else 1 and 3; in a smoke run 1.
    ///
    /// # Panics
    /// When `BENCH_SERVERS` holds no numbers.
    #[must_use]
    pub fn servers(&self) -> Vec<usize> {
        let wanted = std::env::var("BENCH_SERVERS").unwrap_or_else(|_| "1,3".into());
        let counts = wanted.split(',').map(|count| count.trim().parse().ok().filter(|count| *count > 0));
        let counts: Option<Vec<usize>> = counts.collect();
        let counts = counts.unwrap_or_else(|| panic!("BENCH_SERVERS is {wanted:?}: give numbers, as in 1,3"));
        if self.smoke { vec![1] } else { counts }
    }

    /// All of these cases; in a smoke run the first.
    #[must_use]
    pub fn cases<'a, T>(&self, cases: &'a [T]) -> &'a [T] {
        if self.smoke { &cases[..1] } else { cases }
    }

    /// A rig that is started when the first bench that criterion selects needs it.
    #[must_use]
    pub fn rig(&self, setting: Setting) -> LazyRig {
        LazyRig { setting, driver: self.driver.clone(), rig: OnceCell::new() }
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
        let (runtime, name) = (&self.runtime, self.name);
        let what = format!("{name}/{}/{}", figure.subject, figure.case);
        let mut state = None;
        let mut group = self.criterion.benchmark_group(name);
        // Flat: every sample is as long as the others, so no sample measures the start of 64 tasks alone.
        group.sampling_mode(SamplingMode::Flat).warm_up_time(Duration::from_secs(1));
        group.sample_size(figure.samples).measurement_time(figure.time);
        group.throughput(Throughput::Elements(figure.elements));
        group.bench_function(BenchmarkId::new(&figure.subject, &figure.case), |bencher| {
            // Outside of `iter_custom`: criterion plans its samples by how long that takes.
            if state.is_none() {
                state = Some(or_panic(&what, runtime.block_on(setup())));
            }
            let Some(state) = &mut state else { return };
            bencher.iter_custom(|iters| or_panic(&what, runtime.block_on(routine(state, iters))));
        });
        group.finish();
        let _context = runtime.enter();
        if state.take().is_some() {
            self.done.push(figure.clone());
        }
    }

    fn rows(&self) -> Vec<Row> {
        let read =
            |figure: &Figure| Estimate::read(&self.home, self.name, &figure.subject, &figure.case).ok();
        let row = |figure: &Figure| {
            let measured = read(figure)?;
            let limit = figure.limit();
            let of_this_run = |other: &&Figure| other.subject == limit.subject && other.case == limit.case;
            let limit = self.done.iter().find(of_this_run).and_then(read);
            Some(Row { bench: self.name, figure: figure.clone(), measured, limit })
        };
        self.done.iter().filter_map(row).collect()
    }
}

/// Criterion's closures return no errors.
fn or_panic<T>(what: &str, result: Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error:#}"))
}

/// See [`Suite::rig`].
pub struct LazyRig {
    setting: Setting,
    driver: PathBuf,
    rig: OnceCell<Rig>,
}

impl LazyRig {
    /// The running servers.
    ///
    /// # Errors
    /// When they cannot be started.
    pub async fn get(&self) -> Result<&Rig> {
        self.rig.get_or_try_init(|| Rig::start(self.setting, &self.driver)).await
    }

    /// What it will be a rig of.
    #[must_use]
    pub fn setting(&self) -> Setting {
        self.setting
    }

    /// The `driver` program.
    #[must_use]
    pub fn driver(&self) -> &Path {
        &self.driver
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_cargo_bench_measures() {
        let smoke = |line: &str| is_smoke(line.split(' ').map(str::to_owned));
        assert!(smoke("cycle"));
        assert!(smoke("cycle --test"));
        assert!(smoke("cycle --bench --test"));
        assert!(!smoke("cycle --bench etcd"));
    }
}
