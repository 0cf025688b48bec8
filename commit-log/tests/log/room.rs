//! Zeros written ahead of the data: when there are some, who sees them, and when they go.

use std::fs;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use trimaran_commit_log::{
    AppendError, Log, LogConfig, LogContext, OpenAs, RealDisk, RoomBudget, RoomLimits,
};
use trimaran_types::{LeaderEpoch, Offset};

use crate::rig::{Faults, FaultyDisk, NOW, Rig, batch_of, flush, read_all, topic_id};

const PAGE_BYTES: u64 = 4096;

/// Room after the first flush, 8 KiB at a time.
const EAGER: RoomLimits = RoomLimits {
    bytes_max: 1 << 20,
    chunk_bytes_min: 8192,
    chunk_bytes_max: 8192,
    flushes_min: 1,
};

pub(crate) fn rig_on(disk: Arc<dyn trimaran_commit_log::Disk>) -> Rig {
    let mut rig = Rig::on(disk);
    rig.room = EAGER;
    rig.config = LogConfig {
        segment_bytes: 50_000,
        ..rig.config
    };
    rig
}

fn faulty_rig() -> (Rig, Arc<Faults>) {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    (rig_on(Arc::new(disk)), faults)
}

/// Bytes of the file that is written.
fn file_bytes(rig: &Rig) -> u64 {
    let (_, path) = rig.segments().pop_last().unwrap();
    fs::metadata(path).unwrap().len()
}

pub(crate) fn room_bytes(rig: &Rig, log: &Log) -> u64 {
    let all: u64 = rig
        .segments()
        .values()
        .map(|path| fs::metadata(path).unwrap().len())
        .sum();
    all - log.bytes()
}

pub(crate) fn fill_and_flush(rig: &Rig, log: &mut Log, count: usize) {
    for _ in 0..count {
        rig.fill(log, 1, 300);
        flush(log);
    }
}

pub(crate) fn log_with_room(rig: &Rig) -> Log {
    let mut log = rig.fresh();
    fill_and_flush(rig, &mut log, 3);
    assert!(room_bytes(rig, &log) > 0);
    log
}

/// As the owner does it every minute, when nothing happened.
pub(crate) fn idle_minute(log: &mut Log) {
    match log.begin_checkpoint().unwrap() {
        Some(request) => {
            request
                .files
                .iter()
                .for_each(|file| file.sync_data().unwrap());
            log.flushed(&request.token());
        }
        None => log.close_idle_file(),
    }
}

#[test]
fn small_flushes_get_room_and_appends_go_into_it() {
    let rig = rig_on(Arc::new(RealDisk));
    let mut log = rig.fresh();
    rig.fill(&mut log, 3, 300);
    assert_eq!(room_bytes(&rig, &log), 0, "nobody knows yet how it flushes");
    flush(&mut log);
    rig.fill(&mut log, 1, 300);
    let with_room = file_bytes(&rig);
    assert!(with_room.is_multiple_of(PAGE_BYTES) && with_room > 4096);
    let mut lengths = vec![with_room];
    while lengths.len() < 4 {
        fill_and_flush(&rig, &mut log, 1);
        let bytes = file_bytes(&rig);
        assert!(bytes >= log.bytes());
        if bytes != lengths[lengths.len() - 1] {
            lengths.push(bytes);
        }
        // Zeros and nothing else.
        let whole = fs::read(&rig.segments()[&0]).unwrap();
        let data = usize::try_from(log.bytes()).unwrap();
        assert!(whole[data..].iter().all(|byte| *byte == 0));
    }
    assert!(lengths.windows(2).all(|pair| pair[1] - pair[0] >= 4096));
    assert_eq!(read_all(&log.reader(), 1000).len() as i64, log.log_end().0);
}

