//! What Apache Kafka's Java client and librdkafka wrote; `tests/data/README.md` says how.

use bytes::Bytes;
use trimaran_commit_log::{
    DecompressLimits, ProducedRules, TopicCompression, admit_produced, compress, decompress,
};
use trimaran_types::record_batch::{
    BatchBuilder, BatchProducer, Record, RecordBatch, TimestampType,
};
use trimaran_types::{LeaderEpoch, Offset};

use crate::{CODECS, offset};

const RECORDS: usize = 500;
const WRITERS: [&str; 2] = ["java", "librdkafka"];

fn read(writer: &str, codec: &str) -> RecordBatch {
    let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let bytes = std::fs::read(format!("{dir}/{writer}-{codec}.batch")).unwrap();
    RecordBatch::parse(Bytes::from(bytes)).unwrap()
}

fn assert_is_record(record: &Record, number: usize, base: Offset) {
    let n = i64::try_from(number).unwrap();
    assert_eq!(record.offset, base.plus(n));
    assert_eq!(record.timestamp.0, 1_700_000_000_000 + n * 37 % 100);
    let key = (n % 5 != 4).then(|| format!("key-{n}"));
    assert_eq!(record.key.as_deref(), key.as_ref().map(String::as_bytes));
    let value = (n % 7 != 6).then(|| -> String {
        (0..12)
            .map(|k| format!("value {} ", n * 31 + k * 7 % 5))
            .collect()
    });
    assert_eq!(
        record.value.as_deref(),
        value.as_ref().map(String::as_bytes)
    );
    let headers: Vec<(&[u8], Option<&[u8]>)> = record
        .headers
        .iter()
        .map(|header| (&header.key[..], header.value.as_deref()))
        .collect();
    let trace = format!("t{n}");
    let expected: &[(&[u8], Option<&[u8]>)] =
        &[(b"trace", Some(trace.as_bytes())), (b"none", None)];
    assert_eq!(headers, if n % 3 == 0 { expected } else { &[] });
}

#[test]
fn every_record_is_read() {
    for codec in CODECS {
        for writer in WRITERS {
            let name = codec.compression().name();
            let batch = read(writer, name);
            let header = batch.header();
            assert_eq!(header.attributes.compression(), codec.compression());
            assert_eq!(
                header.attributes.timestamp_type(),
                TimestampType::CreateTime
            );
            assert_eq!(header.max_timestamp.0, 1_700_000_000_099);
            if writer == "java" {
                let producer = BatchProducer {
                    id: trimaran_types::ProducerId(4711),
                    epoch: trimaran_types::ProducerEpoch(3),
                    base_sequence: 42,
                };
                assert_eq!(header.base_offset, Offset(1000));
                assert_eq!(header.leader_epoch, Some(LeaderEpoch(9)));
                assert_eq!(header.producer, Some(producer));
            }
            let plain = decompress(&batch, &DecompressLimits::default()).unwrap();
            assert_eq!(plain.bytes().len(), 68_531);
            let records: Vec<Record> = plain.records().map(Result::unwrap).collect();
            assert_eq!(records.len(), RECORDS);
            for (number, record) in records.iter().enumerate() {
                assert_is_record(record, number, header.base_offset);
            }
        }
    }
}

/// What Kafka's client wrote without a codec comes out of our builder byte for byte.
#[test]
fn a_plain_batch_is_built_as_kafka_builds_it() {
    let theirs = read("java", "none");
    let mut builder =
        BatchBuilder::new(TimestampType::CreateTime).producer(theirs.header().producer.unwrap());
    for (number, record) in theirs.records().unwrap().enumerate() {
        let record = record.unwrap();
        assert_is_record(&record, number, Offset(1000));
        let headers: Vec<(&str, Option<&[u8]>)> = record
            .headers
            .iter()
            .map(|header| {
                let key = std::str::from_utf8(&header.key).unwrap();
                (key, header.value.as_deref())
            })
            .collect();
        let (key, value) = (record.key.as_deref(), record.value.as_deref());
        builder
            .push(record.timestamp, key, value, &headers)
            .unwrap();
    }
    let ours = builder.build().unwrap();
    let ours = ours.stamped(Offset(1000), LeaderEpoch(9));
    assert_eq!(ours.bytes(), theirs.bytes());
    assert_eq!(theirs.record_bytes().len(), 68_531);
    // The other files hold the same records.
    for codec in CODECS {
        let other = read("java", codec.compression().name());
        let plain = decompress(&other, &DecompressLimits::default()).unwrap();
        assert_eq!(plain.bytes(), &theirs.record_bytes());
    }
    let sent = theirs.stamped(Offset::ZERO, LeaderEpoch(0));
    let admitted = admit_produced(sent.clone(), &ProducedRules::default()).unwrap();
    assert_eq!(admitted.bytes(), sent.bytes());
}

#[test]
fn they_pass_as_they_are() {
    for codec in CODECS {
        for writer in WRITERS {
            let name = codec.compression().name();
            let theirs = read(writer, name);
            let sent = theirs.stamped(Offset::ZERO, LeaderEpoch(0));
            let same_codec: TopicCompression = name.parse().unwrap();
            for compression in [TopicCompression::Producer, same_codec] {
                let rules = ProducedRules {
                    compression,
                    ..ProducedRules::default()
                };
                let admitted = admit_produced(sent.clone(), &rules).unwrap();
                assert_eq!(admitted.bytes(), sent.bytes(), "{writer} {name}");
            }
        }
    }
}

/// Java, librdkafka and this code compress the same records; each must be read as the same.
#[test]
fn what_is_compressed_here_holds_the_same_records() {
    let limits = DecompressLimits::default();
    let theirs = read("java", "zstd");
    for codec in CODECS {
        let ours = compress(&theirs, codec, &limits).unwrap();
        let records = decompress(&ours, &limits).unwrap();
        for (number, record) in records.records().enumerate() {
            assert_is_record(&record.unwrap(), number, Offset(1000));
        }
        assert_eq!(
            ours.header().next_offset(),
            Offset(1000).plus(offset(RECORDS).0)
        );
        assert_eq!(ours.header().producer, theirs.header().producer);
        // No codec is far worse here than where the bytes came from.
        let name = codec.compression().name();
        let (our_bytes, their_bytes) = (ours.bytes().len(), read("java", name).bytes().len());
        assert!(
            our_bytes < their_bytes * 5 / 4,
            "{name} {our_bytes} {their_bytes}"
        );
    }
}

/// A foreign batch damaged at any byte is refused by its checksum; with the checksum put right, it
/// is refused or read, and never a panic.
#[test]
fn a_flip_anywhere_is_found_and_harmless() {
    for codec in CODECS {
        let bytes = read("librdkafka", codec.compression().name()).into_bytes();
        for at in (17..bytes.len()).step_by(37) {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 1 << (at % 8);
            assert!(
                RecordBatch::parse(Bytes::from(damaged.clone())).is_err(),
                "{at}"
            );
            let crc = crc32c::crc32c(&damaged[21..]);
            damaged[17..21].copy_from_slice(&crc.to_be_bytes());
            if let Ok(batch) = RecordBatch::parse(Bytes::from(damaged)) {
                let _ = admit_produced(batch, &ProducedRules::default());
            }
        }
    }
}
