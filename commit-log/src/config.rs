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
    pub const fn check(&self) -> Result<(), InvalidLogConfig> {
        const INDEX_MIN: u64 = 24;
        const POSITION_MAX: u64 = i32::MAX as u64;
        let table = [
            ("segment.bytes", self.segment_bytes, 1024, POSITION_MAX),
            ("segment.ms", self.segment_ms, 1, u64::MAX),
            (
                "segment.index.bytes",
                self.index_bytes_max as u64,
                INDEX_MIN,
                POSITION_MAX,
            ),
            (
                "max.message.bytes",
                self.batch_bytes_max as u64,
                1,
                BATCH_BYTES_MAX as u64,
            ),
            ("flush.messages", self.flush_messages, 1, u64::MAX),
            (
                "producer.id.expiration.ms",
                self.producer_id_expiration_ms,
                1,
                u64::MAX,
            ),
        ];
        let mut row = 0;
        while row < table.len() {
            let (name, value, min, max) = table[row];
            if value < min || value > max {
                return Err(InvalidLogConfig {
                    name,
                    value,
                    min,
                    max,
                });
            }
            row += 1;
        }
        Ok(())
    }
}

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
}
