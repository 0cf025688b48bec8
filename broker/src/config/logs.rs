//! [`LogsConfig`]: where the logs lie, and how they are kept.

use std::path::PathBuf;
use std::time::Duration;

use trimaran_commit_log::{
    JOURNAL_BYTES_DEFAULT, JOURNAL_BYTES_MAX, JOURNAL_BYTES_MIN, JournalLimits, LogConfig,
};
use trimaran_config::{ConfigError, Settings};

use super::{DAY_MS, ms};

/// Where the logs lie, and how they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogsConfig {
    /// `log.dirs`: where the data lies; at least one directory, each for itself. The first one also
    /// holds what the broker remembers of the metadata.
    pub dirs: Vec<PathBuf>,
    /// `num.recovery.threads.per.data.dir`: logs of a directory that are opened at once; default 8,
    /// since they wait for the device more than for the cores.
    pub recovery_threads: usize,
    /// `log.journal.bytes`: how large the journal is that small flushes of a directory go through;
    /// default 64 MiB, 0 switches it off.
    pub journal: Option<JournalLimits>,
    /// `log.retention.check.interval.ms`: how often old segments are looked for; default 300,000.
    pub retention_check_interval: Duration,
    /// `producer.id.expiration.ms`: a producer that was not heard of for so long is forgotten; default
    /// 86,400,000, a day.
    pub producer_id_expiration: Duration,
    /// `log.initial.task.delay.ms`: when that happens first after the start; default 30,000.
    pub initial_task_delay: Duration,
}

impl LogsConfig {
    /// The settings of a log whose topic says nothing.
    #[must_use]
    pub fn log_defaults(&self) -> LogConfig {
        let expiration_ms = self.producer_id_expiration.as_millis();
        LogConfig {
            producer_id_expiration_ms: u64::try_from(expiration_ms).unwrap_or(u64::MAX),
            ..LogConfig::default()
        }
    }

    pub(super) fn from_settings(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self {
            dirs: dirs(settings)?,
            recovery_threads: settings.bounded("num.recovery.threads.per.data.dir", 8, 1, 256)?,
            journal: journal(settings)?,
            retention_check_interval: ms(
                settings,
                "log.retention.check.interval.ms",
                300_000,
                1,
                DAY_MS,
            )?,
            producer_id_expiration: ms(
                settings,
                "producer.id.expiration.ms",
                DAY_MS,
                1,
                // An int in Kafka.
                i32::MAX.unsigned_abs().into(),
            )?,
            initial_task_delay: ms(settings, "log.initial.task.delay.ms", 30_000, 0, DAY_MS)?,
        })
    }
}

fn journal(settings: &Settings) -> Result<Option<JournalLimits>, ConfigError> {
    let key = "log.journal.bytes";
    let bytes = settings.bounded(key, JOURNAL_BYTES_DEFAULT, 0, JOURNAL_BYTES_MAX)?;
    if bytes > 0 && bytes < JOURNAL_BYTES_MIN {
        return Err(ConfigError::Value {
            key: key.to_owned(),
            value: bytes.to_string(),
            cause: format!("must be 0 or lie between {JOURNAL_BYTES_MIN} and {JOURNAL_BYTES_MAX}"),
        });
    }
    Ok(JournalLimits::of_bytes(bytes))
}

fn dirs(settings: &Settings) -> Result<Vec<PathBuf>, ConfigError> {
    let key = "log.dirs";
    let dirs: Vec<PathBuf> = settings.list(key)?;
    if dirs.is_empty() {
        return Err(ConfigError::Missing {
            key: key.to_owned(),
            purpose: "it says where the data lies".to_owned(),
        });
    }
    for (place, dir) in dirs.iter().enumerate() {
        if dirs[..place].contains(dir) {
            return Err(ConfigError::Value {
                key: key.to_owned(),
                value: dir.display().to_string(),
                cause: "the directory is named twice".to_owned(),
            });
        }
        let others = dirs.iter().filter(|other| *other != dir);
        if let Some(outer) = others.into_iter().find(|outer| dir.starts_with(outer)) {
            return Err(ConfigError::Value {
                key: key.to_owned(),
                value: dir.display().to_string(),
                cause: format!("it lies in {}, another one", outer.display()),
            });
        }
    }
    Ok(dirs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<LogsConfig, String> {
        let text = format!("log.dirs = [\"/d\"]\n{text}");
        let settings = Settings::parse(&text, &[]).map_err(|error| error.to_string())?;
        LogsConfig::from_settings(&settings).map_err(|error| error.to_string())
    }

    #[test]
    fn a_journal_has_a_default_can_be_left_out_and_has_bounds() {
        let half_bytes = |text: &str| {
            let config = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            config.journal.map(|limits| limits.half_bytes)
        };
        assert_eq!(half_bytes(""), Some(JOURNAL_BYTES_DEFAULT / 2));
        assert_eq!(half_bytes("log.journal.bytes = 0"), None);
        for bytes in [JOURNAL_BYTES_MIN, JOURNAL_BYTES_MAX] {
            let text = format!("log.journal.bytes = {bytes}");
            assert_eq!(half_bytes(&text), Some(bytes / 2));
        }
        let (low, high) = (JOURNAL_BYTES_MIN, JOURNAL_BYTES_MAX);
        let bounds = format!("{low} and {high}");
        for (wrong, cause) in [
            (format!("{}", low - 1), bounds.as_str()),
            ("1".to_owned(), bounds.as_str()),
            (format!("{}", high + 1), &high.to_string()),
            ("-1".to_owned(), "invalid digit"),
            ("\"64 MiB\"".to_owned(), "invalid digit"),
        ] {
            let error = read(&format!("log.journal.bytes = {wrong}")).unwrap_err();
            let value = wrong.trim_matches('"');
            for part in ["log.journal.bytes", value, cause] {
                assert!(error.contains(part), "{wrong}: {error}");
            }
        }
    }
}
