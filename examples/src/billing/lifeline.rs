//! No process of the stage outlives it, however it ends.

use std::io::BufRead;

use anyhow::Context;

/// Ties this process to the one that started it, and hands over the lines that it sends.
///
/// Twice over: the kernel kills us when the parent is gone (which also reaches a process that is stopped),
/// and the end of standard input ends us where the kernel does not do so, or where the parent had died before
/// it was asked to.
///
/// # Errors
/// If the thread that reads cannot be started.
pub fn tie_to_parent(mut command: impl FnMut(&str) + Send + 'static) -> anyhow::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))
        .context("cannot ask the kernel for the parent's death signal")?;
    std::thread::Builder::new()
        .name("lifeline".into())
        .spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { break };
                command(&line);
            }
            std::process::exit(0);
        })
        .context("cannot start the thread that watches the parent")?;
    Ok(())
}
