//! [`TopicSettings`]: a topic's configuration, as its replicas use it.
//!
//! The controllers have checked every value; one that still cannot be used counts as not set.

use trimaran_commit_log::LogConfig;
use trimaran_metadata::{MetadataImage, PartitionState};
use trimaran_replication::Durability;
use trimaran_types::TopicName;
use trimaran_types::record_batch::TimestampType;

/// What a replica needs to know of its topic's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSettings {
    /// How the log is kept.
    pub log: LogConfig,
    /// `min.insync.replicas`, limited by the number of replicas; at least 1.
    pub min_isr: usize,
}

impl TopicSettings {
    /// The settings in force for one partition; `defaults` are this broker's, where the topic says
    /// nothing.
    #[must_use]
    pub fn of(
        image: &MetadataImage,
        topic: &TopicName,
        state: &PartitionState,
        defaults: &LogConfig,
    ) -> Self {
        let min_isr = image.min_insync_replicas(topic, state).max(1);
        let log = LogConfig {
            segment_bytes: number(image, topic, "segment.bytes").unwrap_or(defaults.segment_bytes),
            segment_ms: number(image, topic, "segment.ms").unwrap_or(defaults.segment_ms),
            index_interval_bytes: number(image, topic, "index.interval.bytes")
                .unwrap_or(defaults.index_interval_bytes),
            batch_bytes_max: number(image, topic, "max.message.bytes")
                .unwrap_or(defaults.batch_bytes_max),
            flush_messages: number(image, topic, "flush.messages")
                .unwrap_or(defaults.flush_messages),
            flush_ms: number(image, topic, "flush.ms"),
            timestamp_type: match image.effective_config(topic, "message.timestamp.type") {
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            compacted: has_policy(image, topic, "compact").unwrap_or(defaults.compacted),
            deletes: has_policy(image, topic, "delete").unwrap_or(defaults.deletes),
            segment_jitter_ms: number(image, topic, "segment.jitter.ms")
                .unwrap_or(defaults.segment_jitter_ms),
            retention_ms: limit(image, topic, "retention.ms").unwrap_or(defaults.retention_ms),
            retention_bytes: limit(image, topic, "retention.bytes")
                .unwrap_or(defaults.retention_bytes),
            file_delete_delay_ms: number(image, topic, "file.delete.delay.ms")
                .unwrap_or(defaults.file_delete_delay_ms),
            compaction_lag_ms_max: number(image, topic, "max.compaction.lag.ms")
                .unwrap_or(defaults.compaction_lag_ms_max),
            ..defaults.clone()
        };
        let log = if log.check().is_ok() {
            log
        } else {
            defaults.clone()
        };
        Self { log, min_isr }
    }

    /// Largest batch that the topic takes: one never spans segments, so a segment is a bound, too.
    #[must_use]
    pub fn batch_bytes_max(&self) -> usize {
        let segment_bytes = usize::try_from(self.log.segment_bytes).unwrap_or(usize::MAX);
        self.log.batch_bytes_max.min(segment_bytes)
    }

    /// What an acknowledgement counts: `flush.messages=1`, the default, means synced records.
    #[must_use]
    pub const fn durability(&self) -> Durability {
        if self.log.flush_messages <= 1 {
            Durability::Synced
        } else {
            Durability::Written
        }
    }
}

/// Whether the topic's `cleanup.policy` names this one; `None` where it is not set.
fn has_policy(image: &MetadataImage, topic: &TopicName, wanted: &str) -> Option<bool> {
    let policy = image.effective_config(topic, "cleanup.policy")?;
    Some(policy.split(',').any(|part| part.trim() == wanted))
}

/// A bound whose -1 means that there is none.
fn limit(image: &MetadataImage, topic: &TopicName, key: &str) -> Option<Option<u64>> {
    number::<i64>(image, topic, key).map(|value| u64::try_from(value).ok())
}

fn number<T: std::str::FromStr>(image: &MetadataImage, topic: &TopicName, key: &str) -> Option<T> {
    image.effective_config(topic, key)?.trim().parse().ok()
}
