//! Producers, transactions and control batches in a compacted log.

use trimaran_commit_log::Log;
use trimaran_types::record_batch::{BatchHeader, RecordBatch};
use trimaran_types::{LeaderEpoch, Offset, ProducerId, Timestamp};

use crate::clean_rig::{
    ABORT, COMMIT, Pass, TRANSACTIONAL, batches, keyed, marker, produced, records,
};
use crate::cleaner::rig;
use crate::rig::{NOW, Rig, flush, segment_files};

fn append(log: &mut Log, batch: RecordBatch) -> Offset {
    let done = log.append_as_leader(vec![batch], LeaderEpoch(0), NOW);
    done.unwrap().base_offset
}

fn append_marker(log: &mut Log, key: &str) -> Offset {
    let done = log.append_as_coordinator(vec![marker(5, key)], LeaderEpoch(0), NOW);
    let end = done.unwrap().base_offset;
    log.high_watermark_passed(log.log_end());
    end
}

/// Closes the active segment with records of a key of their own.
fn fill(log: &mut Log) {
    let value = "x".repeat(400);
    for _ in 0..4 {
        append(log, keyed(&[("filler", Some(&value))]));
    }
    flush(log);
}

fn clean(log: &mut Log, ms: i64) {
    let pass = Pass {
        now: Timestamp(NOW.0 + ms),
        ..Pass::default()
    };
    pass.run(log).unwrap().unwrap();
}

fn offsets_of(log: &Log, key: &str) -> Vec<i64> {
    let found = records(&log.reader()).into_iter();
    found.filter(|r| r.1 == key).map(|r| r.0).collect()
}

#[test]
fn the_last_batch_of_a_live_producer_stays_empty() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, keyed(&[("first", Some("1"))]));
    let gone = append(&mut log, produced(5, 0, 0, &[("k", Some("1"))]));
    let last = [("k", Some("2")), ("l", Some("2"))];
    let kept = append(&mut log, produced(5, 1, 0, &last));
    append(&mut log, keyed(&[("k", Some("4")), ("l", Some("4"))]));
    fill(&mut log);
    clean(&mut log, 0);
    let found = batches(&log.reader());
    let of = |base: Offset| found.iter().find(|b| b.header().base_offset == base);
    assert!(of(gone).is_none());
    let header = of(kept).unwrap().header();
    assert_eq!(
        (header.record_count, header.last_offset()),
        (0, kept.next())
    );
    assert_eq!(header.producer.unwrap().id, ProducerId(5));
    // The producer's state can be learned anew from what is left: its retry is recognised.
    let end = log.log_end();
    drop(log);
    let (mut log, _) = rig.open(0, false).unwrap();
    assert_eq!(append(&mut log, produced(5, 1, 0, &last)), kept);
    assert_eq!(log.log_end(), end);
    // Nobody lives: it goes.
    fill(&mut log);
    let pass = Pass {
        producer_ends: Some(Vec::new()),
        ..Pass::default()
    };
    pass.run(&mut log).unwrap().unwrap();
    let found = batches(&log.reader());
    assert!(found.iter().all(|b| b.header().base_offset != kept));
}

#[test]
fn aborted_records_go_at_once_and_hide_nothing() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, keyed(&[("k", Some("good"))]));
    append(
        &mut log,
        produced(5, 0, TRANSACTIONAL, &[("k", Some("bad"))]),
    );
    let end = append_marker(&mut log, ABORT);
    append(&mut log, produced(5, 1, 0, &[("other", Some("1"))]));
    fill(&mut log);
    clean(&mut log, 0);
    assert_eq!(offsets_of(&log, "k"), [0]);
    // Its batch was there in that pass, so the marker stays, and the next pass gives it a horizon.
    assert_eq!(offsets_of(&log, ABORT), [end.0]);
    for (ms, stays) in [(10, true), (1009, true), (1010, false)] {
        fill(&mut log);
        clean(&mut log, ms);
        assert_eq!(offsets_of(&log, ABORT).len(), usize::from(stays), "{ms}");
    }
    assert_eq!(offsets_of(&log, "k"), [0]);
}

#[test]
fn a_committed_marker_stays_while_a_record_of_it_does() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, produced(5, 0, TRANSACTIONAL, &[("k", Some("1"))]));
    let end = append_marker(&mut log, COMMIT);
    fill(&mut log);
    for ms in [0, 5_000, 10_000] {
        clean(&mut log, ms);
        assert_eq!(offsets_of(&log, COMMIT), [end.0]);
        fill(&mut log);
    }
}

/// Ends the log as a power cut would that takes all that is not flushed.
fn lose_unflushed(rig: &Rig, log: Log) {
    let flushed = log.flushed_end();
    drop(log);
    let active = rig.segments().into_values().next_back().unwrap();
    let bytes = std::fs::read(&active).unwrap();
    let mut kept = 0;
    while kept < bytes.len() {
        let header = BatchHeader::parse(&bytes[kept..]).unwrap();
        if header.base_offset >= flushed {
            break;
        }
        kept += header.total_bytes();
    }
    std::fs::write(&active, &bytes[..kept]).unwrap();
}

#[test]
fn a_producers_last_batch_that_may_still_be_lost_does_not_free_the_one_before() {
    for has_snapshots in [true, false] {
        let rig = rig();
        let mut log = rig.fresh();
        append(&mut log, keyed(&[("first", Some("1"))]));
        let sent = produced(5, 0, 0, &[("k", Some("1"))]);
        let kept = append(&mut log, sent.clone());
        append(&mut log, keyed(&[("k", Some("2"))]));
        fill(&mut log);
        append(&mut log, produced(5, 1, 0, &[("l", Some("1"))]));
        if !has_snapshots {
            for path in segment_files(&rig.dir(), "snapshot").into_values() {
                std::fs::remove_file(path).unwrap();
            }
        }
        clean(&mut log, 0);
        let found = batches(&log.reader());
        let batch = found.iter().find(|b| b.header().base_offset == kept);
        assert_eq!(batch.map(|b| b.header().record_count), Some(0));
        lose_unflushed(&rig, log);
        let (mut log, _) = rig.open(0, false).unwrap();
        let end = log.log_end();
        assert_eq!(append(&mut log, sent), kept, "the repetition is known");
        assert_eq!(log.log_end(), end);
        // With a later batch in what is cleaned, this one goes.
        append(&mut log, produced(5, 1, 0, &[("l", Some("1"))]));
        fill(&mut log);
        clean(&mut log, 0);
        let found = batches(&log.reader());
        assert!(found.iter().all(|b| b.header().base_offset != kept));
    }
}
