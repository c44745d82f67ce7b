//! [`Namespace`]: a network namespace without a name, and a mount namespace beside it.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{need, process::Process};

/// What the child does that holds a namespace open. It says when it is there, so that nobody enters ours instead.
const HOLD: &str = r#""$0" link set lo up && echo held && exec sleep infinity"#;

/// Lives as long as the child that holds it, or another process inside.
#[derive(Debug)]
pub(super) struct Namespace {
    holder: Process,
}

impl Namespace {
    pub(super) fn new() -> Result<Self> {
        let mut command = Command::new("unshare");
        // The mounts too, so that a host can have a disk of its own. `unshare` makes them private: nothing gets out.
        command.args(["--net", "--mount", "--", "sh", "-c", HOLD]).arg(tool("ip")?);
        let holder = Process::start(&command, |command| {
            command.stdin(Stdio::null()).stdout(Stdio::piped());
        })?;
        let output = holder.take(|child| child.stdout.take()).context("a pipe that was asked for")?;
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        ensure!(line.trim() == "held", "no network namespace: what `unshare --net --mount` says is above");
        Ok(Self { holder })
    }

    /// The process id to which `ip link … netns` moves an interface.
    pub(super) fn id(&self) -> u32 {
        self.holder.id()
    }

    /// The same command, inside.
    pub(super) fn command(&self, command: &Command) -> Command {
        let mut wrapped = Command::new("nsenter");
        for kind in ["net", "mnt"] {
            let option = if kind == "net" { "net" } else { "mount" };
            wrapped.arg(format!("--{option}=/proc/{}/ns/{kind}", self.id()));
        }
        wrapped.arg("--").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => wrapped.env(name, value),
                None => wrapped.env_remove(name),
            };
        }
        wrapped
    }

    /// Runs one of the machine's tools inside, with `input` on its standard input; returns what it prints.
    pub(super) fn run(&self, program: &str, args: &[&str], input: &str) -> Result<String> {
        let mut command = Command::new(tool(program)?);
        command.args(args);
        run(self.command(&command), input)
    }
}

/// Runs one of the machine's tools in our own namespace.
pub(super) fn run_outside(program: &str, args: &[&str]) -> Result<String> {
    let mut command = Command::new(tool(program)?);
    command.args(args);
    run(command, "")
}

fn run(mut command: Command, input: &str) -> Result<String> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let line = || format!("{command:?}");
    let described = line();
    let mut child = command.spawn().with_context(|| format!("cannot start {described}"))?;
    child.stdin.take().context("a pipe that was asked for")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!("{described} failed ({}): {}\nits input:\n{input}", output.status, errors.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The full path: a user's `PATH` often lacks the super-user's folders.
fn tool(program: &str) -> Result<PathBuf> {
    need::on_path(program).with_context(|| format!("there is no {program}: cargo xtask setup installs it"))
}

/// True when the kernel lets us make one.
pub(crate) fn are_allowed() -> bool {
    let probe = Command::new("unshare")
        .args(["--net", "--mount", "--", "true"])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .status();
    Path::new("/proc/self/ns/net").exists() && probe.is_ok_and(|status| status.success())
}
