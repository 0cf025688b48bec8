//! What a producer may send: one test for each rule, and each rule under every codec.

use trimaran_commit_log::{
    DecompressLimits, ProducedError, ProducedRules, TimestampBounds, TopicCompression,
    admit_produced, admit_unopened, compress, decompress,
};
use trimaran_types::record_batch::{
    Attributes, BatchBuilder, BatchError, BatchHeader, BatchProducer, Compression, RecordBatch,
    TimestampType, put_varint, put_varlong,
};
use trimaran_types::{KafkaError, LeaderEpoch, Offset, Timestamp};

use crate::{CODECS, batch_at};

/// The batch plain, and under every codec.
fn every_way(plain: &RecordBatch) -> Vec<RecordBatch> {
    let limits = DecompressLimits::default();
    let packed = CODECS.map(|codec| compress(plain, codec, &limits).unwrap());
    [plain.clone()].into_iter().chain(packed).collect()
}

/// A plain batch of hand-made records: offset delta and key.
fn by_hand(records: &[(i32, Option<&[u8]>)]) -> RecordBatch {
    let template = batch_at(&[(1, "x")]);
    let mut bytes = Vec::new();
    for (delta, key) in records {
        let mut body = vec![0];
        put_varlong(&mut body, 0);
        put_varint(&mut body, *delta);
        match key {
            None => put_varint(&mut body, -1),
            Some(key) => {
                put_varint(&mut body, i32::try_from(key.len()).unwrap());
                body.extend_from_slice(key);
            }
        }
        put_varint(&mut body, -1);
        put_varint(&mut body, 0);
        put_varint(&mut bytes, i32::try_from(body.len()).unwrap());
        bytes.extend_from_slice(&body);
    }
    let count = u32::try_from(records.len()).unwrap();
    let header = BatchHeader {
        record_count: count,
        last_offset_delta: count - 1,
        ..*template.header()
    };
    RecordBatch::assemble(&header, &bytes).unwrap()
}

fn with_header(batch: &RecordBatch, change: impl FnOnce(&mut BatchHeader)) -> RecordBatch {
    let mut header = *batch.header();
    change(&mut header);
    RecordBatch::assemble(&header, &batch.record_bytes()).unwrap()
}

fn refusal(batch: RecordBatch) -> (ProducedError, KafkaError) {
    let error = admit_produced(batch, &ProducedRules::default()).unwrap_err();
    let kafka_error = error.kafka_error();
    (error, kafka_error)
}

#[test]
fn a_good_batch_passes_untouched() {
    for batch in every_way(&batch_at(&[(1, "a"), (3, "b"), (2, "c")])) {
        let admitted = admit_produced(batch.clone(), &ProducedRules::default()).unwrap();
        assert_eq!(admitted.bytes(), batch.bytes());
    }
}

#[test]
fn the_header_must_be_a_producer_s() {
    for batch in every_way(&batch_at(&[(1, "a"), (2, "b")])) {
        let stamped = batch.clone().stamped(Offset(7), LeaderEpoch(0));
        let base_offset = Offset(7);
        assert_eq!(
            refusal(stamped),
            (
                ProducedError::BaseOffset { base_offset },
                KafkaError::InvalidRecord
            )
        );
        let sparse = with_header(&batch, |header| header.last_offset_delta = 2);
        let expected = ProducedError::RecordCount {
            count: 2,
            last_offset_delta: 2,
        };
        assert_eq!(refusal(sparse), (expected, KafkaError::InvalidRecord));
        let control = with_header(&batch, |header| {
            header.attributes = Attributes::from_bits(header.attributes.bits() | 1 << 5).unwrap();
        });
        assert_eq!(
            refusal(control),
            (ProducedError::Control, KafkaError::InvalidRecord)
        );
        let append_time = batch.clone().with_append_time(Timestamp(9));
        assert_eq!(
            refusal(append_time),
            (ProducedError::AppendTime, KafkaError::InvalidTimestamp)
        );
        let unnumbered = with_header(&batch, |header| {
            header.producer = Some(BatchProducer {
                id: trimaran_types::ProducerId(5),
                epoch: trimaran_types::ProducerEpoch(0),
                base_sequence: -1,
            });
        });
        let expected = ProducedError::NoSequence {
            producer_id: trimaran_types::ProducerId(5),
            base_sequence: -1,
        };
        assert_eq!(refusal(unnumbered), (expected, KafkaError::InvalidRecord));
    }
}

