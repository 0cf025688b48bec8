//! Truncation, and what it does to epochs, recovery points, flushes and readers.

use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use trimaran_commit_log::{AssignEpochError, Disk, Log, LogDir, RealDisk};
use trimaran_types::{BrokerId, LeaderEpoch, Offset, TopicPartition};

use crate::clean_crash::StepDisk;
use crate::clean_rig::{keyed, produced};
use crate::rig::{
    Faults, FaultyDisk, NOW, Rig, batch_at, batch_of, flush, read_all, segment_files, topic_id,
};

#[test]
fn a_flush_that_began_before_a_truncation_does_not_cover_what_came_after() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 5, 60);
    flush(&mut log);
    rig.fill(&mut log, 5, 60);
    let request = log.begin_flush().unwrap();
    assert_eq!(log.truncate_to(Offset(7)).unwrap(), Offset(7));
    rig.fill(&mut log, 3, 60);
    log.flushed(&request.token());
    assert_eq!(log.flushed_end(), Offset(5), "it claims nothing");
    assert_eq!(log.log_end(), Offset(10));
    let request = log.begin_flush().unwrap();
    assert_eq!(request.up_to_end, Offset(10));
    log.flushed(&request.token());
    assert_eq!(log.flushed_end(), Offset(10));
    // An old one that comes late changes nothing.
    assert!(log.begin_flush().is_none());
}

#[test]
fn a_flush_that_spans_two_cuts_claims_nothing_above_the_lower_one() {
    for empties in [false, true] {
        let rig = Rig::new();
        let mut log = rig.fresh();
        rig.fill(&mut log, 15, 60);
        flush(&mut log);
        rig.fill(&mut log, 5, 60);
        let request = log.begin_flush().unwrap();
        if empties {
            log.truncate_fully_and_start_at(Offset(10)).unwrap();
            log.assign_epoch(LeaderEpoch(1), Offset(10)).unwrap();
            rig.fill(&mut log, 2, 60);
        } else {
            log.truncate_to(Offset(15)).unwrap();
        }
        let cut_to = if empties { Offset(10) } else { Offset(8) };
        assert_eq!(log.truncate_to(cut_to).unwrap(), cut_to);
        if log.latest_epoch().is_none() {
            log.assign_epoch(LeaderEpoch(1), cut_to).unwrap();
        }
        rig.fill(&mut log, 3, 60);
        log.flushed(&request.token());
        assert_eq!(log.flushed_end(), cut_to, "emptied: {empties}");
        flush(&mut log);
        assert_eq!(log.flushed_end(), log.log_end());
    }
}

#[test]
fn a_flush_does_not_survive_an_emptied_log() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 50, 60);
    let request = log.begin_flush().unwrap();
    log.truncate_fully_and_start_at(Offset(3)).unwrap();
    log.assign_epoch(LeaderEpoch(4), Offset(3)).unwrap();
    rig.fill(&mut log, 2, 60);
    log.flushed(&request.token());
    assert_eq!(
        (log.log_start(), log.flushed_end(), log.log_end()),
        (Offset(3), Offset(3), Offset(5))
    );
    assert_eq!(rig.segments().into_keys().collect::<Vec<_>>(), [3]);
    drop(log);
    let (log, _) = rig.open(0, false).unwrap();
    assert_eq!(read_all(&log.reader(), 100).len(), 2);
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(4)));
}

#[test]
fn overlapping_flushes_each_cover_what_is_not_yet_durable() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 40, 60);
    let first = log.begin_flush().unwrap();
    assert!(rig.segments().len() > 1);
    assert!(first.files.len() > 1 && first.dirs == [rig.dir()]);
    rig.fill(&mut log, 40, 60);
    let second = log.begin_flush().unwrap();
    assert!(second.files.len() > first.files.len());
    log.flushed(&second.token());
    log.flushed(&first.token());
    assert_eq!(log.flushed_end(), Offset(80));
    rig.fill(&mut log, 1, 60);
    let third = log.begin_flush().unwrap();
    assert_eq!((third.files.len(), third.dirs.len()), (1, 0));
}

