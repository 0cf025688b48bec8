//! Laws of the format: round trip, damage is found, and another implementation agrees.

use bytes::{Bytes, BytesMut};
use kafka_protocol::indexmap::IndexMap;
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records as oracle;
use proptest::prelude::*;

use super::*;
use crate::limits::{BATCH_BYTES_MAX, RECORD_HEADERS_MAX};
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

type Headers = Vec<(String, Option<Vec<u8>>)>;

#[derive(Debug, Clone)]
struct Input {
    timestamp: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Headers,
}

fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let bytes = || prop::option::of(prop::collection::vec(any::<u8>(), 0..200));
    let headers = prop::collection::vec(("[a-z]{0,8}", bytes()), 0..4);
    let record = (0..i64::MAX / 2, bytes(), bytes(), headers).prop_map(
        |(timestamp, key, value, headers)| Input {
            timestamp,
            key,
            value,
            headers,
        },
    );
    prop::collection::vec(record, 1..20)
}

fn build(inputs: &[Input]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for input in inputs {
        let headers: Vec<(&str, Option<&[u8]>)> = input
            .headers
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_deref()))
            .collect();
        let (key, value) = (input.key.as_deref(), input.value.as_deref());
        builder
            .push(Timestamp(input.timestamp), key, value, &headers)
            .expect("small");
    }
    let bytes = builder.bytes();
    let batch = builder.build().expect("not empty");
    assert_eq!(batch.bytes().len(), bytes);
    batch
}

fn assert_holds(records: Vec<Record>, inputs: &[Input], base_offset: i64) {
    assert_eq!(records.len(), inputs.len());
    for (place, (record, input)) in records.into_iter().zip(inputs).enumerate() {
        assert_eq!(
            record.offset,
            Offset(base_offset).plus(i64::try_from(place).unwrap())
        );
        assert_eq!(record.timestamp.0, input.timestamp);
        assert_eq!(record.key.as_deref(), input.key.as_deref());
        assert_eq!(record.value.as_deref(), input.value.as_deref());
        let headers: Headers = record
            .headers
            .into_iter()
            .map(|h| {
                (
                    String::from_utf8(h.key.to_vec()).unwrap(),
                    h.value.map(|v| v.to_vec()),
                )
            })
            .collect();
        assert_eq!(headers, input.headers);
    }
}

