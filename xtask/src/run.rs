//! Running other programs.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};

/// A command, printed before it runs.
#[derive(Debug)]
pub(crate) struct Run {
    command: Command,
}

impl Run {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { command: Command::new(program) }
    }

    /// The cargo that runs us.
    pub(crate) fn cargo() -> Self {
        Self::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    pub(crate) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it with our own input and output.
    ///
    /// # Errors
    ///
    /// When it cannot be started or fails.
    pub(crate) fn succeed(mut self) -> Result<()> {
        self.print();
        let status = self.command.status().with_context(|| self.cannot_start())?;
        if !status.success() {
            bail!("`{}` failed ({status})", self.line());
        }
        Ok(())
    }

    /// True when it can be started and succeeds; shows nothing.
    pub(crate) fn try_quietly(mut self) -> bool {
        self.command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    /// What it prints.
    ///
    /// # Errors
    ///
    /// When it cannot be started, fails, or prints something that is not text.
    pub(crate) fn output(mut self) -> Result<String> {
        let output = self.command.stderr(Stdio::inherit()).output().with_context(|| self.cannot_start())?;
        if !output.status.success() {
            bail!("`{}` failed ({})", self.line(), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// What it prints on its standard output and on its standard error.
    ///
    /// # Errors
    ///
    /// When it cannot be started or fails (then what it printed is in the message), or prints something that is not
    /// text.
    pub(crate) fn outputs(mut self) -> Result<(String, String)> {
        let output = self.command.stdin(Stdio::null()).output().with_context(|| self.cannot_start())?;
        let (out, err) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        if !output.status.success() {
            bail!("`{}` failed ({}):\n{out}{err}", self.line(), output.status);
        }
        Ok((out, err))
    }

    /// Gives the command away, after printing it.
    pub(crate) fn into_command(self) -> Command {
        self.print();
        self.command
    }

    fn print(&self) {
        println!("$ {}", self.line());
    }

    fn line(&self) -> String {
        // Cargo hands us its full path; the name is what a reader can copy.
        let program = Path::new(self.command.get_program()).file_name().unwrap_or_default();
        let words = [program].into_iter().chain(self.command.get_args());
        words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
    }

    fn cannot_start(&self) -> String {
        format!("cannot start `{}`", self.line())
    }
}

/// The full path of a program, looked up as a shell does, and in the folders of the super-user's tools.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}
