//! Three contenders and two observers around one service, and what is done to them.

pub(crate) mod mutations;

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use testkit::checker::{self, Bounds, Exercise, Facts, Left, Report, Requirement};
use testkit::contender::Sink;
use testkit::history::{Effect, Event, Fault, Follow, History, Op, Phase, Recorder, Stamp, Who};
use testkit::process::Process;
use testkit::{WorkDir, until};

/// A bound for what takes milliseconds, on a machine whose two cores are busy.
const SOON: Duration = Duration::from_secs(30);

const CONTENDERS: usize = 3;
const OBSERVERS: usize = 2;

/// A run.
pub(crate) struct Rig {
    // The processes first: they write into the folder.
    contenders: Vec<Worker>,
    observers: Vec<Worker>,
    recorder: Recorder,
    follow: Follow,
    bounds: Bounds,
    faults: u64,
    folder: WorkDir,
}

struct Worker {
    process: Process,
    id: String,
    incarnation: u32,
    mode: &'static str,
    url: String,
}

impl Rig {
    pub(crate) fn new(url: &str, bounds: Bounds) -> Result<Self> {
        let folder = WorkDir::new("run-")?;
        let who = Who { id: "harness".into(), incarnation: 1, election: "chaos".into() };
        let recorder = Recorder::open(&folder.path().join("harness.jsonl"), who)?;
        let follow = Follow::new(folder.path());
        let start = |mode: &'static str, index: usize| {
            Worker::start(&folder, url, format!("{mode}-{index}"), mode, 1)
        };
        let contenders = (0..CONTENDERS).map(|i| start("lead", i)).collect::<Result<_>>()?;
        let observers = (0..OBSERVERS).map(|i| start("observe", i)).collect::<Result<_>>()?;
        Ok(Self { contenders, observers, recorder, follow, bounds, faults: 0, folder })
    }

    /// Kills two leaders, pauses one, takes the service away for a while with `outage`, ends all, and gathers the facts.
    /// `look` reads the records in the service, if it can.
    pub(crate) async fn run(
        mut self,
        look: impl AsyncFn() -> Result<Option<Vec<Left>>>,
        outage: impl AsyncFn() -> Result<()>,
    ) -> Result<(History, Facts)> {
        for _ in 0..2 {
            self.kill_leader().await?;
            self.look(&look).await?;
        }
        self.pause_leader().await?;
        self.look(&look).await?;
        let newest = self.follow.leader()?.and_then(|event| event.token);
        self.leader_after(newest).await?;
        let fault = Fault { kind: "outage".into(), target: "the service".into(), ..Fault::default() };
        let fault = self.numbered(fault);
        let injection = self.recorder.inject(fault)?;
        outage().await?;
        injection.is_over()?;
        let over = Stamp::now().mono_ns;
        self.leader(|event| event.mono_ns > over).await?;
        self.look(&look).await?;

        end(&self.contenders).await?;
        // What the bounds speak of must have passed for the end to be decided.
        tokio::time::sleep(self.bounds.takeover + self.bounds.observe * 4).await;
        let records = look().await?;
        end(&self.observers).await?;
        self.recorder.record(Event::new(Op::Run, Phase::Ok))?;

        let required = [("kill-leader", Exercise::TakenOver), ("pause-leader", Exercise::OutlastedDeadline)];
        let required = required.map(|(kind, exercise)| Requirement { kind: kind.into(), times: 1, exercise });
        let sink = Some(Sink::open(&self.folder.path().join("sink.sqlite"))?.rows()?);
        let facts = Facts { records, sink, required: required.into(), ..Facts::new("chaos", self.bounds) };
        facts.save(self.folder.path())?;
        Ok((History::read_dir(self.folder.path())?, Facts::load(self.folder.path())?))
    }

    async fn leader_after(&mut self, token: Option<u64>) -> Result<Event> {
        self.leader(|event| event.token > token).await
    }

    /// Waits for a leader's check of which that is true.
    async fn leader(&mut self, wanted: impl Fn(&Event) -> bool) -> Result<Event> {
        let follow = &mut self.follow;
        let mut next = || Ok(follow.leader()?.filter(|event| wanted(event)));
        until("a leader", SOON, || std::future::ready(next())).await
    }

    fn numbered(&mut self, fault: Fault) -> Fault {
        self.faults += 1;
        Fault { number: self.faults, ..fault }
    }

    fn fault(&mut self, kind: &str, leader: &Event, effect: Effect) -> Fault {
        self.numbered(Fault {
            kind: kind.into(),
            target: leader.id.clone(),
            pid: Some(leader.pid),
            effect,
            ..Fault::default()
        })
    }

    async fn kill_leader(&mut self) -> Result<()> {
        let leader = self.leader_after(None).await?;
        let fault = self.fault("kill-leader", &leader, Effect::Kills);
        let worker = self.contenders.iter_mut().find(|worker| worker.process.id() == leader.pid);
        let worker = worker.context("a leader that was not started here")?;
        let injection = self.recorder.inject(fault)?;
        worker.process.kill()?;
        injection.is_active()?;
        injection.is_over()?;
        *worker =
            Worker::start(&self.folder, &worker.url, worker.id.clone(), worker.mode, worker.incarnation + 1)?;
        self.leader_after(leader.token).await?;
        Ok(())
    }

    async fn pause_leader(&mut self) -> Result<()> {
        let leader = self.leader_after(None).await?;
        let fault = self.fault("pause-leader", &leader, Effect::Pauses);
        let worker = self.contenders.iter().find(|worker| worker.process.id() == leader.pid);
        let worker = worker.context("a leader that was not started here")?;
        let injection = self.recorder.inject(fault)?;
        worker.process.pause()?;
        injection.is_active()?;
        tokio::time::sleep(self.bounds.ttl * 3 / 2).await;
        injection.is_active()?;
        worker.process.resume()?;
        injection.is_over()
    }

    async fn look(&self, look: &impl AsyncFn() -> Result<Option<Vec<Left>>>) -> Result<()> {
        let began = Stamp::now();
        if let Some(records) = look().await? {
            let tokens = records.iter().map(|record| record.token).collect();
            self.recorder.record(Event::records(tokens, began))?;
        }
        Ok(())
    }
}

