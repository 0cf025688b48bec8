//! `message.timestamp.before.max.ms` and `message.timestamp.after.max.ms`: what producers may stamp (KIP-937).
//!
//! The broker that takes the records checks them, by its clock, before anything is sent to a leader.

use trimaran_commit_log::TimestampBounds;
use trimaran_metadata::MetadataImage;
use trimaran_types::TopicName;

/// The bounds of a topic; none where the leader stamps its records. A value that is no number counts
/// as not set.
pub(super) fn timestamp_bounds(image: &MetadataImage, topic: &TopicName) -> TimestampBounds {
    if image.effective_config(topic, "message.timestamp.type") == Some("LogAppendTime") {
        return TimestampBounds::NONE;
    }
    let set = |key| image.effective_config(topic, key)?.trim().parse().ok();
    let defaults = TimestampBounds::default();
    TimestampBounds {
        before_ms_max: set("message.timestamp.before.max.ms").unwrap_or(defaults.before_ms_max),
        after_ms_max: set("message.timestamp.after.max.ms").unwrap_or(defaults.after_ms_max),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::fake::image_with;

    #[test]
    fn the_topic_s_settings_count_unless_the_leader_stamps() {
        let of = |configs: &[(&str, &str)]| {
            let image = image_with("t", &[Some(1)], configs);
            timestamp_bounds(&image, &TopicName::new("t").unwrap())
        };
        assert_eq!(of(&[]), TimestampBounds::default());
        let set = [
            ("message.timestamp.before.max.ms", "7"),
            ("message.timestamp.after.max.ms", "8"),
        ];
        let expected = TimestampBounds {
            before_ms_max: 7,
            after_ms_max: 8,
        };
        assert_eq!(of(&set), expected);
        let stamped = [set[0], ("message.timestamp.type", "LogAppendTime")];
        assert_eq!(of(&stamped), TimestampBounds::NONE);
    }
}
