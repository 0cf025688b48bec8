//! [`CompactionSettings`] of a topic and [`CleanerSettings`] of a broker, under Kafka's names.

/// When and how a topic's logs are compacted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionSettings {
    /// `min.cleanable.dirty.ratio`: a log is cleaned when more than this part of it is dirty;
    /// 0 to 1, default 0.5.
    pub dirty_ratio_min: f64,
    /// `min.compaction.lag.ms`: a segment with a record younger than this stays as it is; default
    /// 0.
    pub lag_ms_min: u64,
    /// `max.compaction.lag.ms`: a log with a dirty record older than this is cleaned whatever its
    /// ratio; default for ever.
    pub lag_ms_max: u64,
    /// `delete.retention.ms`: how long a tombstone stays after the first pass that met it; default
    /// a day.
    pub delete_retention_ms: u64,
}

impl Default for CompactionSettings {
    fn default() -> Self {
        Self {
            dirty_ratio_min: 0.5,
            lag_ms_min: 0,
            lag_ms_max: i64::MAX.unsigned_abs(),
            delete_retention_ms: 24 * 60 * 60 * 1000,
        }
    }
}

/// What one cleaner may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanerSettings {
    /// `log.cleaner.dedupe.buffer.size`: memory of the offset map, at 24 bytes for a slot of which
    /// nine in ten are used; default 128 MiB.
    pub map_bytes_max: usize,
    /// `log.cleaner.io.buffer.size`: bytes read or written at once; default 512 KiB. A batch that
    /// is larger is read whole.
    pub io_bytes: usize,
}

impl Default for CleanerSettings {
    fn default() -> Self {
        Self {
            map_bytes_max: 128 * 1024 * 1024,
            io_bytes: 512 * 1024,
        }
    }
}
