//! What `make bench` runs: six real processes on this machine, and the figures of one run.
//!
//! `--help` tells what can be asked for. Absolute times differ between machines and moments: ratios to
//! the baseline of the same run are what to compare.

mod baseline;
mod connection;
mod controller_failover;
mod failover;
mod idle;
mod machine;
mod many;
mod options;
mod probe;
mod produce;
mod report;
mod resources;
mod row;
mod start;
mod statistics;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser as _;
use trimaran_tests::cluster::block_on;

use options::{Options, Part};
use report::Report;

fn main() -> ExitCode {
    let options = Options::parse();
    match block_on(run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let mut report = Report::new(machine::describe());
    if options.wants(Part::Start) {
        start::measure(options, &mut report).await?;
    }
    if options.wants(Part::Idle) {
        idle::measure(options, &mut report).await?;
    }
    if options.wants(Part::Failover) {
        failover::measure(options, &mut report).await?;
    }
    if options.wants(Part::ControllerFailover) {
        controller_failover::measure(options, &mut report).await?;
    }
    if options.wants(Part::Produce) {
        produce::measure(options, &mut report).await?;
    }
    if options.wants(Part::Many) {
        many::measure(options, &mut report).await?;
    }
    report.write(&options.json)?;
    println!("figures for programs: {}", options.json.display());
    Ok(())
}
