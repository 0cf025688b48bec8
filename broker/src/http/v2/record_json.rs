//! Records as JSON, straight from the bytes of the log into one buffer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;
use trimaran_api::ApiError;
use trimaran_commit_log::{DecompressError, DecompressLimits, decompress};
use trimaran_types::record_batch::{RecordBatch, RecordView, split};
use trimaran_types::{KafkaError, Offset, PartitionIndex, TopicName};

use super::number_text;
use crate::http::content_type::EmbeddedFormat;
use crate::routing::Records;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) topic: &'a TopicName,
    pub(super) partition: PartitionIndex,
    /// First offset wanted.
    pub(super) offset: Offset,
    /// Soft bound of keys and values; the first record comes whatever its size.
    pub(super) bytes_max: usize,
    pub(super) format: EmbeddedFormat,
}

/// Writes the records that were asked for as a JSON array; tells how many there are.
///
/// A record that the format cannot show ends the array before it; only when it comes first is it an
/// error, so that nothing before it is withheld and nothing is skipped in silence.
///
/// # Errors
/// 422/42203: the first record cannot be shown in this format, becomes too large, or lies in a batch
/// that was stored as it came and cannot be read by anybody; `next_offset` in the details goes on
/// behind such a batch. 500: damaged bytes.
pub(super) fn write_records(
    out: &mut Vec<u8>,
    ask: &Ask<'_>,
    records: &Records,
) -> Result<usize, ApiError> {
    let mut array = Array {
        out,
        ask,
        count: 0,
        payload_bytes: 0,
    };
    let limits = DecompressLimits::default();
    array.out.push(b'[');
    for batch in split(records.bytes.clone()) {
        let batch = match batch {
            Ok(batch) => batch,
            Err(_) if array.count > 0 => break,
            Err(error) => return Err(array.damaged(&error)),
        };
        if batch.header().attributes.is_control() {
            continue;
        }
        let plain = match decompress(&batch, &limits) {
            Ok(plain) => plain,
            Err(_) if array.count > 0 => break,
            Err(error @ DecompressError::TooLarge { .. }) => {
                return Err(array.unreadable(&batch, KafkaError::MessageTooLarge, &error));
            }
            Err(error) => {
                return Err(array.unreadable(&batch, KafkaError::CorruptMessage, &error));
            }
        };
        for view in plain.views() {
            let view = match view {
                Ok(view) => view,
                Err(_) if array.count > 0 => {
                    array.out.push(b']');
                    return Ok(array.count);
                }
                Err(error) => {
                    return Err(array.unreadable(&batch, KafkaError::CorruptMessage, &error));
                }
            };
            let is_wanted = view.offset >= ask.offset && view.offset < records.high_watermark;
            if is_wanted && !array.push(&view)? {
                array.out.push(b']');
                return Ok(array.count);
            }
        }
    }
    array.out.push(b']');
    Ok(array.count)
}

struct Array<'a> {
    out: &'a mut Vec<u8>,
    ask: &'a Ask<'a>,
    count: usize,
    payload_bytes: usize,
}

