//! Another implementation in Rust, `kafka-protocol`, as oracle: with its own lz4, for one.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as oracle;
use proptest::prelude::*;
use trimaran_commit_log::{Codec, DecompressLimits, compress, decompress};
use trimaran_types::Timestamp;
use trimaran_types::record_batch::{BatchBuilder, Compression, RecordBatch, TimestampType};

use crate::{CODECS, offset};

type Input = (Option<Vec<u8>>, Option<Vec<u8>>, String);

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let part = || prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    prop::collection::vec((part(), part(), "[a-z]{0,8}"), 1..60)
}

fn theirs_of(codec: Codec) -> oracle::Compression {
    match codec.compression() {
        Compression::None => oracle::Compression::None,
        Compression::Gzip => oracle::Compression::Gzip,
        Compression::Snappy => oracle::Compression::Snappy,
        Compression::Lz4 => oracle::Compression::Lz4,
        Compression::Zstd => oracle::Compression::Zstd,
    }
}

fn their_record(number: usize, (key, value, header): &Input) -> oracle::Record {
    let mut headers = IndexMap::new();
    let name = StrBytes::from_string(header.clone());
    headers.insert(name, Some(Bytes::from_static(b"h")));
    oracle::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 7,
        producer_id: 9,
        producer_epoch: 3,
        timestamp_type: oracle::TimestampType::Creation,
        offset: offset(number).0,
        // Numbered, or the encoder makes one batch a record.
        sequence: i32::try_from(number).unwrap(),
        timestamp: 1_000 + offset(number).0,
        key: key.clone().map(Bytes::from),
        value: value.clone().map(Bytes::from),
        headers,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_it_compresses_is_read(inputs in inputs(), repeated in 1..30_usize) {
        let inputs = repeat(inputs, repeated);
        let records: Vec<_> = inputs.iter().enumerate().map(|(n, it)| their_record(n, it)).collect();
        for codec in CODECS {
            let options = oracle::RecordEncodeOptions { version: 2, compression: theirs_of(codec) };
            let mut bytes = BytesMut::new();
            oracle::RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
            let batch = RecordBatch::parse(bytes.freeze()).unwrap();
            prop_assert_eq!(batch.header().attributes.compression(), codec.compression());
            let plain = decompress(&batch, &DecompressLimits::default()).unwrap();
            let read: Vec<_> = plain.records().map(Result::unwrap).collect();
            prop_assert_eq!(read.len(), inputs.len());
            for (number, (record, (key, value, header))) in read.iter().zip(&inputs).enumerate() {
                prop_assert_eq!(record.offset, offset(number));
                prop_assert_eq!(record.timestamp.0, 1_000 + offset(number).0);
                prop_assert_eq!(record.key.as_deref(), key.as_deref());
                prop_assert_eq!(record.value.as_deref(), value.as_deref());
                prop_assert_eq!(&record.headers[0].key[..], header.as_bytes());
            }
        }
    }

    #[test]
    fn what_is_compressed_here_it_reads(inputs in inputs(), repeated in 1..30_usize) {
        let inputs = repeat(inputs, repeated);
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        for (number, (key, value, header)) in inputs.iter().enumerate() {
            let headers: &[(&str, Option<&[u8]>)] = &[(header, Some(b"h"))];
            let timestamp = Timestamp(1_000 + offset(number).0);
            builder.push(timestamp, key.as_deref(), value.as_deref(), headers).unwrap();
        }
        let batch = builder.build().unwrap();
        for codec in CODECS {
            let ours = compress(&batch, codec, &DecompressLimits::default()).unwrap();
            let mut bytes = ours.into_bytes();
            let set = oracle::RecordBatchDecoder::decode(&mut bytes).unwrap();
            prop_assert_eq!(set.compression, theirs_of(codec));
            prop_assert_eq!(set.records.len(), inputs.len());
            for (number, (theirs, (key, value, _))) in set.records.iter().zip(&inputs).enumerate() {
                prop_assert_eq!(theirs.offset, offset(number).0);
                prop_assert_eq!(theirs.timestamp, 1_000 + offset(number).0);
                prop_assert_eq!(theirs.key.as_deref(), key.as_deref());
                prop_assert_eq!(theirs.value.as_deref(), value.as_deref());
            }
        }
    }
}

/// Longer values, so that the codecs have several blocks to write.
fn repeat(inputs: Vec<Input>, times: usize) -> Vec<Input> {
    let longer = |value: Option<Vec<u8>>| value.map(|value| value.repeat(times));
    inputs
        .into_iter()
        .map(|(key, value, header)| (key, longer(value), header))
        .collect()
}
