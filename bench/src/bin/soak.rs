//! `soak --backend B --minutes N`: see [`bench::soak`]. `cargo xtask soak` builds and runs it.

use std::process::ExitCode;

use bench::soak::{Args, run};
use clap::Parser;
use peak_alloc::PeakAlloc;

#[global_allocator]
static HEAP: PeakAlloc = bench::memory::HEAP;

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    // Beside this program: cargo has built both.
    let driver = std::env::current_exe().map(|program| program.with_file_name("driver")).unwrap_or_default();
    match run(&args, &driver).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("verdict: {error:#}");
            ExitCode::FAILURE
        }
    }
}
