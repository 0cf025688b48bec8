//! [`LogConfig`]: the settings of one log, under Kafka's names where the meaning is Kafka's.

use trimaran_types::limits::BATCH_BYTES_MAX;
use trimaran_types::record_batch::TimestampType;

/// Settings of one log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogConfig {
    /// A segment is closed before it would grow past this (`segment.bytes`). At most `i32::MAX`,
    /// since indexes hold positions in 31 bits.
    pub segment_bytes: u64,
    /// A segment is closed when its first append is this old (`segment.ms`).
    pub segment_ms: u64,
    /// An index entry follows at least this many bytes of batches (`index.interval.bytes`).
    pub index_interval_bytes: u32,
    /// Largest index file; a segment whose index is full is closed (`segment.index.bytes`).
    pub index_bytes_max: u32,
    /// Largest batch that a leader takes (`max.message.bytes`).
    pub batch_bytes_max: usize,
    /// A flush is due after this many records (`flush.messages`). 1 means before every
    /// acknowledgement, `u64::MAX` never.
    pub flush_messages: u64,
    /// A flush is due after this many milliseconds (`flush.ms`); the owner keeps the timer.
    pub flush_ms: Option<u64>,
    /// Whose timestamps records have (`message.timestamp.type`). With `LogAppendTime` a leader puts
    /// its own into every batch that it appends.
    pub timestamp_type: TimestampType,
    /// A producer that was not heard of for so long is forgotten (`producer.id.expiration.ms`).
    pub producer_id_expiration_ms: u64,
    /// Whether compaction may leave gaps between offsets (`cleanup.policy` names `compact`). A log
    /// for which it was true once remembers that.
    pub compacted: bool,
    /// In a compacted log, a segment is closed at this age too (`max.compaction.lag.ms`), since
    /// what is being written is never cleaned.
    pub compaction_lag_ms_max: u64,
    /// How much of the log's end stays in memory for readers.
    pub tail_bytes_max: usize,
    /// A segment is closed up to this much earlier than `segment_ms` says, each by its own amount,
    /// so that not all logs do it at once (`segment.jitter.ms`).
    pub segment_jitter_ms: u64,
    /// Whether age and size end records (`cleanup.policy` names `delete`).
    pub deletes: bool,
    /// Records older than this go, segment by segment (`retention.ms`); `None` keeps them.
    pub retention_ms: Option<u64>,
    /// The oldest segments go while what is left holds this much (`retention.bytes`); `None` keeps
    /// them.
    pub retention_bytes: Option<u64>,
    /// How long the files of a deleted segment stay under another name
    /// (`file.delete.delay.ms`).
    pub file_delete_delay_ms: u64,
    /// Whether a log whose flushes are small writes zeros ahead of its data, so that a sync need not
    /// lengthen the file (`preallocate`; Kafka's reserves a whole segment instead, and is off by
    /// default).
    pub preallocate: bool,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            segment_bytes: 1 << 30,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            index_interval_bytes: 4096,
            index_bytes_max: 10 * 1024 * 1024,
            batch_bytes_max: BATCH_BYTES_MAX,
            flush_messages: 1,
            flush_ms: None,
            timestamp_type: TimestampType::CreateTime,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            compacted: false,
            compaction_lag_ms_max: u64::MAX,
            tail_bytes_max: 4 * 1024 * 1024,
            segment_jitter_ms: 0,
            deletes: true,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
            file_delete_delay_ms: 60_000,
            preallocate: true,
        }
    }
}

/// Settings that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} is {value}, it must lie between {min} and {max}")]
pub struct InvalidLogConfig {
    /// Kafka's name of the setting.
    pub name: &'static str,
    /// Its value.
    pub value: u64,
    /// The smallest that works.
    pub min: u64,
    /// The largest that works.
    pub max: u64,
}

impl LogConfig {
    /// The age at which a segment is closed.
    #[must_use]
    pub const fn segment_age_ms_max(&self) -> u64 {
        if self.compacted && self.compaction_lag_ms_max < self.segment_ms {
            self.compaction_lag_ms_max
        } else {
            self.segment_ms
        }
    }

