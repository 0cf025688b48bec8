//! Keys in a compacted topic: a record without one could never be superseded, so it is refused; so are
//! records that make no sense, which the cleaner could not pass.

use std::sync::Arc;

use serde_json::json;
use trimaran_api::ApiError;
use trimaran_api::rest::WriteOutcome;
use trimaran_commit_log::{DecompressLimits, decompress};
use trimaran_types::KafkaError;
use trimaran_types::record_batch::{Compression, RecordBatch};

use crate::codec_work::CodecWork;

/// Passes if every record can be read and has a key. Batches that are compressed are opened beside the runtime.
///
/// # Errors
/// `INVALID_RECORD` with the first such record's place in `details`; nothing was written.
pub(super) async fn check_keys(
    codecs: &CodecWork,
    partition: &Arc<str>,
    batches: &[RecordBatch],
) -> Result<(), ApiError> {
    let compressed = batches
        .iter()
        .filter(|batch| batch.header().attributes.compression() != Compression::None)
        .map(|batch| batch.bytes().len())
        .sum();
    let (partition, batches) = (Arc::clone(partition), batches.to_vec());
    let checked = codecs.run(compressed, move || check(&partition, &batches));
    checked.await?
}

fn check(partition: &str, batches: &[RecordBatch]) -> Result<(), ApiError> {
    let mut place = 0_usize;
    for batch in batches {
        let plain = decompress(batch, &DecompressLimits::default()).map_err(|cause| {
            let message = format!("{partition}: {cause}; nothing was written");
            refused(message, place)
        })?;
        for record in plain.views() {
            let record = record.map_err(|cause| {
                let message = format!("{partition}: record {place}: {cause}; nothing was written");
                refused(message, place)
            })?;
            if record.key.is_none() {
                let message = format!(
                    "{partition}: record {place} has no key, which a topic with \
                     cleanup.policy=compact needs; nothing was written"
                );
                return Err(refused(message, place));
            }
            place += 1;
        }
    }
    Ok(())
}

fn refused(message: String, place: usize) -> ApiError {
    let details = json!({ "outcome": WriteOutcome::NothingWritten, "record": place });
    ApiError::kafka(KafkaError::InvalidRecord, message).with_details(details)
}

#[cfg(test)]
mod tests {
    use trimaran_commit_log::{Codec, compress};
    use trimaran_types::Timestamp;
    use trimaran_types::record_batch::{BatchBuilder, TimestampType};

    use super::*;

    fn batch(keys: &[Option<&[u8]>]) -> RecordBatch {
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        for key in keys {
            builder.push(Timestamp(1), *key, Some(b"v"), &[]).unwrap();
        }
        builder.build().unwrap()
    }

    #[test]
    fn records_that_make_no_sense_are_refused() {
        let good = batch(&[Some(b"a"), Some(b"b")]);
        let mut raw = good.bytes().to_vec();
        // The length of the first record's key.
        raw[61 + 4] = 0x7e;
        let crc = crc32c::crc32c(&raw[21..]);
        raw[17..21].copy_from_slice(&crc.to_be_bytes());
        let bad = RecordBatch::parse(raw.into()).unwrap();
        let packed = compress(&bad, Codec::Lz4, &DecompressLimits::default()).unwrap();
        for bad in [bad, packed] {
            let refusal = check("t-0", &[good.clone(), bad]).unwrap_err();
            assert_eq!(refusal.body.kafka_error, Some(KafkaError::InvalidRecord));
            assert_eq!(refusal.body.details.unwrap()["record"], 2);
        }
    }

    #[test]
    fn the_first_record_without_a_key_is_named() {
        let good = batch(&[Some(b"a"), Some(b"")]);
        let bad = batch(&[Some(b"a"), None]);
        let packed = compress(&bad, Codec::Lz4, &DecompressLimits::default()).unwrap();
        assert!(check("t-0", &[good.clone(), good.clone()]).is_ok());
        for bad in [bad, packed] {
            let refusal = check("t-0", &[good.clone(), bad]).unwrap_err();
            assert_eq!(refusal.body.kafka_error, Some(KafkaError::InvalidRecord));
            assert!(refusal.body.message.contains("record 3 has no key"));
            assert_eq!(refusal.body.details.unwrap()["record"], 3);
        }
    }
}
