//! [`LogScrubConfig`]: how fast a broker looks through its logs.

use std::time::Duration;

use trimaran_config::{ConfigError, Settings};

/// How a broker looks through its logs for damage. Kafka does not, so the names are ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogScrubConfig {
    /// `log.scrub.io.max.bytes.per.second`: read at most, of all directories together; default 8 MiB,
    /// which is 4.6 TiB a week. 0 switches it off.
    pub bytes_per_second_max: u64,
    /// `log.scrub.interval.ms`: every finished segment is read once in so long, evenly spread, or
    /// as fast as the rate allows; default 604,800,000, a week.
    pub interval: Duration,
}

const WEEK_MS: u64 = 7 * 24 * 60 * 60 * 1_000;
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

impl LogScrubConfig {
    /// Takes its part of a broker's settings.
    ///
    /// # Errors
    /// The first of them that is out of bounds.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let interval_ms = settings.bounded("log.scrub.interval.ms", WEEK_MS, 100, YEAR_MS)?;
        Ok(Self {
            bytes_per_second_max: settings.bounded(
                "log.scrub.io.max.bytes.per.second",
                8 * 1024 * 1024,
                0,
                u64::MAX,
            )?,
            interval: Duration::from_millis(interval_ms),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LogScrubConfig, String> {
        let settings = Settings::parse(text, &[]).map_err(|error| error.to_string())?;
        LogScrubConfig::from_settings(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_week_by_default_and_off_when_asked() {
        let config = read("").unwrap();
        assert_eq!(config.bytes_per_second_max, 8 << 20);
        assert_eq!(config.interval, Duration::from_secs(7 * 24 * 3600));
        let off = read("log.scrub.io.max.bytes.per.second = 0").unwrap();
        assert_eq!(off.bytes_per_second_max, 0);
        let wrong = read("log.scrub.interval.ms = 1").unwrap_err();
        assert!(wrong.contains("log.scrub.interval.ms"), "{wrong}");
    }
}
