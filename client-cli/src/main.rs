//! The `trimaran` command: parses what was typed, runs it, turns its end into an exit code.

mod arguments;
mod broker;
mod connection;
mod consume;
mod demo;
mod dev;
mod failure;
mod log_files;
mod metadata;
mod output;
mod partition_reader;
mod produce;
mod quorum;
mod server_address;
mod topic;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;
use crate::output::Printer;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let format = arguments.output;
    let ended = match arguments.command {
        // Replaces this process, so it must not start a runtime first.
        Command::Dev(dev) if dev.launches_node() => dev.launch_node(),
        command => run(command, &arguments.server, Printer::to_stdout(format)),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report(format);
            failure.exit_code()
        }
    }
}

/// Runs on one thread: nodes that `dev` starts are tied to the life of the thread that starts them.
fn run(
    command: Command,
    server: &arguments::ServerArguments,
    printer: Printer,
) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}")))?;
    runtime.block_on(async move {
        match command {
            Command::Dev(dev) => Box::pin(dev.run(printer)).await,
            Command::Demo(demo) => Box::pin(demo.run(printer)).await,
            Command::Log(log) => log.run(printer),
            Command::Quorum => quorum::run(&server.connect()?, printer).await,
            Command::Broker(broker) => broker.run(&server.connect()?, printer).await,
            Command::Topic(topic) => topic.run(&server.connect()?, printer).await,
            Command::Produce(produce) => Box::pin(produce.run(&server.connect()?, printer)).await,
            Command::Consume(consume) => consume.run(&server.connect()?, printer).await,
            Command::Metadata(metadata) => metadata.run(&server.connect()?, printer).await,
        }
    })
}
