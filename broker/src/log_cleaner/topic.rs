//! What the metadata says about the compaction of a topic.

use trimaran_commit_log::CompactionSettings;
use trimaran_metadata::MetadataImage;
use trimaran_types::TopicName;

/// The settings in force. The controllers have checked every value; one that still cannot be used
/// counts as not set.
pub(super) fn compaction_settings(image: &MetadataImage, topic: &TopicName) -> CompactionSettings {
    let number =
        |key: &str| -> Option<u64> { image.effective_config(topic, key)?.trim().parse().ok() };
    let ratio = |key: &str| -> Option<f64> {
        let ratio: f64 = image.effective_config(topic, key)?.trim().parse().ok()?;
        (0.0..=1.0).contains(&ratio).then_some(ratio)
    };
    let defaults = CompactionSettings::default();
    CompactionSettings {
        dirty_ratio_min: ratio("min.cleanable.dirty.ratio").unwrap_or(defaults.dirty_ratio_min),
        lag_ms_min: number("min.compaction.lag.ms").unwrap_or(defaults.lag_ms_min),
        lag_ms_max: number("max.compaction.lag.ms").unwrap_or(defaults.lag_ms_max),
        delete_retention_ms: number("delete.retention.ms").unwrap_or(defaults.delete_retention_ms),
    }
}
