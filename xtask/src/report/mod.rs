//! `cargo xtask report`: what the benches measured, as one page for people who have to choose.

mod answers;
mod chart;
mod docs;
mod figure;
mod load;
mod markdown;
mod page;
mod question;
mod run;
mod subject;
#[cfg(test)]
mod tests;
mod unit;

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result};

use crate::cli::ReportArguments;
use load::Measured;

pub(crate) use docs::check;

/// Reads criterion's folder and writes the page and its twin.
///
/// # Errors
///
/// When nothing was measured, a file is damaged, or the report cannot be written.
pub(crate) fn all(arguments: &ReportArguments) -> Result<()> {
    let target = PathBuf::from(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()));
    let criterion = arguments.criterion.clone().unwrap_or_else(|| target.join("criterion"));
    let measured = Measured::read(&criterion)?;
    let folder = arguments.output.clone().unwrap_or_else(|| target.join("report"));
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for (name, text) in [("index.html", page::render(&measured)), ("report.md", markdown::render(&measured))]
    {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        println!("{} figures in {}", measured.figures.len(), path.display());
    }
    if arguments.update_docs {
        docs::update(&markdown::short(&measured))?;
    }
    Ok(())
}
