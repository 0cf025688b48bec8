//! The process's log: text for people, or one JSON object a line.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, ParseError};

use crate::config::{LogFormat, LoggingConfig};

/// Whether `level` can be used: a level, or such a filter as `info,trimaran_broker=debug`.
///
/// # Errors
/// What is wrong with it. A bare word that is no level would be taken for the name of a module and
/// silence the rest.
pub fn check_level(level: &str) -> Result<(), String> {
    EnvFilter::try_new(level).map_err(|error| error.to_string())?;
    let bare = level.split(',').map(str::trim);
    for word in bare.filter(|part| !part.contains(['=', '['])) {
        if word.parse::<LevelFilter>().is_err() {
            return Err(format!(
                "'{word}' is no level: expected error, warn, info, debug, trace or off, or a filter \
                 such as info,trimaran_broker=debug"
            ));
        }
    }
    Ok(())
}

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