#[test]
fn truncation_lowers_the_recovery_point_before_it_cuts() {
    let root = tempfile::tempdir().unwrap();
    let id = |n: u128| uuid::Uuid::from_u128(n);
    let open_dir = || {
        let (cluster, directory) = (
            trimaran_types::ClusterId::from_uuid(id(1)),
            trimaran_types::DirectoryId::from_uuid(id(2)),
        );
        LogDir::open(
            Arc::new(RealDisk),
            root.path(),
            cluster,
            BrokerId(1),
            directory,
        )
        .unwrap()
    };
    let partition: TopicPartition = trimaran_commit_log::parse_partition_dir("t-0").unwrap();
    let rig = Rig::new();
    let open_log = |dir: &LogDir| {
        let start = dir.open_as(&partition, topic_id());
        Log::open(
            dir.context(),
            &dir.partition_dir(&partition),
            rig.config.clone(),
            start,
        )
        .unwrap()
        .0
    };
    let dir = open_dir();
    let mut log = open_log(&dir);
    log.assign_epoch(LeaderEpoch(1), Offset(0)).unwrap();
    rig.fill(&mut log, 40, 60);
    log.assign_epoch(LeaderEpoch(2), Offset(40)).unwrap();
    rig.fill(&mut log, 40, 60);
    let request = log.begin_checkpoint().unwrap().unwrap();
    request
        .files
        .iter()
        .for_each(|file| file.sync_data().unwrap());
    log.flushed(&request.token());
    dir.write_recovery_points().unwrap();
    log.truncate_to(Offset(15)).unwrap();
    log.assign_epoch(LeaderEpoch(5), Offset(15)).unwrap();
    rig.fill(&mut log, 40, 60);
    let epochs = log.epochs().clone();
    drop((log, dir));

    let dir = open_dir();
    assert_eq!(
        dir.open_as(&partition, topic_id()).recovery_point,
        Offset(15)
    );
    let log = open_log(&dir);
    assert_eq!(log.log_end(), Offset(55));
    assert_eq!(log.epochs(), &epochs);
}

#[test]
fn the_follower_of_another_history_truncates_by_epoch() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 5, 10);
    log.assign_epoch(LeaderEpoch(3), Offset(5)).unwrap();
    rig.fill(&mut log, 5, 10);
    let answers: Vec<_> = (0..5)
        .map(|e| {
            log.end_offset_for_epoch(LeaderEpoch(e))
                .map(|(e, o)| (e.0, o.0))
        })
        .collect();
    assert_eq!(
        answers,
        [
            Some((0, 5)),
            Some((0, 5)),
            Some((0, 5)),
            Some((3, 10)),
            None
        ]
    );
    log.truncate_to(Offset(5)).unwrap();
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(0)));
}

#[test]
fn a_cut_in_the_middle_of_a_batch_takes_the_batch() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    for _ in 0..4 {
        log.append_as_leader(vec![batch_of(&[b"a", b"b", b"c"])], LeaderEpoch(0), NOW)
            .unwrap();
    }
    assert_eq!(log.truncate_to(Offset(8)).unwrap(), Offset(6));
    assert_eq!(log.truncate_to(Offset(6)).unwrap(), Offset(6));
    assert_eq!(log.truncate_to(Offset(99)).unwrap(), Offset(6));
    assert_eq!(log.truncate_to(Offset(1)).unwrap(), Offset(0));
    assert_eq!(log.latest_epoch(), None);
}

#[test]
fn an_epoch_starts_at_the_end_and_never_goes_back() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 3, 10);
    let early = log.assign_epoch(LeaderEpoch(1), Offset(2));
    assert!(matches!(early, Err(AssignEpochError::NotAtEnd { .. })));
    log.assign_epoch(LeaderEpoch(4), Offset(3)).unwrap();
    let old = log.assign_epoch(LeaderEpoch(3), Offset(3));
    assert!(matches!(old, Err(AssignEpochError::Stale(_))));
    log.assign_epoch(LeaderEpoch(4), Offset(3)).unwrap();
}

#[test]
fn an_epoch_without_records_does_not_keep_a_follower_from_an_earlier_one() {
    let of_epoch = |offset: i64, epoch: i32| {
        batch_of(&[b"copied"])
            .stamped(Offset(offset), LeaderEpoch(epoch))
            .into_bytes()
    };
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 3, 10);
    // It led in epoch 5 and wrote nothing; the next leader has records of epoch 4.
    log.assign_epoch(LeaderEpoch(5), Offset(3)).unwrap();
    log.append_as_follower(of_epoch(3, 4), NOW).unwrap();
    log.append_as_follower(of_epoch(4, 6), NOW).unwrap();
    let epochs: Vec<_> = log
        .epochs()
        .entries()
        .iter()
        .map(|e| (e.epoch.0, e.start.0))
        .collect();
    assert_eq!(epochs, [(0, 0), (4, 3), (6, 4)]);
    // One that has records is not forgotten.
    assert!(log.append_as_follower(of_epoch(5, 4), NOW).is_err());
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(6)));

    log.assign_epoch(LeaderEpoch(9), Offset(5)).unwrap();
    assert_eq!(log.truncate_to(Offset(5)).unwrap(), Offset(5));
    assert_eq!(log.latest_epoch(), Some(LeaderEpoch(6)));
}

#[test]
fn a_log_that_begins_anew_is_never_without_a_segment() {
    for start in [0, 7, 5000] {
        let disk = StepDisk::new();
        let rig = Rig::on(Arc::clone(&disk) as Arc<dyn Disk>);
        let mut log = rig.fresh();
        rig.fill(&mut log, 30, 200);
        flush(&mut log);
        disk.watch(&rig.dir());
        log.truncate_fully_and_start_at(Offset(start)).unwrap();
        let possible = disk.possible_names(&rig.dir());
        assert!(possible.len() > 20);
        for names in possible {
            assert!(
                names.iter().any(|name| name.ends_with(".log")),
                "{start}: {names:?}"
            );
        }
        assert_eq!(rig.segments().into_keys().collect::<Vec<_>>(), [start]);
        assert_eq!(segment_files(&rig.dir(), "index").len(), 0);
    }
}

