//! Retention and deletion of records: what goes, what a stop in between leaves, and what readers
//! see of it.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use trimaran_commit_log::{DeleteError, Log, LogConfig, LogDir, ReadError, RealDisk, Retained};
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, Timestamp};
use uuid::Uuid;

use crate::rig::{
    Faults, FaultyDisk, NOW, Rig, batch_at, flush, read_all, segment_files, topic_id,
};

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

/// A log of several small segments, committed to its end.
fn filled(rig: &Rig) -> Log {
    let mut log = rig.fresh();
    rig.fill(&mut log, 12, 600);
    flush(&mut log);
    assert!(rig.segments().len() >= 4, "{:?}", rig.segments());
    log
}

fn keep_bytes(log: &mut Log, bytes: u64) {
    let config = LogConfig {
        retention_bytes: Some(bytes),
        ..log.config().clone()
    };
    log.set_config(config).unwrap();
}

pub(crate) fn names(dir: &Path, suffix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(suffix))
        .collect();
    names.sort_unstable();
    names
}

fn wall() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp(i64::try_from(since.as_millis()).unwrap())
}

#[test]
fn the_start_moves_first_the_files_later() {
    let rig = Rig::new();
    let mut log = filled(&rig);
    let before = rig.segments();
    keep_bytes(&mut log, 2500);
    let end = log.log_end();
    let retained = log.retain(end, NOW).unwrap().unwrap();
    assert!(!retained.rolled);
    assert_eq!(log.log_start(), retained.log_start);
    assert_eq!(
        rig.segments(),
        before,
        "no file goes before the start is durable"
    );

    assert!(log.delete_segments(Offset::ZERO).unwrap().is_none());
    let deleted = log.delete_segments(retained.log_start).unwrap().unwrap();
    assert!(deleted.is_all());
    let kept = rig.segments();
    assert_eq!(kept.keys().next(), Some(&retained.log_start.0));
    assert_eq!(deleted.segments(), before.len() - kept.len());
    let renamed = names(&rig.dir(), ".deleted");
    // Every segment but the first has a snapshot of the producers beside its three files.
    assert_eq!(renamed.len(), 4 * deleted.segments() - 1, "{renamed:?}");
    deleted.remove().unwrap();
    assert!(names(&rig.dir(), ".deleted").is_empty());
    assert_eq!(log.retain(end, NOW).unwrap(), None);
    let first = read_all(&log.reader(), 1000)[0].0;
    assert_eq!(Offset(first), retained.log_start);
}

#[test]
fn nothing_above_the_high_watermark_goes() {
    let rig = Rig::new();
    let mut log = filled(&rig);
    keep_bytes(&mut log, 0);
    assert_eq!(log.retain(Offset::ZERO, NOW).unwrap(), None);
    let second = *rig.segments().keys().nth(1).unwrap();
    assert_eq!(log.retain(Offset(second - 1), NOW).unwrap(), None);
    let retained = log.retain(Offset(second + 1), NOW).unwrap();
    let expected = Retained {
        log_start: Offset(second),
        rolled: false,
    };
    assert_eq!(retained, Some(expected));
}

#[test]
fn when_all_goes_an_empty_segment_is_begun_and_offsets_go_on() {
    let rig = Rig::new();
    let mut log = filled(&rig);
    let end = log.log_end();
    let later = Timestamp(NOW.0 + WEEK_MS + 1);
    let retained = log.retain(end, later).unwrap().unwrap();
    assert_eq!(
        retained,
        Retained {
            log_start: end,
            rolled: true
        }
    );
    log.delete_segments(end).unwrap().unwrap().remove().unwrap();
    assert_eq!(rig.segments().into_keys().collect::<Vec<_>>(), [end.0]);
    assert_eq!((log.log_start(), log.log_end(), log.bytes()), (end, end, 0));
    assert_eq!(
        log.retain(end, later).unwrap(),
        None,
        "an empty segment stays"
    );
    rig.fill(&mut log, 1, 10);
    assert_eq!(log.log_end(), end.next());
    let _ = log.close().unwrap();
    let rig = Rig {
        log_start: Some(end),
        ..rig
    };
    let (log, _) = rig.open(end.0 + 1, true).unwrap();
    assert_eq!(read_all(&log.reader(), 1000)[0].0, end.0);
}

#[test]
fn a_timestamp_in_the_future_does_not_keep_a_segment_for_ever() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let far = wall().0 + 1000 * WEEK_MS;
    for _ in 0..8 {
        let batch = batch_at(&[(far, &[7; 600])]);
        log.append_as_leader(vec![batch], LeaderEpoch(0), wall())
            .unwrap();
    }
    flush(&mut log);
    let end = log.log_end();
    assert_eq!(log.retain(end, wall()).unwrap(), None, "written just now");
    let soon = Timestamp(wall().0 + WEEK_MS + 60_000);
    let retained = log.retain(end, soon).unwrap();
    assert_eq!(
        retained,
        Some(Retained {
            log_start: end,
            rolled: true
        })
    );
}