#[test]
fn large_flushes_and_logs_that_want_none_grow() {
    for (preallocate, bytes) in [(true, 70_000), (false, 300)] {
        let mut rig = rig_on(Arc::new(RealDisk));
        rig.config = LogConfig {
            segment_bytes: 1 << 20,
            preallocate,
            ..rig.config
        };
        let mut log = rig.fresh();
        for _ in 0..10 {
            rig.fill(&mut log, 1, bytes);
            flush(&mut log);
            assert_eq!(room_bytes(&rig, &log), 0);
        }
    }
}

#[test]
fn room_ends_with_the_segment_and_a_finished_one_has_none() {
    let rig = rig_on(Arc::new(RealDisk));
    let mut log = rig.fresh();
    while rig.segments().len() < 4 {
        fill_and_flush(&rig, &mut log, 1);
        let segments = rig.segments();
        let bases: Vec<i64> = segments.keys().copied().collect();
        for pair in bases.windows(2) {
            let finished = fs::read(&segments[&pair[0]]).unwrap();
            let records = crate::rig::records_in(finished.into());
            assert_eq!(records.last().unwrap().0 + 1, pair[1]);
        }
        assert!(file_bytes(&rig) <= 50_000);
    }
}

#[test]
fn room_goes_when_the_log_is_closed_cut_or_left_alone() {
    let rig = rig_on(Arc::new(RealDisk));
    log_with_room(&rig).close().unwrap();
    let (log, report) = rig.open(3, true).unwrap();
    assert_eq!((log.log_end(), report.room_bytes), (Offset(3), 0));
    drop(log);

    let rig = rig_on(Arc::new(RealDisk));
    let mut log = log_with_room(&rig);
    log.truncate_to(Offset(2)).unwrap();
    assert_eq!(room_bytes(&rig, &log), 0);
    fill_and_flush(&rig, &mut log, 2);
    assert!(room_bytes(&rig, &log) > 0);
    log.truncate_fully_and_start_at(Offset(90)).unwrap();
    assert_eq!(room_bytes(&rig, &log), 0);

    let rig = rig_on(Arc::new(RealDisk));
    let mut log = log_with_room(&rig);
    // The records' checkpoint; the cut; the file is let go.
    idle_minute(&mut log);
    assert!(room_bytes(&rig, &log) > 0);
    log.close_idle_file();
    idle_minute(&mut log);
    assert_eq!(room_bytes(&rig, &log), 0);
    idle_minute(&mut log);
    // It shows anew that it is busy.
    rig.fill(&mut log, 1, 300);
    assert_eq!(room_bytes(&rig, &log), 0);
    log.close().unwrap();
}

#[test]
fn a_segment_that_retention_finishes_has_no_room() {
    let mut rig = rig_on(Arc::new(RealDisk));
    rig.config.retention_ms = Some(1);
    let mut log = log_with_room(&rig);
    let later = trimaran_types::Timestamp(NOW.0 + 1000);
    let retained = log.retain(log.log_end(), later).unwrap().unwrap();
    assert!(retained.rolled);
    assert_eq!(room_bytes(&rig, &log), 0);
}

#[test]
fn the_budget_bounds_the_room_of_all_logs() {
    let rig = rig_on(Arc::new(RealDisk));
    let limits = RoomLimits {
        bytes_max: 20_000,
        ..EAGER
    };
    let context = LogContext {
        room: Arc::new(RoomBudget::new(limits)),
        ..rig.context()
    };
    let start = OpenAs {
        topic_id: topic_id(),
        recovery_point: Offset(0),
        log_start: None,
        clean_shutdown: false,
    };
    let mut logs: Vec<Log> = (0..5)
        .map(|n| {
            let dir = rig.root.path().join(format!("t-{n}"));
            let (mut log, _) = Log::open(&context, &dir, rig.config.clone(), start).unwrap();
            log.assign_epoch(LeaderEpoch(0), Offset(0)).unwrap();
            log
        })
        .collect();
    let mut most = 0;
    for round in 0..60 {
        for log in &mut logs {
            rig.fill(log, 1, 300);
            flush(log);
        }
        let used = context.room.used_bytes();
        let there: u64 = logs
            .iter()
            .map(|log| {
                let files = crate::rig::segment_files(log.dir(), "log");
                let bytes = files.values().map(|path| fs::metadata(path).unwrap().len());
                bytes.sum::<u64>() - log.bytes()
            })
            .sum();
        assert_eq!(used, there, "round {round}");
        assert!(used <= 20_000);
        most = most.max(used);
    }
    assert!(most > 10_000);
    let last = logs.pop().unwrap();
    last.close().unwrap();
    drop(logs);
    assert_eq!(context.room.used_bytes(), 0);
}

