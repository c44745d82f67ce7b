//! Apache Curator's `LeaderLatch`, in a small Java program that is compiled when it is first needed.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{sync::OnceCell, task::spawn_blocking};

use super::talk::Talk;
use crate::{need, work_dir::WorkDir};

/// The source of the program.
const SOURCE: &str = include_str!("../../java/LatchParticipant.java");

const CLASS: &str = "LatchParticipant";

/// Debian's jars name what they need in their manifests; only the choice of a logger is ours.
const JARS: [&str; 5] =
    ["curator-recipes", "curator-framework", "curator-client", "zookeeper", "slf4j-simple"];

/// How long a JVM may take to start and to connect, on a machine whose two cores are busy.
const START_WITHIN: Duration = Duration::from_secs(60);

/// A candidate of Curator's `LeaderLatch`. Dropping it kills it: its znode stays until the session expires.
#[derive(Debug)]
pub struct Latch(Talk);

impl Latch {
    /// Joins the latch at `path` (our elections are at `<root>/<election>`) as `id`, which is also the data of its
    /// znode: the value that our observers see.
    ///
    /// # Errors
    ///
    /// When the program cannot be compiled or does not reach ZooKeeper.
    pub async fn join(connect: &str, path: &str, id: &str, session: Duration) -> Result<Self> {
        let classes = classes().await?;
        let mut command = Command::new("java");
        command.args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]);
        command.arg(format!("{}:{}", classes.display(), class_path()?));
        command.args([CLASS, connect, path, id, &session.as_millis().to_string()]);
        let mut talk = Talk::start(&command)?;
        talk.hear_word("joined", START_WITHIN).await?;
        Ok(Self(talk))
    }

    /// Waits until it believes to lead.
    ///
    /// # Errors
    ///
    /// When that takes longer than `bound`, or it has ended.
    pub async fn leads(&mut self, bound: Duration) -> Result<()> {
        self.0.hear_word("leader", bound).await.map(drop)
    }

    /// True when it has said by now that it leads.
    #[must_use]
    pub fn leads_now(&mut self) -> bool {
        std::iter::from_fn(|| self.0.heard_now()).any(|line| line == "leader")
    }

    /// The id of the leader that it sees; `None` when it sees nobody.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn sees(&mut self) -> Result<Option<String>> {
        self.0.say("who")?;
        let id = self.0.hear_word("sees", START_WITHIN).await?;
        Ok((!id.is_empty()).then_some(id))
    }

    /// Leaves the queue, or the lead. It goes on as an observer.
    ///
    /// # Errors
    ///
    /// When it does not answer.
    pub async fn resign(&mut self) -> Result<()> {
        self.0.say("resign")?;
        self.0.hear_word("resigned", START_WITHIN).await.map(drop)
    }
}

/// The folder of the compiled program: one compilation for all tests of a process.
async fn classes() -> Result<&'static Path> {
    // A static is not dropped: the folder is removed with that of the process, by the next one.
    static CLASSES: OnceCell<WorkDir> = OnceCell::const_new();
    let classes = CLASSES.get_or_try_init(|| async { spawn_blocking(compile).await? });
    classes.await.map(WorkDir::path)
}

fn compile() -> Result<WorkDir> {
    let folder = WorkDir::new("java-")?;
    let source = folder.path().join(format!("{CLASS}.java"));
    std::fs::write(&source, SOURCE)?;
    let mut javac = Command::new("javac");
    javac.args(["-Xlint:all,-path", "-proc:none", "-cp", &class_path()?, "-d"]);
    javac.arg(folder.path()).arg(&source);
    let output = javac.output().context("cannot start javac")?;
    ensure!(output.status.success(), "javac failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(folder)
}

fn class_path() -> Result<String> {
    let jar = |name| need::jar(name).with_context(|| format!("{name}.jar is missing"));
    let jars = JARS.into_iter().map(jar).collect::<Result<Vec<PathBuf>>>()?;
    Ok(jars.iter().map(|jar| jar.display().to_string()).collect::<Vec<_>>().join(":"))
}
