//! A topic's effective settings, as text.

use std::collections::BTreeMap;

use trimaran_commit_log::TimestampBounds;
use trimaran_metadata::{MIN_INSYNC_REPLICAS_DEFAULT, MetadataImage};
use trimaran_types::TopicName;
use trimaran_types::limits::BATCH_BYTES_MAX;

/// Every setting that is known, with the value in force; null where there is no bound.
pub(in crate::http) fn effective(
    image: &MetadataImage,
    topic: &TopicName,
) -> BTreeMap<String, Option<String>> {
    let mut configs: BTreeMap<String, Option<String>> = built_in()
        .into_iter()
        .map(|(key, default)| {
            let set = image.effective_config(topic, key).map(str::to_owned);
            (key.to_owned(), set.or(default))
        })
        .collect();
    for (key, value) in image.configs.topic(topic) {
        configs.insert(key.to_owned(), Some(value.to_owned()));
    }
    configs
}

/// What holds where nothing is set.
pub(in crate::http) fn built_in() -> [(&'static str, Option<String>); 25] {
    let text = |value: &str| Some(value.to_owned());
    let week_ms = || Some((7_u64 * 24 * 60 * 60 * 1_000).to_string());
    [
        ("cleanup.policy", text("delete")),
        ("compression.gzip.level", text("-1")),
        ("compression.type", text("producer")),
        ("compression.zstd.level", text("3")),
        ("delete.retention.ms", text("86400000")),
        ("file.delete.delay.ms", text("60000")),
        ("flush.messages", text("1")),
        ("flush.ms", None),
        ("index.interval.bytes", text("4096")),
        ("max.compaction.lag.ms", Some(i64::MAX.to_string())),
        ("max.message.bytes", Some(BATCH_BYTES_MAX.to_string())),
        (
            "message.timestamp.after.max.ms",
            Some(TimestampBounds::default().after_ms_max.to_string()),
        ),
        (
            "message.timestamp.before.max.ms",
            Some(TimestampBounds::default().before_ms_max.to_string()),
        ),
        ("message.timestamp.type", text("CreateTime")),
        ("min.cleanable.dirty.ratio", text("0.5")),
        ("min.compaction.lag.ms", text("0")),
        (
            "min.insync.replicas",
            Some(MIN_INSYNC_REPLICAS_DEFAULT.to_string()),
        ),
        ("preallocate", text("true")),
        ("retention.bytes", text("-1")),
        ("retention.ms", week_ms()),
        ("segment.bytes", text("1073741824")),
        ("segment.index.bytes", text("10485760")),
        ("segment.jitter.ms", text("0")),
        ("segment.ms", week_ms()),
        ("unclean.leader.election.enable", text("false")),
    ]
}