#[test]
fn the_age_of_a_segment_without_its_index_is_read_from_its_records() {
    let rig = Rig::new();
    let mut log = filled(&rig);
    for path in segment_files(&rig.dir(), "timeindex").values() {
        std::fs::write(path, b"not an index").unwrap();
    }
    let end = log.log_end();
    assert_eq!(log.retain(end, Timestamp(NOW.0 + WEEK_MS)).unwrap(), None);
    let retained = log.retain(end, Timestamp(NOW.0 + WEEK_MS + 1)).unwrap();
    assert_eq!(retained.unwrap().log_start, end);
}

#[test]
fn a_compacted_log_goes_by_its_start_alone() {
    let rig = Rig::new();
    let mut log = filled(&rig);
    let config = LogConfig {
        deletes: false,
        retention_bytes: Some(0),
        ..log.config().clone()
    };
    log.set_config(config).unwrap();
    let (end, later) = (log.log_end(), Timestamp(NOW.0 + 9 * WEEK_MS));
    assert_eq!(log.retain(end, later).unwrap(), None);
    let second = Offset(*rig.segments().keys().nth(1).unwrap());
    log.raise_log_start(second.next());
    let retained = log.retain(end, later).unwrap().unwrap();
    assert_eq!(
        retained.log_start,
        second.next(),
        "a part of a segment does not go"
    );
    assert_eq!(
        log.delete_segments(second.next())
            .unwrap()
            .unwrap()
            .segments(),
        1
    );
}

#[test]
fn a_reader_in_flight_hears_out_of_range_and_never_garbage() {
    let rig = Rig::new();
    let mut log = filled(&rig);
    let reader = log.reader();
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let seen = std::thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut refused = 0_u64;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                for offset in (0..12).map(Offset) {
                    match reader.read(offset, Offset(i64::MAX), 700) {
                        Ok(bytes) => {
                            let found = crate::rig::records_in(bytes);
                            assert_eq!(found[0].0, offset.0);
                            assert_eq!(found[0].2, vec![u8::try_from(offset.0).unwrap(); 600]);
                        }
                        Err(ReadError::OutOfRange { log_start, .. }) => {
                            assert!(offset < log_start);
                            refused += 1;
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            }
            refused
        }
    });
    let end = log.log_end();
    for bytes in (0..=8000).rev().step_by(50) {
        keep_bytes(&mut log, bytes);
        if let Some(retained) = log.retain(end, NOW).unwrap() {
            while let Some(deleted) = log.delete_segments(retained.log_start).unwrap() {
                deleted.remove().unwrap();
            }
        }
    }
    // One more round of reads after the last deletion has begun.
    let after = log.reader().read(Offset::ZERO, end, 100);
    assert!(
        matches!(after, Err(ReadError::OutOfRange { .. })),
        "{after:?}"
    );
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    seen.join().unwrap();
}

/// Every step of a deletion, each followed by a stop.
#[test]
fn a_stop_at_any_step_loses_nothing_that_was_to_stay() {
    // The last one is past the renames: all of them are done, and the files are not removed.
    for renames in (0..=9).map(Some).chain([None]) {
        for start_is_durable in [true, false] {
            if renames.is_some() && !start_is_durable {
                continue;
            }
            let faults = Arc::new(Faults::default());
            let mut rig = Rig::on(Arc::new(FaultyDisk {
                faults: Arc::clone(&faults),
            }));
            let mut log = filled(&rig);
            let all = read_all(&log.reader(), 5000);
            keep_bytes(&mut log, 2500);
            let retained = log.retain(log.log_end(), NOW).unwrap().unwrap();
            if start_is_durable {
                rig.log_start = Some(retained.log_start);
                *faults.renames.lock().unwrap() = renames.map(|good| (ErrorKind::Other, good));
                match log.delete_segments(retained.log_start) {
                    Ok(deleted) => drop(deleted),
                    Err(DeleteError::DirFailed(_)) => assert!(renames.is_some()),
                    Err(error) => panic!("{error}"),
                }
                *faults.renames.lock().unwrap() = None;
            }
            drop(log);
            let (mut log, report) = rig.open(0, false).unwrap();
            assert_eq!(report.cut, None, "{renames:?}");
            assert!(
                names(&rig.dir(), ".deleted").is_empty(),
                "survivors are removed"
            );
            let start = if start_is_durable {
                retained.log_start
            } else {
                Offset::ZERO
            };
            assert_eq!(log.log_start(), start, "{renames:?}");
            let expected: Vec<_> = all.iter().filter(|r| r.0 >= start.0).cloned().collect();
            assert_eq!(read_all(&log.reader(), 5000), expected, "{renames:?}");
            // What is left of the deletion is finished by the next round.
            keep_bytes(&mut log, 2500);
            if let Some(retained) = log.retain(log.log_end(), NOW).unwrap() {
                let _ = log.delete_segments(retained.log_start).unwrap();
            }
            assert_eq!(rig.segments().keys().next(), Some(&log.log_start().0));
        }
    }
}