    /// Checks every setting against its bounds.
    ///
    /// # Errors
    /// The first one out of bounds.
    pub fn check(&self) -> Result<(), InvalidLogConfig> {
        BOUNDS
            .iter()
            .try_for_each(|bounds| bounds.check((bounds.get)(self)))
    }

    /// The same settings, each that cannot work at the nearest value that can, and what these were.
    /// No other setting is touched: what a topic keeps must not hang on how its log is cut up.
    #[must_use]
    pub fn bounded(mut self) -> (Self, Vec<InvalidLogConfig>) {
        let mut refused = Vec::new();
        for bounds in &BOUNDS {
            if let Err(error) = bounds.check((bounds.get)(&self)) {
                (bounds.set)(&mut self, error.value.clamp(bounds.min, bounds.max));
                refused.push(error);
            }
        }
        (self, refused)
    }
}

/// Between what a setting works.
struct Bounds {
    name: &'static str,
    min: u64,
    max: u64,
    get: fn(&LogConfig) -> u64,
    set: fn(&mut LogConfig, u64),
}

impl Bounds {
    const fn check(&self, value: u64) -> Result<(), InvalidLogConfig> {
        if value < self.min || value > self.max {
            return Err(InvalidLogConfig {
                name: self.name,
                value,
                min: self.min,
                max: self.max,
            });
        }
        Ok(())
    }
}

const POSITION_MAX: u64 = i32::MAX as u64;

const BOUNDS: [Bounds; 6] = [
    Bounds {
        name: "segment.bytes",
        min: 1024,
        max: POSITION_MAX,
        get: |log| log.segment_bytes,
        set: |log, value| log.segment_bytes = value,
    },
    Bounds {
        name: "segment.ms",
        min: 1,
        max: u64::MAX,
        get: |log| log.segment_ms,
        set: |log, value| log.segment_ms = value,
    },
    Bounds {
        name: "segment.index.bytes",
        min: 24,
        max: POSITION_MAX,
        get: |log| u64::from(log.index_bytes_max),
        set: |log, value| log.index_bytes_max = u32::try_from(value).unwrap_or(u32::MAX),
    },
    Bounds {
        name: "max.message.bytes",
        min: 1,
        max: BATCH_BYTES_MAX as u64,
        get: |log| log.batch_bytes_max as u64,
        set: |log, value| log.batch_bytes_max = usize::try_from(value).unwrap_or(usize::MAX),
    },
    Bounds {
        name: "flush.messages",
        min: 1,
        max: u64::MAX,
        get: |log| log.flush_messages,
        set: |log, value| log.flush_messages = value,
    },
    Bounds {
        name: "producer.id.expiration.ms",
        min: 1,
        max: u64::MAX,
        get: |log| log.producer_id_expiration_ms,
        set: |log, value| log.producer_id_expiration_ms = value,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_pass_and_bounds_are_named() {
        assert_eq!(LogConfig::default().check(), Ok(()));
        let error = LogConfig {
            segment_bytes: 1 << 31,
            ..LogConfig::default()
        }
        .check();
        let name = "segment.bytes";
        let expected = InvalidLogConfig {
            name,
            value: 1 << 31,
            min: 1024,
            max: (1 << 31) - 1,
        };
        assert_eq!(error, Err(expected));
    }

    #[test]
    fn what_cannot_work_is_bounded_and_nothing_else_changes() {
        let kept = LogConfig {
            compacted: true,
            deletes: false,
            retention_ms: None,
            flush_messages: 7,
            ..LogConfig::default()
        };
        assert_eq!(kept.clone().bounded(), (kept.clone(), Vec::new()));
        let (bounded, refused) = LogConfig {
            segment_bytes: 14,
            batch_bytes_max: 0,
            index_bytes_max: u32::MAX,
            ..kept
        }
        .bounded();
        let names: Vec<_> = refused.iter().map(|error| error.name).collect();
        let expected = ["segment.bytes", "segment.index.bytes", "max.message.bytes"];
        assert_eq!(names, expected);
        let expected = LogConfig {
            segment_bytes: 1024,
            batch_bytes_max: 1,
            index_bytes_max: i32::MAX.unsigned_abs(),
            ..kept
        };
        assert_eq!(bounded, expected);
        assert_eq!(bounded.check(), Ok(()));
    }
}
