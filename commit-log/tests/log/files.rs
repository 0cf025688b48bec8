//! The files are Kafka's: names, index entries that its dump tool would accept, rolling, limits.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use trimaran_commit_log::{AppendError, Damage, Log, LogConfig};
use trimaran_types::record_batch::{BatchHeader, RecordBatch, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::rig::{FaultyDisk, NOW, Rig, batch_at, batch_of, read_all, segment_files};

/// What Kafka's `DumpLogSegments` checks: every entry names the last offset of the batch at its
/// position, every time entry the largest timestamp so far and its batch.
#[test]
fn every_index_entry_is_true() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    for number in 0..300_i64 {
        let time = NOW.0 + (number * 37) % 50 + number;
        let batch = batch_at(&[
            (time, b"0123456789"),
            (time - 5, b"0123456789"),
            (time - 3, b"0"),
        ]);
        log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
            .unwrap();
    }
    log.close().unwrap();
    let dir = rig.dir();
    let (indexes, times) = (
        segment_files(&dir, "index"),
        segment_files(&dir, "timeindex"),
    );
    let mut checked = 0;
    for (base, path) in rig.segments() {
        let bytes = fs::read(path).unwrap();
        let mut batches = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let header = BatchHeader::parse(&bytes[at..]).unwrap();
            batches.push((at, header));
            at += header.total_bytes();
        }
        let entries = fs::read(&indexes[&base]).unwrap();
        for entry in entries.chunks_exact(8) {
            let last = i64::from(u32::from_be_bytes(entry[..4].try_into().unwrap()));
            let position = u32::from_be_bytes(entry[4..].try_into().unwrap()) as usize;
            let (_, header) = batches.iter().find(|b| b.0 == position).unwrap();
            assert_eq!(header.last_offset(), Offset(base + last));
            checked += 1;
        }
        let largest = batches.iter().map(|b| b.1.max_timestamp).max().unwrap();
        let entries = fs::read(&times[&base]).unwrap();
        let mut before = Timestamp(i64::MIN);
        for entry in entries.chunks_exact(12) {
            let time = Timestamp(i64::from_be_bytes(entry[..8].try_into().unwrap()));
            let last = i64::from(u32::from_be_bytes(entry[8..].try_into().unwrap()));
            let (_, header) = batches
                .iter()
                .find(|b| b.1.last_offset().0 == base + last)
                .unwrap();
            assert_eq!(header.max_timestamp, time);
            assert!(time > before);
            before = time;
        }
        assert_eq!(
            before, largest,
            "the last entry has the segment's largest timestamp"
        );
    }
    assert!(checked > 50);
}

#[test]
fn names_and_bytes_are_kafkas() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 40, 60);
    let bytes: Bytes = log.reader().read(Offset(0), Offset(40), 1 << 20).unwrap();
    log.close().unwrap();
    let mut names: Vec<_> = fs::read_dir(rig.dir())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "00000000000000000000.index",
            "00000000000000000000.log",
            "00000000000000000000.timeindex",
            "00000000000000000015.index",
            "00000000000000000015.log",
            "00000000000000000015.snapshot",
            "00000000000000000015.timeindex",
            "00000000000000000030.index",
            "00000000000000000030.log",
            "00000000000000000030.snapshot",
            "00000000000000000030.timeindex",
            "00000000000000000040.snapshot",
            "leader-epoch-checkpoint",
            "partition.metadata"
        ]
    );
    let first = fs::read(rig.dir().join("00000000000000000000.log")).unwrap();
    assert_eq!(
        bytes, first,
        "a read ends with its segment and gives the file's bytes"
    );
}

#[test]
fn a_segment_is_closed_by_age() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        segment_bytes: 1 << 20,
        segment_ms: 1000,
        ..rig.config
    };
    let mut log = rig.fresh();
    let mut append = |ms: i64| {
        let now = Timestamp(NOW.0 + ms);
        log.append_as_leader(vec![batch_of(&[b"x"])], LeaderEpoch(0), now)
            .unwrap();
    };
    [0, 10, 1000, 1001, 1500, 2001, 2002]
        .into_iter()
        .for_each(&mut append);
    assert_eq!(rig.segments().into_keys().collect::<Vec<_>>(), [0, 3, 6]);
    drop(log);
    // After a restart the first batch's timestamp stands for the age.
    let (mut log, _) = rig.open(0, false).unwrap();
    let now = Timestamp(NOW.0 + 5000);
    log.append_as_leader(vec![batch_of(&[b"x"])], LeaderEpoch(0), now)
        .unwrap();
    assert_eq!(rig.segments().into_keys().collect::<Vec<_>>(), [0, 3, 6, 7]);
}

