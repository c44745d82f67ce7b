//! The chaos runner: see [`testkit::chaos`].
#![forbid(unsafe_code)]

use std::{fs, process::ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use testkit::{
    chaos::{Args, Chaos, Length, Outcome, Progress},
    checker::Verdict,
    ground::{Programs, Settings},
    nemesis::{KINDS, Kind},
};

/// The command line makes no sense; clap says so with the same code.
const MISUSED: u8 = 2;

/// The run could not be carried out.
const FAILED: u8 = 4;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        for kind in KINDS.iter().filter(|kind| kind.applies_to(args.backend)) {
            println!("{:<18}  {}", kind.name, kind.about);
        }
        return ExitCode::SUCCESS;
    }
    let asked = args.kinds().and_then(|kinds| Ok((kinds, args.length()?)));
    let (kinds, length) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(MISUSED);
        }
    };
    let progress = Progress::new();
    let outcome = run(&args, kinds, length, &progress).await;
    progress.finish();
    match outcome.and_then(|outcome| conclude(&args, &outcome)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}\nthe files are in {}", args.folder().display());
            eprintln!("again: {}", args.command());
            ExitCode::from(FAILED)
        }
    }
}

async fn run(args: &Args, kinds: Vec<&'static Kind>, length: Length, progress: &Progress) -> Result<Outcome> {
    ensure!(args.backend.is_possible(), "this machine lacks what the message above says");
    let folder = args.folder();
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    ensure!(fs::read_dir(&folder)?.next().is_none(), "{} is not empty: give a new one", folder.display());
    // The workers run elsewhere.
    let folder = folder.canonicalize()?;
    progress.say(format!("{} with seed {}, {} kinds of faults", args.backend, args.seed, kinds.len()));
    progress.now("starting three servers and six workers");
    let settings = Settings::new(args.backend, Programs::beside_us()?, &folder, args.seed);
    let settings = if args.members { settings.with_members() } else { settings };
    let mut chaos = Chaos::start(settings, kinds).await?;
    chaos.rage(args.seed, length, progress).await?;
    chaos.finish(progress).await
}

fn conclude(args: &Args, outcome: &Outcome) -> Result<ExitCode> {
    println!("\n{outcome}");
    let folder = args.folder();
    if outcome.verdict() == Verdict::Passed {
        if args.keep.is_none() {
            fs::remove_dir_all(&folder)?;
        }
    } else {
        for picture in outcome.draw(&folder)? {
            println!("picture: {}", picture.display());
        }
        println!("files:   {}", folder.display());
    }
    println!("again:   {}", args.command());
    Ok(outcome.exit_code())
}
