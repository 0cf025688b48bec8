//! `compression.type`: what was built from JSON is compressed once, here, before it is sent.
//!
//! Leaders and followers keep the bytes as they get them.

use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;
use trimaran_commit_log::{CompressError, DecompressLimits, TopicCompression};
use trimaran_metadata::MetadataImage;
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{KafkaError, TopicName};

use crate::codec_work::CodecWork;
use crate::routing::with_outcome;

/// How a topic wants its batches. The controllers have checked every value; one that still cannot
/// be used counts as not set.
#[must_use]
pub fn topic_compression(image: &MetadataImage, topic: &TopicName) -> TopicCompression {
    let set = |key| image.effective_config(topic, key).map(str::trim);
    let wanted: Option<TopicCompression> =
        set("compression.type").and_then(|name| name.parse().ok());
    // -1 asks for the default, too.
    let gzip = set("compression.gzip.level").and_then(|level| level.parse().ok());
    let zstd = set("compression.zstd.level").and_then(|level| level.parse().ok());
    wanted.unwrap_or_default().with_levels(gzip, zstd)
}

/// The batches as the topic wants them.
///
/// # Errors
/// The codec failed, for want of memory; nothing was written.
pub(super) async fn compress(
    codecs: &CodecWork,
    compression: TopicCompression,
    batches: Vec<RecordBatch>,
) -> Result<Vec<RecordBatch>, ApiError> {
    let unsuited: usize = batches
        .iter()
        .filter(|batch| !compression.suits(batch))
        .map(|batch| batch.bytes().len())
        .sum();
    if unsuited == 0 {
        return Ok(batches);
    }
    let work = move || -> Result<Vec<RecordBatch>, CompressError> {
        let limits = DecompressLimits::default();
        let apply = |batch| compression.apply(batch, &limits);
        batches.into_iter().map(apply).collect()
    };
    let done = codecs.run(unsuited, work).await?;
    done.map_err(|error| {
        let refusal = ApiError::kafka(KafkaError::UnknownServerError, error.to_string());
        with_outcome(refusal, WriteOutcome::NothingWritten)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routing::fake::image_with;
    use trimaran_commit_log::Codec;

    #[test]
    fn the_topic_s_settings_name_the_codec_and_its_level() {
        let of = |configs: &[(&str, &str)]| {
            let image = image_with("t", &[Some(1)], configs);
            topic_compression(&image, &TopicName::new("t").unwrap())
        };
        let gzip = |level| TopicCompression::Codec(Codec::Gzip { level });
        assert_eq!(of(&[]), TopicCompression::Producer);
        assert_eq!(
            of(&[("compression.type", "uncompressed")]),
            TopicCompression::Uncompressed
        );
        assert_eq!(of(&[("compression.type", "gzip")]), gzip(6));
        for (level, expected) in [("9", 9), ("-1", 6)] {
            let configs = [
                ("compression.type", "gzip"),
                ("compression.gzip.level", level),
                ("compression.zstd.level", "1"),
            ];
            assert_eq!(of(&configs), gzip(expected));
        }
        let zstd = [
            ("compression.type", "zstd"),
            ("compression.zstd.level", "-5"),
        ];
        assert_eq!(
            of(&zstd),
            TopicCompression::Codec(Codec::Zstd { level: -5 })
        );
    }
}