#[test]
fn a_segment_spans_no_more_of_its_records_time_than_it_may() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        segment_bytes: 1 << 20,
        segment_ms: 1000,
        ..rig.config
    };
    let old = [-9000, -8500, -8000, -7999, -9500, -6999, -6998].map(|ms| NOW.0 + ms);
    // The first of these closes the segment of old records. None makes a segment of its own, and
    // none keeps the next one open.
    let future = [
        i64::MAX,
        NOW.0 + 5000,
        NOW.0,
        i64::MAX,
        NOW.0 - 10,
        -1,
        i64::MAX,
    ];
    let batches: Vec<_> = old
        .into_iter()
        .chain(future)
        .map(|at| batch_at(&[(at, b"x")]))
        .collect();
    let mut log = rig.fresh();
    for batch in &batches {
        log.append_as_leader(vec![batch.clone()], LeaderEpoch(0), NOW)
            .unwrap();
    }
    let bases = |rig: &Rig| rig.segments().into_keys().collect::<Vec<_>>();
    assert_eq!(bases(&rig), [0, 3, 6, 7]);
    let later = Timestamp(NOW.0 + 1001);
    let future = batch_at(&[(i64::MAX, b"x")]);
    log.append_as_leader(vec![future], LeaderEpoch(0), later)
        .unwrap();
    assert_eq!(bases(&rig), [0, 3, 6, 7, 14]);

    // All in one append, and what a follower gets.
    let at_once = Rig {
        config: rig.config.clone(),
        ..Rig::new()
    };
    let mut log = at_once.fresh();
    log.append_as_leader(batches, LeaderEpoch(0), NOW).unwrap();
    let bytes: Vec<Bytes> = bases(&at_once)
        .into_iter()
        .map(|base| {
            let reader = log.reader();
            reader.read(Offset(base), log.log_end(), 1 << 20).unwrap()
        })
        .collect();
    let follower = Rig {
        config: rig.config,
        ..Rig::new()
    };
    let mut log = follower.open(0, false).unwrap().0;
    log.append_as_follower(bytes.concat().into(), NOW).unwrap();
    for rig in [at_once, follower] {
        assert_eq!(bases(&rig), [0, 3, 6, 7]);
    }
}

#[test]
fn batches_that_do_not_belong_are_refused_whole() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        batch_bytes_max: 500,
        ..rig.config
    };
    let mut log = rig.fresh();
    rig.fill(&mut log, 2, 10);
    let refused = log
        .append_as_leader(vec![batch_of(&[b"x"])], LeaderEpoch(1), NOW)
        .unwrap_err();
    let latest = Some(LeaderEpoch(0));
    assert_eq!(
        refused,
        AppendError::WrongEpoch {
            epoch: LeaderEpoch(1),
            latest
        }
    );
    let large = batch_of(&[&[0; 500]]);
    let bytes = large.bytes().len();
    let refused = log
        .append_as_leader(vec![batch_of(&[b"x"]), large], LeaderEpoch(0), NOW)
        .unwrap_err();
    assert_eq!(
        refused,
        AppendError::BatchTooLarge {
            bytes,
            bytes_max: 500
        }
    );

    let stamped =
        |base: i64, epoch: i32| batch_of(&[b"a", b"b"]).stamped(Offset(base), LeaderEpoch(epoch));
    let join = |parts: &[RecordBatch]| {
        Bytes::from(
            parts
                .iter()
                .flat_map(|b| b.bytes().to_vec())
                .collect::<Vec<_>>(),
        )
    };
    let cases = [
        (join(&[stamped(1, 0)]), 0),
        (join(&[stamped(2, 0), stamped(3, 0)]), 1),
        (join(&[stamped(2, 0), stamped(7, 0), stamped(8, 0)]), 2),
        (join(&[stamped(2, 1), stamped(4, 0)]), 1),
        (join(&[batch_of(&[b"no epoch"])]), 0),
        (join(&[stamped(2, 0), stamped(4, 0)]).slice(..100), 1),
    ];
    for (bytes, at) in cases {
        match log.append_as_follower(bytes, NOW).unwrap_err() {
            AppendError::Invalid { number, cause } => assert_eq!(number, at, "{cause}"),
            other => panic!("{other}"),
        }
        assert_eq!(log.log_end(), Offset(2));
        assert_eq!(log.latest_epoch(), Some(LeaderEpoch(0)));
        assert!(!rig.dir().join("gaps-allowed").exists());
    }
    log.append_as_follower(join(&[stamped(2, 0), stamped(4, 7)]), NOW)
        .unwrap();
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(7)));
    assert_eq!(
        log.end_offset_for_epoch(LeaderEpoch(0)),
        Some((LeaderEpoch(0), Offset(4)))
    );
}

