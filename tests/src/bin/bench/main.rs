//! What `make bench` runs: six real processes on this machine, and the figures of one run.
//!
//! `--quick` makes few and short rounds; `--only NAME` runs one part (start, idle, failover,
//! controller-failover, produce, many); `--row RECORDS/ACKS/CONNECTIONS` runs one row of produce (`1/all/64`),
//! and `--broker KEY=VALUE` sets something for its brokers; `--json FILE` says where the figures go
//! for programs. Absolute times differ between machines and moments: ratios to the baseline of the
//! same run are what to compare.

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
mod start;
mod statistics;

use std::process::ExitCode;

use anyhow::Result;
use trimaran_tests::cluster::block_on;

use options::Options;
use report::Report;

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("bench: {error:#}");
            return ExitCode::from(2);
        }
    };
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
    if options.wants("start") {
        start::measure(options, &mut report).await?;
    }
    if options.wants("idle") {
        idle::measure(options, &mut report).await?;
    }
    if options.wants("failover") {
        failover::measure(options, &mut report).await?;
    }
    if options.wants("controller-failover") {
        controller_failover::measure(options, &mut report).await?;
    }
    if options.wants("produce") {
        produce::measure(options, &mut report).await?;
    }
    if options.wants("many") {
        many::measure(options, &mut report).await?;
    }
    report.write(&options.json)?;
    println!("figures for programs: {}", options.json.display());
    Ok(())
}
