//! The process's log: text for people, or one JSON object a line.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

use crate::config::{LogFormat, LoggingConfig};

/// Starts logging to standard error; counts once in a process.
///
/// # Errors
/// The level is no filter.
pub fn start(config: &LoggingConfig) -> Result<(), ParseError> {
    let filter = EnvFilter::try_new(&config.level)?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match config.format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
    Ok(())
}
