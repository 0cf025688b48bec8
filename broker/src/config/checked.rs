//! Settings of which more is asked than their form: refused before the broker starts, not when they
//! are used.

use trimaran_config::{ConfigError, Settings};
use trimaran_types::limits::REPLICATION_FACTOR_MAX;

use crate::logging;

/// `default.replication.factor`: one that a topic can have.
pub(super) fn replication_factor(settings: &Settings) -> Result<Option<i64>, ConfigError> {
    let key = "default.replication.factor";
    if settings.optional::<i64>(key)?.is_none() {
        return Ok(None);
    }
    settings
        .bounded(key, 1, 1, i64::from(REPLICATION_FACTOR_MAX))
        .map(Some)
}

/// `broker.rack`: a name, or no key.
pub(super) fn rack(settings: &Settings) -> Result<Option<String>, ConfigError> {
    let key = "broker.rack";
    let rack: Option<String> = settings.optional(key)?;
    match rack {
        Some(rack) if rack.trim().is_empty() => Err(ConfigError::Value {
            key: key.to_owned(),
            value: rack,
            cause: "a rack has a name; leave the key out where there are none".to_owned(),
        }),
        rack => Ok(rack),
    }
}

/// `logging.level`: one that would not silence the log by mistake.
pub(super) fn level(settings: &Settings) -> Result<String, ConfigError> {
    let key = "logging.level";
    let level = settings.or(key, "info".to_owned())?;
    match logging::check_level(&level) {
        Ok(()) => Ok(level),
        Err(cause) => Err(ConfigError::Value {
            key: key.to_owned(),
            value: level,
            cause,
        }),
    }
}
