//! [`TopicSettings`]: a topic's configuration, as its replicas use it.
//!
//! The controllers have checked every value by Kafka's bounds. One that the log cannot work with counts
//! as the nearest that it can, and is told of; one that is no number counts as not set. Either way no
//! other setting changes: a topic that keeps its records keeps them whatever else is set.

use trimaran_commit_log::{InvalidLogConfig, LogConfig};
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
    /// Settings of the log that cannot work and were bounded.
    pub bounded: Vec<InvalidLogConfig>,
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
            index_bytes_max: number(image, topic, "segment.index.bytes")
                .unwrap_or(defaults.index_bytes_max),
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
            preallocate: number(image, topic, "preallocate").unwrap_or(defaults.preallocate),
            ..defaults.clone()
        };
        let (log, bounded) = log.bounded();
        Self {
            log,
            min_isr,
            bounded,
        }
    }

    /// Says which settings were bounded, once for each replica that takes them up.
    pub(super) fn tell_bounded(&self, partition: &str) {
        for cause in &self.bounded {
            tracing::warn!(partition, %cause, "a setting of the topic is used at its nearest bound");
        }
    }

    /// Largest batch that the topic takes: one never spans segments, so a segment is a bound, too.
    #[must_use]
    pub fn batch_bytes_max(&self) -> usize {
        largest_batch(&self.log)
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

/// Largest batch that a topic takes, for those who build its batches: what
/// [`TopicSettings::batch_bytes_max`] tells its replicas.
#[must_use]
pub fn batch_bytes_max(image: &MetadataImage, topic: &TopicName) -> usize {
    let defaults = LogConfig::default();
    let log = LogConfig {
        segment_bytes: number(image, topic, "segment.bytes").unwrap_or(defaults.segment_bytes),
        batch_bytes_max: number(image, topic, "max.message.bytes")
            .unwrap_or(defaults.batch_bytes_max),
        ..defaults
    };
    largest_batch(&log.bounded().0)
}

fn largest_batch(log: &LogConfig) -> usize {
    let segment_bytes = usize::try_from(log.segment_bytes).unwrap_or(usize::MAX);
    log.batch_bytes_max.min(segment_bytes)
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

#[cfg(test)]
mod tests {
    use trimaran_types::PartitionIndex;

    use super::*;
    use crate::routing::fake::image_with;

    fn with(settings: &[(&str, &str)]) -> (MetadataImage, TopicName, TopicSettings) {
        let image = image_with("flights", &[Some(1)], settings);
        let name = TopicName::new("flights").expect("a legal name");
        let topic = image.topics.by_name(&name).expect("there");
        let state = topic.partition(PartitionIndex(0)).expect("there");
        let settings = TopicSettings::of(&image, &name, state, &LogConfig::default());
        (image, name, settings)
    }

    #[test]
    fn a_legal_setting_that_the_log_cannot_use_takes_no_other_with_it() {
        for (setting, value) in [
            ("segment.bytes", "100"),
            ("max.message.bytes", "0"),
            ("segment.index.bytes", "4"),
        ] {
            let given = [
                ("cleanup.policy", "compact"),
                (setting, value),
                ("flush.messages", "9"),
            ];
            let (image, name, settings) = with(&given);
            assert!(settings.log.compacted && !settings.log.deletes, "{setting}");
            assert_eq!(settings.log.flush_messages, 9);
            assert_eq!(settings.log.check(), Ok(()));
            let bounded: Vec<_> = settings.bounded.iter().map(|error| error.name).collect();
            assert_eq!(bounded, [setting]);
            assert_eq!(settings.batch_bytes_max(), batch_bytes_max(&image, &name));
        }
    }

    #[test]
    fn a_batch_fits_a_segment() {
        let (image, name, settings) = with(&[("segment.bytes", "2000")]);
        assert_eq!(batch_bytes_max(&image, &name), 2000);
        assert_eq!(settings.batch_bytes_max(), 2000);
    }
}
