//! Batches put together again, or with header fields changed: what must change does, nothing else.

use super::*;
use crate::limits::BATCH_BYTES_MAX;
use crate::{LeaderEpoch, Offset, ProducerEpoch, ProducerId, Timestamp};

fn batch() -> RecordBatch {
    let producer = BatchProducer {
        id: ProducerId(9),
        epoch: ProducerEpoch(1),
        base_sequence: 4,
    };
    let mut builder = BatchBuilder::new(TimestampType::CreateTime).producer(producer);
    for timestamp in [5, 9, 7] {
        builder
            .push(Timestamp(timestamp), Some(b"k"), Some(b"v"), &[])
            .unwrap();
    }
    builder.build().unwrap().stamped(Offset(40), LeaderEpoch(3))
}

#[test]
fn a_batch_is_put_together_from_its_parts() {
    let batch = batch();
    let again = RecordBatch::assemble(batch.header(), &batch.record_bytes()).unwrap();
    assert_eq!(again, batch);
    // Length and checksum are computed, whatever the header says.
    let wrong = BatchHeader {
        batch_length: 1,
        crc: 1,
        ..*batch.header()
    };
    let again = RecordBatch::assemble(&wrong, &batch.record_bytes()).unwrap();
    assert_eq!(again, batch);
    assert_eq!(RecordBatch::parse(again.into_bytes()).unwrap(), batch);
}

#[test]
fn parts_that_make_no_batch_are_refused() {
    let header = *batch().header();
    let too_many = vec![0; BATCH_BYTES_MAX];
    assert!(matches!(
        RecordBatch::assemble(&header, &too_many),
        Err(BatchError::LengthOutOfBounds { .. })
    ));
    let too_few = RecordBatch::assemble(&header, b"x");
    assert!(matches!(too_few, Err(BatchError::RecordCount { .. })));
}

#[test]
fn attributes_change_one_thing_at_a_time() {
    // Transactional, control, delete horizon and the unused bits stay.
    for bits in [0_i16, 0x70, !0x7 & i16::MAX] {
        let attributes = Attributes::from_bits(bits).unwrap();
        for compression in [
            Compression::None,
            Compression::Gzip,
            Compression::Snappy,
            Compression::Lz4,
            Compression::Zstd,
        ] {
            let packed = attributes.with_compression(compression);
            assert_eq!(packed.compression(), compression);
            assert_eq!(packed.bits() & !0x7, bits);
            assert_eq!(packed.with_compression(Compression::None), attributes);
        }
        for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
            let other = attributes.with_timestamp_type(timestamp_type);
            assert_eq!(other.timestamp_type(), timestamp_type);
            assert_eq!(other.bits() & !0x8, bits & !0x8);
        }
    }
}

#[test]
fn an_append_time_changes_three_fields_and_every_record_s_time() {
    let before = batch();
    // Shared or not, the other holder's bytes stay as they are.
    let shared = before.clone();
    let after = shared.with_append_time(Timestamp(100));
    let mut expected = before.bytes().to_vec();
    expected[21..23].copy_from_slice(&8_i16.to_be_bytes());
    expected[35..43].copy_from_slice(&100_i64.to_be_bytes());
    let crc = crc32c::crc32c(&expected[21..]);
    expected[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(after.bytes()[..], expected);
    assert_eq!(RecordBatch::parse(after.bytes().clone()).unwrap(), after);
    let times = after
        .record_views()
        .unwrap()
        .map(|it| it.unwrap().timestamp);
    assert!(times.eq([100; 3].map(Timestamp)));
    assert_eq!(before, batch());
}

#[test]
fn a_largest_timestamp_changes_alone_and_not_without_need() {
    let before = batch();
    let at = before.bytes().as_ptr();
    let same = before.with_max_timestamp(Timestamp(9));
    assert_eq!(same.bytes().as_ptr(), at);
    let other = same.with_max_timestamp(Timestamp(50));
    assert_eq!(other.header().max_timestamp, Timestamp(50));
    assert_eq!(other.with_max_timestamp(Timestamp(9)), batch());
}