/// The last time entry that a cut leaves is where the index goes on from.
#[test]
fn a_damaged_time_entry_does_not_outlive_a_cut() {
    for damaged in [true, false] {
        let mut rig = Rig::new();
        rig.config.segment_bytes = 1 << 20;
        let mut log = rig.fresh();
        let append = |log: &mut Log, count: i64| {
            for _ in 0..count {
                let batch = batch_at(&[(NOW.0 + log.log_end().0, &[7; 60])]);
                log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
                    .unwrap();
            }
        };
        append(&mut log, 60);
        let end = log.close().unwrap();
        let path = rig.segments()[&0].with_extension("timeindex");
        let whole = std::fs::read(&path).unwrap();
        let (mut log, _) = rig.open(end.0, true).unwrap();
        let last_of = |entry: &[u8]| u32::from_be_bytes(entry[8..].try_into().unwrap());
        let kept = whole.chunks(12).filter(|entry| last_of(entry) < 30).count();
        assert!(kept > 3);
        if damaged {
            let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            // A little later, so that the column still grows.
            let at = (kept - 1) * 12 + 7;
            file.write_all_at(&[whole[at] + 1], at as u64).unwrap();
        }
        log.truncate_to(Offset(30)).unwrap();
        append(&mut log, 30);
        log.close().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole, "damaged: {damaged}");
    }
}

/// How many reads `act` makes.
fn reads_of(faults: &Faults, act: impl FnOnce()) -> usize {
    let before = faults.reads.load(Ordering::SeqCst);
    act();
    faults.reads.load(Ordering::SeqCst) - before
}

/// A cut happens while others wait: it looks at the place, and not at all that lies before it.
#[test]
fn a_cut_reads_what_lies_around_it() {
    /// Two searches in an index of a thousand entries, and what lies behind one of them.
    const READS_MAX: usize = 40;
    for (gaps_allowed, has_producers) in [(false, false), (true, false), (false, true)] {
        let disk = FaultyDisk::default();
        let faults = Arc::clone(&disk.faults);
        let mut rig = Rig::on(Arc::new(disk));
        rig.config.segment_bytes = 1 << 24;
        rig.config.compacted = gaps_allowed;
        let mut log = rig.fresh();
        let append = |log: &mut Log, count: i32| {
            for _ in 0..count {
                let sequence = i32::try_from(log.log_end().0).unwrap();
                let value = "v".repeat(900);
                let records = [("k", Some(value.as_str()))];
                let batch = match has_producers {
                    true => produced(7, sequence, 0, &records),
                    false => keyed(&records),
                };
                log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
                    .unwrap();
            }
        };
        append(&mut log, 2000);
        // Its producers are noted at its end.
        let end = log.close().unwrap();
        let (mut log, _) = rig.open(end.0, true).unwrap();
        append(&mut log, 30);
        let cuts: &[i64] = if has_producers {
            &[2021]
        } else {
            &[2021, 1500]
        };
        for &to in cuts {
            let reads = reads_of(&faults, || {
                assert_eq!(log.truncate_to(Offset(to)).unwrap(), Offset(to));
            });
            assert!(
                reads <= READS_MAX,
                "{gaps_allowed} {has_producers} {to}: {reads}"
            );
        }
        let expected = log.producer_ends();
        assert_eq!(expected.len(), usize::from(has_producers));
        let end = log.close().unwrap();
        let (log, _) = rig.open(end.0, true).unwrap();
        assert_eq!(log.producer_ends(), expected);
    }
}

/// Below the log start a deletion that was broken off leaves anything.
#[test]
fn a_cut_does_not_ask_what_was_deleted_about_producers() {
    let mut rig = Rig::new();
    let mut log = rig.fresh();
    for sequence in 0..30 {
        let value = "v".repeat(200);
        let batch = produced(7, sequence, 0, &[("k", Some(&value))]);
        log.append_as_leader(vec![batch], LeaderEpoch(0), NOW)
            .unwrap();
    }
    let end = log.close().unwrap();
    let segments = rig.segments();
    let mut bases = segments.keys().copied();
    let (first, second) = (bases.next().unwrap(), bases.next().unwrap());
    rig.log_start = Some(Offset(second));
    let (mut log, _) = rig.open(end.0, true).unwrap();
    let first = std::fs::OpenOptions::new()
        .write(true)
        .open(&segments[&first])
        .unwrap();
    first.set_len(100).unwrap();
    for path in segment_files(&rig.dir(), "snapshot").into_values() {
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(log.truncate_to(Offset(end.0 - 3)).unwrap().0, end.0 - 3);
    assert_eq!(log.producer_ends().len(), 1);
}