impl Worker {
    fn start(folder: &WorkDir, url: &str, id: String, mode: &'static str, incarnation: u32) -> Result<Self> {
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (history, sink) = (path(&format!("{id}.jsonl")), path("sink.sqlite"));
        let incarnation_text = incarnation.to_string();
        let mut command = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_testkit-contender")));
        command.args(["--url", url, "--election", "chaos", "--id", &id, "--mode", mode]);
        command.args(["--history", &history, "--sink", &sink, "--incarnation", &incarnation_text]);
        command.args(["--hold", "200ms..800ms", "--reopen", "500ms..2s", "--seed", "7"]);
        // The lies that are told afterwards take two leaders in succession of which the first has resigned.
        command.args(["--resign", "0.8", "--drop", "0.1"]);
        let log = File::options().create(true).append(true).open(folder.path().join(format!("{id}.log")))?;
        let process = Process::start(&command, |command| {
            command.stdin(Stdio::null()).stderr(log);
        })?;
        Ok(Self { process, id, incarnation, mode, url: url.to_owned() })
    }
}

/// Asks the processes to end, and waits until they have.
async fn end(workers: &[Worker]) -> Result<()> {
    for worker in workers {
        worker.process.interrupt()?;
    }
    for worker in workers {
        let status = until(&format!("{} to end", worker.id), SOON, || {
            std::future::ready(worker.process.exit_status())
        })
        .await?;
        anyhow::ensure!(status.success(), "{} ended with {status}", worker.id);
    }
    Ok(())
}

/// The report of a run that must be clean and must have done something.
pub(crate) fn clean(history: &History, facts: &Facts) -> Report {
    let report = checker::check(history, facts);
    println!("{report}");
    assert_eq!(report.verdict(), checker::Verdict::Passed, "{report}");
    let counts = &report.counts;
    assert!(counts.leaderships >= 4 && counts.takeovers >= 3, "{report}");
    assert!(counts.checks > counts.leaderships * 2 && counts.units > 0, "{report}");
    assert!(counts.observations >= OBSERVERS && counts.seen > OBSERVERS, "{report}");
    assert_eq!(counts.faults.get("kill-leader"), Some(&2), "{report}");
    assert!(report.margin.unwrap().nanos > 0, "{report}");
    assert!(report.deadline_margin.unwrap().nanos > 0, "{report}");
    report
}