/// A power cut may keep any of the renames and undo the others.
#[test]
fn any_of_the_renames_may_be_undone() {
    for undone in 0..8_u32 {
        let mut rig = Rig::new();
        let mut log = filled(&rig);
        let all = read_all(&log.reader(), 5000);
        let before = rig.segments();
        let to = Offset(*before.keys().nth(3).unwrap());
        log.raise_log_start(to);
        rig.log_start = Some(to);
        let _ = log.retain(log.log_end(), NOW).unwrap().unwrap();
        let deleted = log.delete_segments(to).unwrap().unwrap();
        assert_eq!(deleted.segments(), 3);
        drop((log, deleted));
        for (number, path) in before.values().take(3).enumerate() {
            if undone & (1 << number) != 0 {
                let mut renamed = path.clone().into_os_string();
                renamed.push(".deleted");
                std::fs::rename(renamed, path).unwrap();
            }
        }
        for recovery_point in [0, to.0, all.last().unwrap().0] {
            let (log, report) = rig.open(recovery_point, false).unwrap();
            assert_eq!((report.cut, log.log_start()), (None, to), "{undone:b}");
            let expected: Vec<_> = all.iter().filter(|r| r.0 >= to.0).cloned().collect();
            assert_eq!(read_all(&log.reader(), 5000), expected, "{undone:b}");
        }
    }
}

#[test]
fn a_full_disk_ends_nothing_and_the_segment_stays() {
    let faults = Arc::new(Faults::default());
    let rig = Rig::on(Arc::new(FaultyDisk {
        faults: Arc::clone(&faults),
    }));
    let mut log = filled(&rig);
    keep_bytes(&mut log, 2500);
    let retained = log.retain(log.log_end(), NOW).unwrap().unwrap();
    *faults.renames.lock().unwrap() = Some((ErrorKind::StorageFull, 2));
    let refused = log.delete_segments(retained.log_start);
    assert!(
        matches!(refused, Err(DeleteError::Io { .. })),
        "{refused:?}"
    );
    *faults.renames.lock().unwrap() = None;
    let deleted = log.delete_segments(retained.log_start).unwrap().unwrap();
    assert!(deleted.is_all());
    assert_eq!(rig.segments().keys().next(), Some(&retained.log_start.0));
    rig.fill(&mut log, 1, 10);
}

pub(crate) fn open_dir(root: &Path) -> LogDir {
    let cluster = ClusterId::from_uuid(Uuid::from_u128(1));
    let directory = DirectoryId::from_uuid(Uuid::from_u128(2));
    LogDir::open(Arc::new(RealDisk), root, cluster, BrokerId(1), directory).unwrap()
}

#[test]
fn a_start_that_was_checkpointed_survives_and_a_cut_below_it_lowers_it() {
    let rig = Rig::new();
    let partition = trimaran_commit_log::parse_partition_dir("t-0").unwrap();
    let open = |dir: &LogDir| {
        let start = dir.open_as(&partition, topic_id());
        let at = dir.partition_dir(&partition);
        Log::open(dir.context(), &at, rig.config.clone(), start)
            .unwrap()
            .0
    };
    let dir = open_dir(rig.root.path());
    let mut log = open(&dir);
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    rig.fill(&mut log, 12, 600);
    flush(&mut log);
    log.raise_log_start(Offset(7));
    dir.write_log_starts().unwrap();
    drop((log, dir));

    let dir = open_dir(rig.root.path());
    let mut log = open(&dir);
    assert_eq!(log.log_start(), Offset(7));
    // A new leader begins earlier. The old start must not delete what is written from there on.
    log.truncate_fully_and_start_at(Offset(3)).unwrap();
    log.assign_epoch(LeaderEpoch(1), Offset(3)).unwrap();
    rig.fill(&mut log, 12, 600);
    flush(&mut log);
    drop((log, dir));

    let dir = open_dir(rig.root.path());
    let mut log = open(&dir);
    assert_eq!((log.log_start(), log.log_end()), (Offset(3), Offset(15)));
    assert_eq!(log.retain(log.log_end(), NOW).unwrap(), None);
}

#[test]
fn segments_are_closed_early_by_their_own_jitter() {
    let rolled_at = |jitter_ms: u64, base: i64| {
        let mut rig = Rig::new();
        rig.config.segment_bytes = 1 << 20;
        rig.config.segment_ms = 1000;
        rig.config.segment_jitter_ms = jitter_ms;
        let mut log = rig.fresh();
        log.truncate_fully_and_start_at(Offset(base)).unwrap();
        log.assign_epoch(LeaderEpoch(0), Offset(base)).unwrap();
        let mut age = 0;
        while rig.segments().len() < 2 {
            let batch = batch_at(&[(NOW.0, b"x")]);
            let now = Timestamp(NOW.0 + age);
            log.append_as_leader(vec![batch], LeaderEpoch(0), now)
                .unwrap();
            age += 20;
        }
        age - 20
    };
    assert_eq!(rolled_at(0, 0), 1020);
    let spread: std::collections::BTreeSet<i64> =
        (0..12).map(|base| rolled_at(1000, base)).collect();
    assert!(spread.len() > 3, "{spread:?}");
    assert!(spread.iter().all(|age| *age <= 1020), "{spread:?}");
    assert_eq!(rolled_at(1000, 5), rolled_at(1000, 5));
}