#[test]
fn files_are_the_same_with_room_and_without_once_they_are_closed() {
    let run = |preallocate: bool| {
        let mut rig = rig_on(Arc::new(RealDisk));
        rig.config.preallocate = preallocate;
        let mut log = rig.fresh();
        let mut had_room = 0;
        for round in 0..200_usize {
            rig.fill(&mut log, 1 + round % 3, 50 * (round % 11));
            if round % 4 != 3 {
                flush(&mut log);
            }
            had_room += room_bytes(&rig, &log);
            if round % 50 == 30 {
                log.truncate_to(Offset(log.log_end().0 - 7)).unwrap();
                let epoch = LeaderEpoch(i32::try_from(round).unwrap());
                log.assign_epoch(epoch, log.log_end()).unwrap();
            }
        }
        assert_eq!(had_room > 0, preallocate);
        log.close().unwrap();
        let mut files = Vec::new();
        for entry in fs::read_dir(rig.dir()).unwrap() {
            let path = entry.unwrap().path();
            files.push((
                path.file_name().unwrap().to_owned(),
                fs::read(path).unwrap(),
            ));
        }
        files.sort();
        files
    };
    assert!(run(true) == run(false));
}

#[test]
fn a_disk_too_full_for_room_takes_the_append() {
    let (rig, faults) = faulty_rig();
    let mut log = rig.fresh();
    fill_and_flush(&rig, &mut log, 1);
    // The append's own write goes through, that of the room stops half way.
    faults.writes_before.store(1, Ordering::SeqCst);
    *faults.write.lock().unwrap() = Some((io::ErrorKind::StorageFull, 1000));
    rig.fill(&mut log, 1, 300);
    assert!(faults.write.lock().unwrap().is_none());
    assert_eq!(room_bytes(&rig, &log), 0);
    assert_eq!(log.log_end(), Offset(2));
    fill_and_flush(&rig, &mut log, 2);
    assert!(room_bytes(&rig, &log) > 0, "and looks anew later");
    drop(log);
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!((log.log_end(), report.cut), (Offset(4), None));
}

#[test]
fn a_disk_that_fails_while_room_is_written_ends_the_directory() {
    let (rig, faults) = faulty_rig();
    let mut log = rig.fresh();
    fill_and_flush(&rig, &mut log, 1);
    faults.writes_before.store(1, Ordering::SeqCst);
    *faults.write.lock().unwrap() = Some((io::ErrorKind::Other, 1000));
    for _ in 0..2 {
        let batch = batch_of(&[&[1; 300]]);
        let error = log
            .append_as_leader(vec![batch], LeaderEpoch(0), NOW)
            .unwrap_err();
        assert!(matches!(error, AppendError::DirFailed(_)), "{error}");
    }
    assert_eq!(read_all(&log.reader(), 1000).len(), 1);
    assert!(log.close().is_err());
}

/// A finished segment is synced by a flush that began after it was finished, and by no other.
#[test]
fn a_flush_from_before_a_roll_does_not_settle_the_finished_segment() {
    let rig = rig_on(Arc::new(RealDisk));
    let mut log = rig.fresh();
    rig.fill(&mut log, 1, 40_000);
    let before = log.begin_flush().unwrap();
    rig.fill(&mut log, 1, 40_000);
    assert_eq!(rig.segments().len(), 2);
    before
        .files
        .iter()
        .for_each(|file| file.sync_data().unwrap());
    log.flushed(&before.token());
    // Log, both indexes and the snapshot of the finished one; the log of the next.
    assert_eq!(log.begin_flush().unwrap().files.len(), 5);
}