#[test]
fn one_record_too_far_from_the_clock_refuses_its_batch() {
    let now = Timestamp(7_200_000);
    let rules = ProducedRules {
        timestamps: Some((TimestampBounds::default(), now)),
        ..ProducedRules::default()
    };
    let late = now.0 + 3_600_000;
    for batch in every_way(&batch_at(&[(0, "old"), (late, "late"), (-1, "untimed")])) {
        assert_eq!(admit_produced(batch.clone(), &rules).unwrap(), batch);
    }
    for batch in every_way(&batch_at(&[(0, "old"), (late + 1, "late"), (5, "old")])) {
        let error = admit_produced(batch.clone(), &rules).unwrap_err();
        assert!(
            matches!(error, ProducedError::TimestampOutOfBounds(_)),
            "{error}"
        );
        assert_eq!(error.kafka_error(), KafkaError::InvalidTimestamp);
        assert!(admit_produced(batch, &ProducedRules::default()).is_ok());
    }
}

#[test]
fn what_only_the_cluster_may_say_is_refused_opened_or_not() {
    let mark = |batch: &RecordBatch, bits: i16| {
        with_header(batch, |header| {
            header.attributes = Attributes::from_bits(header.attributes.bits() | bits).unwrap();
        })
    };
    for batch in every_way(&batch_at(&[(1, "a"), (2, "b")])) {
        let early = with_header(&batch, |header| header.base_timestamp = Timestamp(-5));
        for (bad, expected) in [
            (mark(&batch, 1 << 4), ProducedError::NoProducer),
            (mark(&batch, 1 << 5), ProducedError::Control),
            (mark(&batch, 1 << 6), ProducedError::DeleteHorizon),
            (early, ProducedError::Timestamp { timestamp: -5 }),
        ] {
            assert_eq!(admit_unopened(bad.clone()).unwrap_err(), expected);
            assert_eq!(refusal(bad).0, expected);
        }
        assert_eq!(admit_unopened(batch.clone()).unwrap(), batch);
    }
    // A producer without a clock.
    let untimed = batch_at(&[(-1, "a")]);
    assert_eq!(admit_unopened(untimed.clone()).unwrap(), untimed);
}

#[test]
fn unopened_records_are_judged_where_they_are_plain() {
    let key: Option<&[u8]> = Some(b"k");
    let twice = by_hand(&[(0, key), (0, key), (2, key)]);
    assert!(admit_unopened(twice).is_err());
    let codec = CODECS[0];
    let packed = compress(&batch_at(&[(1, "a")]), codec, &DecompressLimits::default()).unwrap();
    let garbage = RecordBatch::assemble(packed.header(), b"garbage").unwrap();
    assert!(admit_unopened(garbage).is_ok(), "left to its readers");
    let late = batch_at(&[(10, "a"), (30, "b")]).with_max_timestamp(Timestamp(i64::MAX));
    let admitted = admit_unopened(late).unwrap();
    assert_eq!(admitted.header().max_timestamp, Timestamp(30));
}

#[test]
fn an_empty_batch_is_refused() {
    let empty = with_header(&batch_at(&[(1, "a")]), |header| header.record_count = 0);
    assert!(matches!(
        refusal(empty).0,
        ProducedError::RecordCount { count: 0, .. }
    ));
}

