//! `trimaran-broker`: one data broker of a cluster.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use trimaran_broker::config::BrokerConfig;
use trimaran_broker::{lifecycle, logging};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A data broker: keeps replicas of partitions and serves records over HTTP.
#[derive(Debug, Parser)]
#[command(name = "trimaran-broker", version, after_help = EXAMPLE)]
struct Arguments {
    /// The configuration: TOML, under Kafka's names.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Sets a key over the file's value; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    settings: Vec<(String, String)>,
    /// Checks the configuration and ends.
    #[arg(long)]
    check_config: bool,
}

const EXAMPLE: &str = "\
The smallest configuration:
  node.id = 1
  log.dirs = '/var/lib/trimaran/broker-1'
  controller.quorum.bootstrap.servers = ['127.0.0.1:9093']

SIGTERM or SIGINT moves leaderships away, closes the logs and ends the process.";

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

fn main() -> ExitCode {
    match start(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Logging may not have begun, or may go elsewhere: the reason stands here in any case.
            eprintln!("trimaran-broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> anyhow::Result<()> {
    let config = BrokerConfig::load(&arguments.config, &arguments.settings)
        .with_context(|| format!("cannot use {}", arguments.config.display()))?;
    if arguments.check_config {
        println!("{} is usable", arguments.config.display());
        return Ok(());
    }
    logging::start(&config.logging).context("logging.level is not usable")?;
    tracing::info!(
        broker_id = %config.broker_id,
        version = env!("CARGO_PKG_VERSION"),
        "broker starts"
    );
    let runtime = runtime(config.network_threads).context("the system gives no threads")?;
    let ended = runtime.block_on(lifecycle::run(config));
    // What still runs is not waited for: after an error nothing may be written any more.
    runtime.shutdown_background();
    if let Err(fatal) = &ended {
        tracing::error!(error = %fatal, "the broker ends");
    }
    Ok(ended?)
}

/// One thread runs everything by itself; handing work to another one that sleeps costs more than
/// most requests do. Several threads steal each other's work.
fn runtime(threads: usize) -> std::io::Result<tokio::runtime::Runtime> {
    let mut runtime = match threads {
        1 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    runtime.worker_threads(threads).enable_all().build()
}