#[test]
fn gaps_are_taken_where_compaction_may_have_left_them() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        compacted: true,
        ..rig.config
    };
    let mut log = rig.fresh();
    let stamped = |base: i64| batch_of(&[&[1; 100]]).stamped(Offset(base), LeaderEpoch(0));
    let offsets: Vec<i64> = (0..60).map(|n| n * 10).collect();
    for base in &offsets {
        log.append_as_follower(stamped(*base).into_bytes(), NOW)
            .unwrap();
    }
    let backwards = log
        .append_as_follower(stamped(5).into_bytes(), NOW)
        .unwrap_err();
    let AppendError::Invalid {
        cause: Damage::OffsetOutOfOrder { expected, found },
        ..
    } = backwards
    else {
        panic!("{backwards}")
    };
    assert_eq!((expected, found), (Offset(591), Offset(5)));
    // A segment is named by the end of the one before it.
    let segments: Vec<_> = rig.segments().into_iter().collect();
    assert!(segments.len() > 3);
    for pair in segments.windows(2) {
        let last = split(std::fs::read(&pair[0].1).unwrap().into()).last();
        let end = last.unwrap().unwrap().header().next_offset();
        assert_eq!(Offset(pair[1].0), end);
    }
    for log in [log, rig.open(0, false).unwrap().0] {
        let read: Vec<_> = read_all(&log.reader(), 300)
            .into_iter()
            .map(|r| r.0)
            .collect();
        assert_eq!(read, offsets);
        let bytes = log.reader().read(Offset(123), Offset(600), 1).unwrap();
        assert_eq!(BatchHeader::parse(&bytes).unwrap().base_offset, Offset(130));
    }
}

#[test]
fn a_gap_of_the_leader_makes_a_dense_log_one_with_gaps() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let stamped = |base: i64| batch_of(&[&[1; 100]]).stamped(Offset(base), LeaderEpoch(0));
    let mark = rig.dir().join("gaps-allowed");
    log.append_as_follower(stamped(0).into_bytes(), NOW)
        .unwrap();
    assert!(!mark.exists(), "dense so far");
    let bytes = [stamped(5), stamped(6), stamped(9)].map(RecordBatch::into_bytes);
    log.append_as_follower(bytes.concat().into(), NOW).unwrap();
    assert!(mark.exists());
    let offsets = |log: &Log| -> Vec<i64> {
        let read = read_all(&log.reader(), 1);
        read.into_iter().map(|record| record.0).collect()
    };
    assert_eq!(offsets(&log), [0, 5, 6, 9]);
    drop(log);
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!((offsets(&log), report.cut), (vec![0, 5, 6, 9], None));
}

#[test]
fn the_mark_of_gaps_is_durable_before_the_first_of_them() {
    let disk = Arc::new(FaultyDisk::default());
    let faults = Arc::clone(&disk.faults);
    let rig = Rig::on(disk);
    let mut log = rig.fresh();
    faults.sync.store(true, Ordering::SeqCst);
    let bytes = batch_of(&[b"a"]).stamped(Offset(5), LeaderEpoch(0));
    let refused = log.append_as_follower(bytes.into_bytes(), NOW);
    assert!(
        matches!(refused, Err(AppendError::DirFailed(_))),
        "{refused:?}"
    );
    assert_eq!(log.log_end(), Offset(0));
}

#[test]
fn a_dense_log_never_serves_a_gap() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 100);
    let end = log.log_end();
    let batch_bytes = batch_of(&[&[0; 100]]).bytes().len();
    // The base offset lies outside the checksum: a bit of it that flips makes gaps and nothing else.
    for (base, path) in rig.segments() {
        let whole = std::fs::read(&path).unwrap();
        for (number, at) in (0..whole.len()).step_by(batch_bytes).enumerate() {
            for bit in [0, 3, 7] {
                let mut broken = whole.clone();
                broken[at + 7] ^= 1 << bit;
                std::fs::write(&path, &broken).unwrap();
                let flipped = base + i64::try_from(number).unwrap();
                for from in 0..end.0 {
                    let Ok(bytes) = log.reader().read(Offset(from), end, 700) else {
                        continue;
                    };
                    let mut next = Offset(from);
                    for batch in split(bytes) {
                        let header = *batch.unwrap().header();
                        assert_eq!(header.base_offset, next, "{from}, batch {flipped}");
                        next = header.next_offset();
                    }
                    assert!(next > Offset(from) && (next.0 <= flipped || from > flipped));
                }
            }
        }
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn nothing_appended_is_nothing_written() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let done = log
        .append_as_leader(Vec::new(), LeaderEpoch(0), NOW)
        .unwrap();
    assert_eq!(
        (done.base_offset, done.end, done.bytes),
        (Offset(0), Offset(0), 0)
    );
    log.append_as_follower(Bytes::new(), NOW).unwrap();
    assert!(log.begin_flush().is_none());
    assert!(
        log.begin_checkpoint().unwrap().is_some(),
        "the epoch is new"
    );
}