impl Array<'_> {
    /// Appends a record; whether there is room for more.
    fn push(&mut self, record: &RecordView<'_>) -> Result<bool, ApiError> {
        let payload = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        if self.count > 0 && self.payload_bytes.saturating_add(payload) > self.ask.bytes_max {
            return Ok(false);
        }
        let before = self.out.len();
        if let Err(refusal) = self.write(record) {
            self.out.truncate(before);
            return if self.count == 0 {
                Err(refusal)
            } else {
                Ok(false)
            };
        }
        self.count += 1;
        self.payload_bytes += payload;
        Ok(self.payload_bytes < self.ask.bytes_max)
    }

    fn write(&mut self, record: &RecordView<'_>) -> Result<(), ApiError> {
        if self.count > 0 {
            self.out.push(b',');
        }
        self.out.extend_from_slice(b"{\"topic\":\"");
        self.out
            .extend_from_slice(self.ask.topic.as_str().as_bytes());
        self.out.extend_from_slice(b"\",\"key\":");
        self.embedded("key", record.key, record.offset)?;
        self.out.extend_from_slice(b",\"value\":");
        self.embedded("value", record.value, record.offset)?;
        self.out.extend_from_slice(b",\"partition\":");
        number_text::push(self.out, i64::from(self.ask.partition.0));
        self.out.extend_from_slice(b",\"offset\":");
        number_text::push(self.out, record.offset.0);
        self.out.extend_from_slice(b",\"timestamp\":");
        number_text::push(self.out, record.timestamp.0);
        if record.headers.count_left() > 0 {
            self.headers(record)?;
        }
        self.out.push(b'}');
        Ok(())
    }

    fn headers(&mut self, record: &RecordView<'_>) -> Result<(), ApiError> {
        self.out.extend_from_slice(b",\"headers\":[");
        for (place, header) in record.headers.enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            self.out.extend_from_slice(b"{\"key\":");
            // Names are UTF-8 by contract; what is not is shown as far as it is.
            self.string(&String::from_utf8_lossy(header.key))?;
            self.out.extend_from_slice(b",\"value\":");
            match header.value {
                Some(value) => self.base64(value),
                None => self.out.extend_from_slice(b"null"),
            }
            self.out.push(b'}');
        }
        self.out.push(b']');
        Ok(())
    }

    fn embedded(
        &mut self,
        what: &str,
        bytes: Option<&[u8]>,
        offset: Offset,
    ) -> Result<(), ApiError> {
        let Some(bytes) = bytes else {
            self.out.extend_from_slice(b"null");
            return Ok(());
        };
        match self.ask.format {
            EmbeddedFormat::Binary => self.base64(bytes),
            EmbeddedFormat::Text => {
                let text = std::str::from_utf8(bytes);
                self.string(text.map_err(|_| self.unfit(what, offset, "UTF-8 text"))?)?;
            }
            EmbeddedFormat::Json => {
                let json: Result<&RawValue, _> = serde_json::from_slice(bytes);
                let json = json.map_err(|_| self.unfit(what, offset, "JSON"))?;
                self.out.extend_from_slice(json.get().as_bytes());
            }
        }
        Ok(())
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        let length = base64::encoded_len(bytes.len(), true).unwrap_or_default();
        self.out.resize(start + length, 0);
        let room = self.out.get_mut(start..).unwrap_or_default();
        let written = STANDARD
            .encode_slice(bytes, room)
            .expect("the room was made for exactly these bytes");
        self.out.truncate(start + written);
        self.out.push(b'"');
    }

    fn string(&mut self, text: &str) -> Result<(), ApiError> {
        serde_json::to_writer(&mut *self.out, text)
            .map_err(|error| ApiError::new(500, error.to_string()))
    }

    fn unfit(&self, what: &str, offset: Offset, form: &str) -> ApiError {
        let message = format!(
            "the {what} at offset {offset} is not {form}; ask with \
             Accept: application/vnd.kafka.binary.v2+json, or from the next offset on"
        );
        ApiError::new(42203, message).with_details(serde_json::json!({ "offset": offset }))
    }

    /// A batch whose checksum is right and whose records nobody can read, or that is too large for
    /// this listener. To ask again is of no use; to ask behind it is.
    fn unreadable(
        &self,
        batch: &RecordBatch,
        kafka_error: KafkaError,
        error: &dyn std::error::Error,
    ) -> ApiError {
        let header = batch.header();
        let (first, next) = (header.base_offset, header.next_offset());
        let message =
            format!("the batch at offset {first} cannot be read: {error}; ask from {next} on");
        let mut refusal = ApiError::new(42203, message);
        refusal.body.kafka_error = Some(kafka_error);
        refusal.with_details(serde_json::json!({ "offset": first, "next_offset": next }))
    }

    fn damaged(&self, error: &dyn std::error::Error) -> ApiError {
        let Ask {
            topic,
            partition,
            offset,
            ..
        } = self.ask;
        tracing::error!(%topic, %partition, %offset, %error, "damaged records");
        let message = format!("{topic}-{partition} holds damaged records: {error}");
        ApiError::kafka(KafkaError::CorruptMessage, message).with_code(50002)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use trimaran_api::rest::FetchedRecord;
    use trimaran_commit_log::{Codec, compress};
    use trimaran_types::record_batch::{BatchBuilder, TimestampType};
    use trimaran_types::{LeaderEpoch, Timestamp};

    fn records(values: &[Option<&[u8]>]) -> Records {
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        for value in values {
            let headers: &[(&str, Option<&[u8]>)] = &[("h\"", Some(b"hi")), ("n", None)];
            builder
                .push(Timestamp(5), Some(b"\"k\""), *value, headers)
                .unwrap();
        }
        let batch = builder.build().unwrap().stamped(Offset(10), LeaderEpoch(0));
        Records {
            bytes: batch.into_bytes(),
            high_watermark: Offset(10 + values.len() as i64),
            log_start: Offset(0),
            leader_epoch: LeaderEpoch(0),
        }
    }

    fn shown(
        records: &Records,
        offset: i64,
        bytes_max: usize,
        format: EmbeddedFormat,
    ) -> Result<Vec<FetchedRecord>, ApiError> {
        let topic = TopicName::new("t").unwrap();
        let ask = Ask {
            topic: &topic,
            partition: PartitionIndex(3),
            offset: Offset(offset),
            bytes_max,
            format,
        };
        let mut out = Vec::new();
        let count = write_records(&mut out, &ask, records)?;
        let read: Vec<FetchedRecord> = serde_json::from_slice(&out).unwrap();
        assert_eq!(read.len(), count);
        Ok(read)
    }

    #[test]
    fn every_format_shows_what_was_stored() {
        let records = records(&[Some(b"{\"a\": 1.0}"), None]);
        for (format, key, value) in [
            (EmbeddedFormat::Json, "\"k\"", r#"{"a":1.0}"#),
            (EmbeddedFormat::Text, r#""\"k\"""#, r#""{\"a\": 1.0}""#),
            (
                EmbeddedFormat::Binary,
                "\"ImsiIg==\"",
                "\"eyJhIjogMS4wfQ==\"",
            ),
        ] {
            let read = shown(&records, 0, 1000, format).unwrap();
            let first = &read[0];
            if format != EmbeddedFormat::Binary {
                assert_eq!(first.key.as_ref().unwrap().to_string(), key);
            }
            assert_eq!(first.value.as_ref().unwrap().to_string(), value);
            assert_eq!((first.offset, first.partition.0), (Offset(10), 3));
            assert_eq!(first.timestamp, Timestamp(5));
            assert_eq!(first.headers[0].key, "h\"");
            assert_eq!(first.headers[0].value.as_deref(), Some("aGk="));
            assert_eq!(first.headers[1].value, None);
            assert!(read[1].value.is_none());
        }
    }

    #[test]
    fn the_offset_the_bound_and_the_high_watermark_cut_the_array() {
        let mut records = records(&[Some(b"1"), Some(b"2"), Some(b"3"), Some(b"4")]);
        let offsets = |records: &Records, offset, bytes_max| -> Vec<i64> {
            shown(records, offset, bytes_max, EmbeddedFormat::Json)
                .unwrap()
                .iter()
                .map(|record| record.offset.0)
                .collect()
        };
        assert_eq!(offsets(&records, 12, 1000), [12, 13]);
        assert_eq!(offsets(&records, 10, 1), [10]);
        assert_eq!(offsets(&records, 10, 8), [10, 11]);
        records.high_watermark = Offset(12);
        assert_eq!(offsets(&records, 10, 1000), [10, 11]);
        assert!(offsets(&records, 12, 1000).is_empty());
        records.bytes = Bytes::new();
        assert!(offsets(&records, 0, 1000).is_empty());
    }

    #[test]
    fn what_is_not_json_ends_the_array_or_is_refused_when_it_comes_first() {
        let records = records(&[Some(b"1"), Some(b"{not json"), Some(b"3")]);
        let read = shown(&records, 0, 1000, EmbeddedFormat::Json).unwrap();
        assert_eq!(read.len(), 1);
        let refusal = shown(&records, 11, 1000, EmbeddedFormat::Json).unwrap_err();
        assert_eq!(refusal.body.error_code, 42203);
        assert!(refusal.body.message.contains("offset 11"), "{refusal}");
        assert_eq!(
            shown(&records, 11, 1000, EmbeddedFormat::Binary)
                .unwrap()
                .len(),
            2
        );
    }

    #[test]
    fn a_batch_that_nobody_can_read_withholds_nothing_before_it_and_names_the_way_on() {
        let good = records(&[Some(b"1"), Some(b"2")]);
        let limits = DecompressLimits::default();
        let plain = RecordBatch::parse(good.bytes.clone()).unwrap();
        for codec in [Codec::Snappy, Codec::Lz4] {
            let packed = compress(&plain, codec, &limits).unwrap();
            let poison = RecordBatch::assemble(packed.header(), b"no such thing").unwrap();
            let poison = poison.stamped(Offset(12), LeaderEpoch(0));
            let mut bytes = good.bytes.to_vec();
            bytes.extend_from_slice(poison.bytes());
            let all = Records {
                bytes: Bytes::from(bytes),
                high_watermark: Offset(14),
                ..good.clone()
            };
            let read = shown(&all, 10, 1000, EmbeddedFormat::Json).unwrap();
            assert_eq!(read.len(), 2);
            for format in [EmbeddedFormat::Json, EmbeddedFormat::Binary] {
                let refusal = shown(&all, 12, 1000, format).unwrap_err();
                assert_eq!(refusal.body.error_code, 42203);
                assert!(!refusal.body.retriable);
                let details = refusal.body.details.unwrap();
                assert_eq!(
                    (&details["offset"], &details["next_offset"]),
                    (&12.into(), &14.into())
                );
            }
        }
    }

    #[test]
    fn damaged_bytes_are_never_shown() {
        let mut records = records(&[Some(b"1")]);
        let mut bytes = records.bytes.to_vec();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        records.bytes = Bytes::from(bytes);
        let refusal = shown(&records, 0, 1000, EmbeddedFormat::Json).unwrap_err();
        assert_eq!(refusal.body.error_code, 50002);
    }
}
