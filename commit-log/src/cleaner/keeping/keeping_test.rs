//! The rules at their edges: a map that ends inside a batch, and batches that no longer fit.

use trimaran_types::Offset;
use trimaran_types::limits::BATCH_BYTES_MAX;
use trimaran_types::record_batch::{BatchBuilder, Compression, TimestampType};

use super::*;

type Keyed<'a> = (&'a str, Option<&'a [u8]>);

fn keyed(records: &[Keyed<'_>]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for (key, value) in records {
        let key = Some(key.as_bytes());
        builder.push(Timestamp(7), key, *value, &[]).unwrap();
    }
    builder.build().unwrap().stamped(Offset(0), LeaderEpoch(0))
}

/// Judges a batch that is neither the first nor the last of anything, with a map up to `map_end` in
/// which `last` is what the keys' last records are.
fn judged(batch: &RecordBatch, map_end: i64, last: &[(&str, i64)]) -> Result<Kept, RecordsError> {
    let mut map = OffsetMap::new(1 << 10);
    map.clear_for(last.len() as u64);
    for (key, offset) in last {
        map.put(key.as_bytes(), Offset(*offset)).unwrap();
    }
    let mut keeping = Keeping {
        map: &map,
        map_end: Offset(map_end),
        inputs: &CleanInputs::default(),
        now: Timestamp(1_700_000_000_000),
        delete_retention_ms: 1000,
        transactions: Transactions::default(),
        latest_epoch: Some(LeaderEpoch(0)),
        counted: Counted::default(),
        markers_gone: HashSet::new(),
    };
    keeping.judge(batch, false)
}

fn part(kept: Result<Kept, RecordsError>) -> RecordBatch {
    match kept {
        Ok(Kept::Part(batch)) => batch,
        other => panic!("not a part: {other:?}"),
    }
}

#[test]
fn a_batch_that_the_map_does_not_know_to_its_end_gets_no_horizon() {
    let batch = keyed(&[("early", None), ("old", Some(b"1")), ("late", None)]);
    let last = [("early", 0), ("old", 9), ("late", 2)];
    assert_eq!(judged(&batch, 1, &last), Ok(Kept::Whole));
    for (map_end, has_horizon) in [(2, false), (3, true)] {
        let kept = part(judged(&batch, map_end, &last));
        assert_eq!(kept.header().record_count, 2);
        let attributes = kept.header().attributes;
        assert_eq!(attributes.has_delete_horizon(), has_horizon, "{map_end}");
    }
}

/// A bare snappy block with matches at one distance only, however far.
fn snappy_with_period(plain: &[u8], period: usize) -> Vec<u8> {
    let mut block = Vec::new();
    let mut length = plain.len();
    while length > 0x7f {
        block.push(length.to_le_bytes()[0] | 0x80);
        length >>= 7;
    }
    block.push(length.to_le_bytes()[0]);
    for (number, piece) in plain.chunks(60).enumerate() {
        let tag = (piece.len() - 1).to_le_bytes()[0] << 2;
        let before = (number * 60).checked_sub(period);
        if before.is_some_and(|at| plain[at..].starts_with(piece)) {
            block.push(tag | 2);
            block.extend_from_slice(&u16::try_from(period).unwrap().to_le_bytes());
        } else {
            block.push(tag);
            block.extend_from_slice(piece);
        }
    }
    block
}

#[test]
fn what_stays_of_a_batch_must_fit_or_the_pass_ends() {
    // Another encoder has found matches at a distance at which ours does not look.
    let small = keyed(&[("k", Some(b"v"))]);
    let mut seed = 1_u64;
    let noise: Vec<u8> = std::iter::repeat_with(|| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed.to_be_bytes()[0]
    })
    .take(30 * 1024)
    .collect();
    let count = 450;
    let header = BatchHeader {
        last_offset_delta: 100 + count,
        ..*small.header()
    };
    let mut whole = FilteredBatch::of(&header);
    let plain = recode::plain(&small).unwrap();
    let view = plain.views().next().unwrap().unwrap();
    for number in 100..100 + count {
        whole.push(&RecordView {
            offset: Offset(i64::from(number)),
            key: Some(format!("k{number}").as_bytes()),
            value: Some(&noise),
            ..view
        });
    }
    let period = whole.records().len() / count as usize;
    let block = snappy_with_period(whole.records(), period);
    let batch = whole.build_compressed(Compression::Snappy, &block).unwrap();
    let kept = judged(&batch, 1000, &[("k100", 900)]);
    assert!(matches!(kept, Err(RecordsError::TooLarge(_))), "{kept:?}");
    // Nothing goes: nothing needs to be written again.
    assert_eq!(judged(&batch, 1000, &[]), Ok(Kept::Whole));
}

#[test]
fn tombstones_stay_where_their_horizon_does_not_fit() {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let mut push = |key: &str, value: Option<&[u8]>| {
        let pushed = builder.push(Timestamp(7), Some(key.as_bytes()), value, &[]);
        pushed.is_ok()
    };
    assert!(push("dead", None) && push("old", Some(b"1")));
    while push("filler", Some(&[1; 500])) {}
    let batch = builder.build().unwrap().stamped(Offset(0), LeaderEpoch(0));
    assert!(batch.bytes().len() > BATCH_BYTES_MAX - 1000);
    let kept = part(judged(&batch, i64::MAX, &[("dead", 0), ("old", 1 << 40)]));
    assert!(!kept.header().attributes.has_delete_horizon());
    assert_eq!(kept.header().record_count, batch.header().record_count - 1);
    let kept = judged(&batch, i64::MAX, &[("dead", 0)]);
    assert_eq!(kept, Ok(Kept::Whole));
}
