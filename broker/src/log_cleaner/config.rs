//! [`LogCleanerConfig`]: how a broker cleans, under Kafka's names and with Kafka's defaults.

use std::time::Duration;

use trimaran_commit_log::CleanerSettings;
use trimaran_config::{ConfigError, Settings};

/// How a broker cleans its logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogCleanerConfig {
    /// `log.cleaner.enable`: default true. Without it, compacted topics grow for ever.
    pub is_enabled: bool,
    /// `log.cleaner.threads`: default 1.
    pub threads: usize,
    /// `log.cleaner.dedupe.buffer.size`: memory of all threads' offset maps; default 128 MiB, held
    /// only as far as a log needs it and only while there is work.
    pub dedupe_bytes_max: usize,
    /// `log.cleaner.io.buffer.size`: bytes read or written at once by each thread; default 512 KiB.
    pub io_bytes: usize,
    /// `log.cleaner.io.max.bytes.per.second`: of reads and writes, all threads together; default
    /// unlimited.
    pub io_bytes_per_second_max: Option<u64>,
    /// `log.cleaner.backoff.ms`: how long a thread waits when no log is due; default 15,000.
    pub backoff: Duration,
}

const MIB: usize = 1024 * 1024;

impl LogCleanerConfig {
    /// Takes its part of a broker's settings.
    ///
    /// # Errors
    /// The first of them that is out of bounds.
    pub fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        let rate = "log.cleaner.io.max.bytes.per.second";
        let limited: Option<u64> = settings.optional(rate)?;
        let config = Self {
            is_enabled: settings.or("log.cleaner.enable", true)?,
            threads: settings.bounded("log.cleaner.threads", 1, 1, 16)?,
            dedupe_bytes_max: settings.bounded(
                "log.cleaner.dedupe.buffer.size",
                128 * MIB,
                MIB,
                64 * 1024 * MIB,
            )?,
            io_bytes: settings.bounded("log.cleaner.io.buffer.size", 512 * 1024, 4096, 64 * MIB)?,
            io_bytes_per_second_max: limited
                .map(|_| settings.bounded(rate, u64::MAX, 1024, u64::MAX))
                .transpose()?,
            backoff: Duration::from_millis(settings.bounded(
                "log.cleaner.backoff.ms",
                15_000,
                10,
                24 * 60 * 60 * 1_000,
            )?),
        };
        Ok(config)
    }

    /// What one thread may use.
    #[must_use]
    pub fn of_one_thread(&self) -> CleanerSettings {
        CleanerSettings {
            map_bytes_max: self.dedupe_bytes_max / self.threads.max(1),
            io_bytes: self.io_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LogCleanerConfig, String> {
        let settings = Settings::parse(text, &[]).map_err(|error| error.to_string())?;
        LogCleanerConfig::from_settings(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_kafkas_and_bounds_are_named() {
        let config = read("").unwrap();
        assert!(config.is_enabled);
        assert_eq!(config.of_one_thread(), CleanerSettings::default());
        assert_eq!(config.backoff, Duration::from_secs(15));
        assert_eq!(config.io_bytes_per_second_max, None);
        let two = read("log.cleaner.threads = 2").unwrap();
        assert_eq!(two.of_one_thread().map_bytes_max, 64 * MIB);
        for wrong in [
            "log.cleaner.threads = 0",
            "log.cleaner.dedupe.buffer.size = 1000",
            "log.cleaner.io.max.bytes.per.second = 3",
            "log.cleaner.backoff.ms = 0",
        ] {
            let key = wrong.split(' ').next().unwrap();
            assert!(read(wrong).unwrap_err().contains(key), "{wrong}");
        }
    }
}
