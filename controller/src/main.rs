//! `trimaran-controller`: one controller process.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use trimaran_config::Settings;
use trimaran_controller::{Controller, ControllerConfig};

/// openraft tells at `info` what only its developers need.
const LOG_DEFAULT: &str = "info,openraft=warn";

/// Status for a configuration or directory that an operator must look at.
const EXIT_REFUSED: u8 = 2;

/// A controller of a Trimaran cluster.
#[derive(Debug, Parser)]
#[command(name = "trimaran-controller", version)]
struct Arguments {
    /// The configuration file (TOML, Kafka's names).
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Sets one key over the file, for example `--set node.id=1`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    overrides: Vec<(String, String)>,
    /// Writes the log as one JSON object a line.
    #[arg(long)]
    log_json: bool,
    /// Checks the configuration and ends.
    #[arg(long)]
    check_config: bool,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("'{text}' is not KEY=VALUE")),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    if arguments.log_json {
        log.json().init()
    } else {
        log.init()
    }
    let config = Settings::load(&arguments.config, &arguments.overrides)
        .and_then(ControllerConfig::from_settings);
    let config = match config {
        Ok(config) => config,
        Err(error) => return refuse(&error),
    };
    if arguments.check_config {
        println!("{} is usable", arguments.config.display());
        return ExitCode::SUCCESS;
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error),
    };
    let status = runtime.block_on(run(config));
    // A task that hangs must not keep a process that has ended.
    runtime.shutdown_timeout(Duration::from_secs(1));
    status
}

async fn run(config: ControllerConfig) -> ExitCode {
    let (mut terminate, mut interrupt) = match (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) {
        (Ok(terminate), Ok(interrupt)) => (terminate, interrupt),
        (Err(error), _) | (_, Err(error)) => return refuse(&error),
    };
    let mut controller = match Controller::start(config).await {
        Ok(controller) => controller,
        Err(error) => return refuse(&error),
    };
    let ended = tokio::select! {
        ended = controller.ended() => ended,
        _ = terminate.recv() => controller.stop().await,
        _ = interrupt.recv() => controller.stop().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(fatal) => {
            tracing::error!("the controller ends: {fatal}");
            ExitCode::from(fatal.exit_status())
        }
    }
}

fn refuse(error: &dyn std::error::Error) -> ExitCode {
    tracing::error!("cannot start: {error}");
    ExitCode::from(EXIT_REFUSED)
}