#[test]
fn the_records_must_be_as_many_as_counted() {
    let two = batch_at(&[(1, "nine bytes"), (2, "or ten")]);
    for (counted, what) in [(1, "left over"), (3, "length")] {
        let lying = with_header(&two, |header| {
            header.record_count = counted;
            header.last_offset_delta = counted - 1;
        });
        for batch in every_way(&lying) {
            match refusal(batch) {
                (
                    ProducedError::Malformed(BatchError::MalformedRecord { what: found, .. }),
                    KafkaError::CorruptMessage,
                ) => assert!(found.contains(what), "{found}"),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn offsets_must_follow_each_other_from_zero() {
    let key: Option<&[u8]> = Some(b"k");
    for batch in every_way(&by_hand(&[(0, key), (1, key), (2, key)])) {
        assert!(admit_produced(batch, &ProducedRules::default()).is_ok());
    }
    for batch in every_way(&by_hand(&[(1, key), (2, key), (2, key)])) {
        let expected = ProducedError::OffsetGap {
            number: 0,
            delta: 1,
        };
        assert_eq!(refusal(batch), (expected, KafkaError::InvalidRecord));
    }
    // Twice the same, backwards, or outside the batch: no walk goes over it at all.
    for deltas in [[0, 0, 1], [0, 2, 1], [0, 1, 3], [0, 1, -1]] {
        let records = deltas.map(|delta| (delta, key));
        for batch in every_way(&by_hand(&records)) {
            let (_, kafka_error) = refusal(batch);
            assert!([KafkaError::InvalidRecord, KafkaError::CorruptMessage].contains(&kafka_error));
        }
    }
}

#[test]
fn a_compacted_topic_demands_keys() {
    let rules = ProducedRules {
        compacted: true,
        ..ProducedRules::default()
    };
    for batch in every_way(&by_hand(&[(0, Some(b"k")), (1, None)])) {
        assert!(admit_produced(batch.clone(), &ProducedRules::default()).is_ok());
        let error = admit_produced(batch, &rules).unwrap_err();
        assert_eq!(error, ProducedError::NoKey { number: 1 });
        assert_eq!(error.kafka_error(), KafkaError::InvalidRecord);
    }
    // An empty key is a key.
    for batch in every_way(&by_hand(&[(0, Some(b""))])) {
        assert!(admit_produced(batch, &rules).is_ok());
    }
}

#[test]
fn a_largest_timestamp_that_lies_is_put_right() {
    let good = batch_at(&[(10, "a"), (30, "b"), (20, "c")]);
    for wrong in [0, 29, 31, i64::MAX] {
        for batch in every_way(&good.clone().with_max_timestamp(Timestamp(wrong))) {
            let admitted = admit_produced(batch.clone(), &ProducedRules::default()).unwrap();
            assert_eq!(admitted.header().max_timestamp, Timestamp(30));
            assert_eq!(admitted.record_bytes(), batch.record_bytes());
            assert!(RecordBatch::parse(admitted.into_bytes()).is_ok());
        }
    }
}

#[test]
fn a_bomb_and_garbage_are_refused() {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    builder
        .push(Timestamp(1), None, Some(&vec![0; 500_000]), &[])
        .unwrap();
    let zeros = builder.build().unwrap();
    let limits = DecompressLimits {
        any_ratio_bytes_max: 1_000,
        ratio_max: 2,
        ..DecompressLimits::default()
    };
    let rules = ProducedRules {
        limits,
        ..ProducedRules::default()
    };
    for codec in CODECS {
        let bomb = compress(&zeros, codec, &DecompressLimits::default()).unwrap();
        let error = admit_produced(bomb.clone(), &rules).unwrap_err();
        assert_eq!(error.kafka_error(), KafkaError::MessageTooLarge);
        assert!(error.to_string().contains("become more than"), "{error}");
        let garbage = RecordBatch::assemble(bomb.header(), b"garbage").unwrap();
        assert_eq!(refusal(garbage).1, KafkaError::CorruptMessage);
    }
}

#[test]
fn another_codec_is_put_in_its_place_and_the_same_records_are_in_it() {
    let value = "many words ".repeat(60);
    let plain = batch_at(&[(1, &value), (2, &value)]);
    let limits = DecompressLimits::default();
    let wanted = ["uncompressed", "gzip", "snappy", "lz4", "zstd"];
    for sent in every_way(&plain) {
        for name in wanted {
            let rules = ProducedRules {
                compression: name.parse::<TopicCompression>().unwrap(),
                ..ProducedRules::default()
            };
            let admitted = admit_produced(sent.clone(), &rules).unwrap();
            let compression = admitted.header().attributes.compression();
            let expected = if name == "uncompressed" {
                Compression::None.name()
            } else {
                name
            };
            assert_eq!(compression.name(), expected);
            let records = decompress(&admitted, &limits).unwrap();
            assert_eq!(records.bytes(), &plain.record_bytes());
        }
    }
}