fn oracle_record(input: &Input, offset: i64) -> oracle::Record {
    oracle::Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: 7,
        producer_id: 9,
        producer_epoch: 3,
        timestamp_type: oracle::TimestampType::Creation,
        offset,
        // Numbered, or the encoder makes one batch a record.
        sequence: i32::try_from(offset).unwrap(),
        timestamp: input.timestamp,
        key: input.key.clone().map(Bytes::from),
        value: input.value.clone().map(Bytes::from),
        headers: input
            .headers
            .iter()
            .map(|(k, v)| (StrBytes::from_string(k.clone()), v.clone().map(Bytes::from)))
            .collect::<IndexMap<_, _>>(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_is_built_is_read_back(inputs in inputs(), base in 0..1_i64 << 40, epoch in 0..i32::MAX) {
        let batch = build(&inputs);
        let stamped = batch.clone().stamped(Offset(base), LeaderEpoch(epoch));
        let batch = RecordBatch::parse(batch.into_bytes()).unwrap();
        prop_assert!(batch.header().is_dense());
        assert_holds(batch.records().unwrap().map(Result::unwrap).collect(), &inputs, 0);

        let again = RecordBatch::parse(stamped.bytes().clone()).unwrap();
        prop_assert_eq!(&again, &stamped);
        prop_assert_eq!(again.header().base_offset, Offset(base));
        prop_assert_eq!(again.header().leader_epoch, Some(LeaderEpoch(epoch)));
        let last = base + i64::try_from(inputs.len()).unwrap() - 1;
        prop_assert_eq!(again.header().last_offset(), Offset(last));
        prop_assert_eq!(again.header().next_offset(), Offset(last + 1));
        assert_holds(again.records().unwrap().map(Result::unwrap).collect(), &inputs, base);
        let max = inputs.iter().map(|i| i.timestamp).max().unwrap();
        prop_assert_eq!(again.header().max_timestamp, Timestamp(max));
    }

    #[test]
    fn another_implementation_reads_what_is_built(mut inputs in inputs()) {
        inputs.iter_mut().for_each(|i| distinct_headers(&mut i.headers));
        let batch = build(&inputs).stamped(Offset(40), LeaderEpoch(6));
        let mut bytes = batch.into_bytes();
        let set = oracle::RecordBatchDecoder::decode(&mut bytes).unwrap();
        prop_assert_eq!(set.records.len(), inputs.len());
        for (place, (theirs, input)) in set.records.iter().zip(&inputs).enumerate() {
            prop_assert_eq!(theirs.offset, 40 + i64::try_from(place).unwrap());
            prop_assert_eq!(theirs.partition_leader_epoch, 6);
            prop_assert_eq!(theirs.producer_id, -1);
            prop_assert_eq!(theirs.timestamp, input.timestamp);
            prop_assert_eq!(theirs.key.as_deref(), input.key.as_deref());
            prop_assert_eq!(theirs.value.as_deref(), input.value.as_deref());
            let headers: Headers = theirs.headers.iter()
                .map(|(k, v)| (k.to_string(), v.as_ref().map(|v| v.to_vec())))
                .collect();
            prop_assert_eq!(&headers, &input.headers);
        }
    }

    #[test]
    fn what_another_implementation_builds_is_read(mut inputs in inputs(), base in 0..1000_i64) {
        inputs.iter_mut().for_each(|i| distinct_headers(&mut i.headers));
        // The encoder takes the smallest timestamp as base, this one the first.
        inputs.sort_by_key(|i| i.timestamp);
        let records: Vec<_> = (base..).zip(&inputs).map(|(o, i)| oracle_record(i, o)).collect();
        let options = oracle::RecordEncodeOptions { version: 2, compression: oracle::Compression::None };
        let mut theirs = BytesMut::new();
        oracle::RecordBatchEncoder::encode(&mut theirs, &records, &options).unwrap();

        let batch = RecordBatch::parse(theirs.freeze()).unwrap();
        prop_assert_eq!(batch.header().leader_epoch, Some(LeaderEpoch(7)));
        let producer = BatchProducer { id: ProducerId(9), epoch: ProducerEpoch(3), base_sequence: i32::try_from(base).unwrap() };
        prop_assert_eq!(batch.header().producer, Some(producer));
        assert_holds(batch.records().unwrap().map(Result::unwrap).collect(), &inputs, base);

        let mut ours = BatchBuilder::new(TimestampType::CreateTime).producer(producer);
        for input in &inputs {
            let headers: Vec<_> = input.headers.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
            ours.push(Timestamp(input.timestamp), input.key.as_deref(), input.value.as_deref(), &headers).unwrap();
        }
        let ours = ours.build().unwrap().stamped(Offset(base), LeaderEpoch(7));
        prop_assert_eq!(ours.bytes(), batch.bytes());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = split(Bytes::from(bytes)).count();
    }

    /// Damage the records and repair the checksum: the walk itself must hold.
    #[test]
    fn hostile_records_never_panic(
        inputs in inputs(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = build(&inputs).into_bytes().to_vec();
        for (at, byte) in damage {
            let at = 21 + at.index(bytes.len() - 21);
            bytes[at] = byte;
        }
        let crc = crc32c::crc32c(&bytes[21..]);
        bytes[17..21].copy_from_slice(&crc.to_be_bytes());
        if let Ok(batch) = RecordBatch::parse(Bytes::from(bytes))
            && let (Ok(owned), Ok(views)) = (batch.records(), batch.record_views())
        {
            let owned: Vec<_> = owned.map(|r| r.map(|r| (r.offset, r.value))).collect();
            let views: Vec<_> = views
                .map(|r| r.map(|r| (r.offset, r.value.map(Bytes::copy_from_slice))))
                .collect();
            prop_assert_eq!(owned, views);
        }
    }
}

fn distinct_headers(headers: &mut Headers) {
    let mut seen = std::collections::BTreeSet::new();
    headers.retain(|(key, _)| seen.insert(key.clone()));
}

fn sample() -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    builder
        .push(
            Timestamp(1_000),
            Some(b"k"),
            Some(b"value"),
            &[("h", Some(b"x"))],
        )
        .unwrap();
    builder.push(Timestamp(999), None, None, &[]).unwrap();
    builder.build().unwrap().stamped(Offset(5), LeaderEpoch(2))
}

#[test]
fn golden_bytes() {
    let expected: Vec<u8> = [
        &[0, 0, 0, 0, 0, 0, 0, 5][..],
        &[0, 0, 0, 73],
        &[0, 0, 0, 2],
        &[2],
        &[0x49, 0x3f, 0xcf, 0x1a],
        &[0, 0],
        &[0, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 3, 0xe8],
        &[0, 0, 0, 0, 0, 0, 3, 0xe8],
        &[0xff; 8],
        &[0xff; 2],
        &[0xff; 4],
        &[0, 0, 0, 2],
        // length 16, attributes, +0 ms, +0, "k", "value", one header "h" = "x"
        &[
            32, 0, 0, 0, 2, b'k', 10, b'v', b'a', b'l', b'u', b'e', 2, 2, b'h', 2, b'x',
        ],
        // length 6, attributes, -1 ms, +1, null, null, no header
        &[12, 0, 1, 2, 1, 1, 0],
    ]
    .concat();
    let batch = sample();
    assert_eq!(batch.bytes()[..], expected[..]);
    assert_eq!(batch.header().crc, crc32c::crc32c(&expected[21..]));
}

#[test]
fn every_flipped_bit_under_the_checksum_is_found() {
    let good = sample().into_bytes();
    for bit in 17 * 8..good.len() * 8 {
        let mut bad = good.to_vec();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(RecordBatch::parse(Bytes::from(bad)).is_err(), "bit {bit}");
    }
}

#[test]
fn every_truncation_is_found() {
    let good = sample().into_bytes();
    for length in 0..good.len() {
        let found = RecordBatch::parse(good.slice(..length));
        assert!(
            matches!(found, Err(BatchError::Truncated { .. })),
            "{length}: {found:?}"
        );
    }
    let longer = Bytes::from([&good[..], &[0]].concat());
    assert!(matches!(
        RecordBatch::parse(longer),
        Err(BatchError::TrailingBytes { .. })
    ));
}

#[test]
fn concatenated_batches_are_split_and_a_partial_one_is_reported() {
    let one = sample();
    let two = sample().stamped(Offset(7), LeaderEpoch(2));
    let both = Bytes::from([&one.bytes()[..], two.bytes()].concat());
    assert_eq!(
        split(both.clone()).collect::<Vec<_>>(),
        [Ok(one.clone()), Ok(two)]
    );
    assert_eq!(split(Bytes::new()).count(), 0);
    for cut in 1..one.bytes().len() {
        let parts: Vec<_> = split(both.slice(..both.len() - cut)).collect();
        assert_eq!(parts.len(), 2, "{cut}");
        assert_eq!(parts[0], Ok(one.clone()));
        assert!(
            matches!(parts[1], Err(BatchError::Truncated { .. })),
            "{cut}"
        );
    }
}

#[test]
fn impossible_headers_are_refused() {
    let with = |at: usize, bytes: &[u8]| {
        let mut raw = sample().into_bytes().to_vec();
        raw[at..at + bytes.len()].copy_from_slice(bytes);
        BatchHeader::parse(&raw).unwrap_err()
    };
    assert_eq!(with(16, &[1]), BatchError::UnsupportedMagic { magic: 1 });
    for length in [
        -1,
        0,
        48,
        i32::MAX,
        i32::try_from(BATCH_BYTES_MAX).unwrap() - 11,
    ] {
        assert_eq!(
            with(8, &length.to_be_bytes()),
            BatchError::LengthOutOfBounds { length }
        );
    }
    for base_offset in [-1, i64::MAX, i64::MAX - 1] {
        let error = BatchError::OffsetOutOfBounds {
            base_offset,
            last_offset_delta: 1,
        };
        assert_eq!(with(0, &base_offset.to_be_bytes()), error);
    }
    assert!(matches!(
        with(23, &[0xff; 4]),
        BatchError::OffsetOutOfBounds { .. }
    ));
    for count in [-1, 3, i32::MAX] {
        assert!(matches!(
            with(57, &count.to_be_bytes()),
            BatchError::RecordCount { .. }
        ));
    }
    assert_eq!(
        with(21, &[0, 5]),
        BatchError::UnknownCompression { attributes: 5 }
    );
}

#[test]
fn compressed_records_are_not_walked() {
    let mut raw = sample().into_bytes().to_vec();
    raw[22] = 4;
    let crc = crc32c::crc32c(&raw[21..]);
    raw[17..21].copy_from_slice(&crc.to_be_bytes());
    let batch = RecordBatch::parse(Bytes::from(raw)).unwrap();
    let codec = Compression::Zstd;
    assert_eq!(
        batch.records().err(),
        Some(BatchError::Compressed { codec })
    );
}

#[test]
fn append_time_is_the_timestamp_of_every_record() {
    let mut builder = BatchBuilder::new(TimestampType::LogAppendTime);
    for timestamp in [5, 9, 7] {
        builder
            .push(Timestamp(timestamp), None, Some(b""), &[])
            .unwrap();
    }
    let batch = builder.build().unwrap();
    assert!(
        batch
            .records()
            .unwrap()
            .all(|r| r.unwrap().timestamp == Timestamp(9))
    );
}

#[test]
fn the_limit_is_exact_and_leaves_the_batch_as_it_was() {
    let full = {
        let mut builder = BatchBuilder::new(TimestampType::CreateTime);
        builder
            .push(Timestamp(0), None, Some(&[0; 100]), &[])
            .unwrap();
        builder.bytes()
    };
    let mut builder = BatchBuilder::with_bytes_max(TimestampType::CreateTime, full);
    assert!(
        builder
            .push(Timestamp(0), None, Some(&[0; 101]), &[])
            .is_err()
    );
    assert!(builder.is_empty());
    builder
        .push(Timestamp(0), None, Some(&[0; 100]), &[])
        .unwrap();
    let error = builder.push(Timestamp(0), None, None, &[]).unwrap_err();
    assert_eq!(
        error,
        BatchTooLarge {
            bytes: full + 7,
            bytes_max: full
        }
    );
    assert_eq!((builder.len(), builder.bytes()), (1, full));
    assert!(RecordBatch::parse(builder.build().unwrap().into_bytes()).is_ok());
    assert_eq!(BatchBuilder::new(TimestampType::CreateTime).build(), None);
}

#[test]
fn too_many_headers_are_refused_on_reading() {
    let headers = vec![("", None); RECORD_HEADERS_MAX + 1];
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    builder.push(Timestamp(0), None, None, &headers).unwrap();
    let batch = builder.build().unwrap();
    let what = "it has too many headers";
    assert_eq!(
        batch.record_views().unwrap().find_map(Result::err),
        Some(BatchError::MalformedRecord { number: 0, what })
    );
}

#[test]
fn stamping_keeps_other_holders_bytes() {
    let batch = sample();
    let kept = batch.bytes().clone();
    let stamped = batch.stamped(Offset(77), LeaderEpoch(9));
    assert_eq!(&kept[..8], &5_i64.to_be_bytes());
    assert_eq!(&stamped.bytes()[..8], &77_i64.to_be_bytes());
    assert_eq!(stamped.bytes()[17..], kept[17..]);
}
