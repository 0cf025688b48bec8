//! Disks that fail: a full one takes nothing, any other failure ends the directory for good.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{AppendError, FlushError, Flusher, Log, LogConfig};
use trimaran_types::record_batch::RecordBatch;
use trimaran_types::{LeaderEpoch, Offset};

use crate::rig::{Faults, FaultyDisk, NOW, Rig, batch_of, flush, read_all};

fn rig() -> (Rig, Arc<Faults>) {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    (Rig::on(Arc::new(disk)), faults)
}

fn batches(count: usize) -> Vec<RecordBatch> {
    (0..count).map(|_| batch_of(&[&[9; 200]])).collect()
}

#[test]
fn a_full_disk_leaves_the_log_as_it_was() {
    let (mut rig, faults) = rig();
    rig.config = LogConfig {
        tail_bytes_max: 1 << 20,
        ..rig.config
    };
    let mut log = rig.fresh();
    rig.fill(&mut log, 5, 60);
    let segments = rig.segments();
    let bytes = std::fs::metadata(&segments[&0]).unwrap().len();
    // The group needs several segments; the write fails in each of them in turn, half done.
    for writes_before in 0..4 {
        faults.writes_before.store(writes_before, Ordering::SeqCst);
        *faults.write.lock().unwrap() = Some((io::ErrorKind::StorageFull, 100));
        let error = log
            .append_as_leader(batches(30), LeaderEpoch(0), NOW)
            .unwrap_err();
        assert!(matches!(error, AppendError::NoRoom { .. }), "{error}");
        assert_eq!(log.log_end(), Offset(5));
        assert_eq!(rig.segments(), segments);
        assert_eq!(std::fs::metadata(&segments[&0]).unwrap().len(), bytes);
        assert_eq!(read_all(&log.reader(), 1000).len(), 5);
    }
    let done = log
        .append_as_leader(batches(30), LeaderEpoch(0), NOW)
        .unwrap();
    assert_eq!((done.base_offset, done.end), (Offset(5), Offset(35)));
    flush(&mut log);
    drop(log);
    let (log, report) = rig.open(0, false).unwrap();
    assert_eq!((log.log_end(), report.cut), (Offset(35), None));
}

#[test]
fn any_other_write_error_ends_the_directory() {
    let (rig, faults) = rig();
    let mut log = rig.fresh();
    rig.fill(&mut log, 5, 60);
    *faults.write.lock().unwrap() = Some((io::ErrorKind::Other, 100));
    for _ in 0..2 {
        let error = log
            .append_as_leader(batches(1), LeaderEpoch(0), NOW)
            .unwrap_err();
        assert!(matches!(error, AppendError::DirFailed(_)), "{error}");
    }
    assert!(log.truncate_to(Offset(0)).is_err());
    assert!(log.begin_checkpoint().is_err());
    assert_eq!(read_all(&log.reader(), 1000).len(), 5);
    assert!(log.close().is_err());
    let (log, report) = rig.open(5, false).unwrap();
    assert_eq!(log.log_end(), Offset(5));
    assert_eq!(report.cut.unwrap().bytes, 100);
}

#[test]
fn the_first_failed_sync_is_final() {
    let (rig, faults) = rig();
    let context = rig.context();
    let start = trimaran_commit_log::OpenAs {
        topic_id: crate::rig::topic_id(),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let open = |name: &str| {
        let dir = rig.root.path().join(name);
        let (mut log, _) = Log::open(&context, &dir, rig.config.clone(), start).unwrap();
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
        log
    };
    let (mut one, mut two) = (open("a-0"), open("b-0"));
    let flusher = Flusher::start(Arc::clone(&context.latch), 2, 10).unwrap();
    let (sender, results) = mpsc::channel();
    let submit = |log: &mut Log| {
        let sender = sender.clone();
        flusher.submit(
            log.begin_flush().unwrap(),
            Box::new(move |r| sender.send(r).unwrap()),
        );
        results.recv().unwrap()
    };
    rig.fill(&mut one, 1, 10);
    rig.fill(&mut two, 1, 10);
    assert_eq!(submit(&mut one), Ok(()));
    faults.sync.store(true, Ordering::SeqCst);
    assert!(matches!(submit(&mut one), Err(FlushError::DirFailed(_))));
    // The disk would answer well again, and is not asked.
    faults.sync.store(false, Ordering::SeqCst);
    let syncs = faults.syncs.load(Ordering::SeqCst);
    assert!(matches!(submit(&mut one), Err(FlushError::DirFailed(_))));
    assert!(matches!(submit(&mut two), Err(FlushError::DirFailed(_))));
    assert_eq!(faults.syncs.load(Ordering::SeqCst), syncs);
    let error = two
        .append_as_leader(batches(1), LeaderEpoch(0), NOW)
        .unwrap_err();
    assert!(matches!(error, AppendError::DirFailed(_)), "{error}");
    assert!(context.latch.failure().unwrap().cause.contains("sync"));
    assert_eq!(one.flushed_end(), Offset(0));
    assert_eq!(two.close().unwrap_err().to_string(), error.to_string());
}

#[test]
fn names_that_the_last_process_made_are_durable_after_recovery() {
    let (rig, faults) = rig();
    let mut log = rig.fresh();
    rig.fill(&mut log, 40, 60);
    assert!(rig.segments().len() > 1);
    // Killed before the new segments' names were synced.
    drop(log);
    faults.dirs_synced.lock().unwrap().clear();
    drop(rig.open(0, false).unwrap());
    // Once for the names, once for the snapshots that recovery took back.
    assert_eq!(*faults.dirs_synced.lock().unwrap(), [rig.dir(), rig.dir()]);

    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let id = uuid::Uuid::from_u128;
    let data_dir = rig.root.path().join("data");
    drop(
        trimaran_commit_log::LogDir::open(
            Arc::new(disk),
            &data_dir,
            trimaran_types::ClusterId::from_uuid(id(1)),
            trimaran_types::BrokerId(1),
            trimaran_types::DirectoryId::from_uuid(id(2)),
        )
        .unwrap(),
    );
    let synced = faults.dirs_synced.lock().unwrap();
    assert!(synced.contains(&data_dir) && synced.contains(&data_dir.join("logs")));
}

#[test]
fn an_index_that_cannot_be_cut_does_not_end_the_directory() {
    for (count, to) in [(20, 3), (5, 2)] {
        let (rig, faults) = rig();
        let mut log = rig.fresh();
        rig.fill(&mut log, count, 60);
        *faults.indexes.lock().unwrap() = Some(io::ErrorKind::StorageFull);
        assert_eq!(log.truncate_to(Offset(to)).unwrap(), Offset(to));
        *faults.indexes.lock().unwrap() = None;
        rig.fill(&mut log, 40, 60);
        let records = read_all(&log.reader(), 300);
        let offsets: Vec<_> = records.iter().map(|record| record.0).collect();
        assert_eq!(offsets, (0..to + 40).collect::<Vec<_>>());
        flush(&mut log);
        log.close().unwrap();
        let (log, report) = rig.open(to + 40, true).unwrap();
        assert_eq!((log.log_end(), report.cut), (Offset(to + 40), None));
        assert_eq!(read_all(&log.reader(), 300).len(), records.len());
    }
}

#[test]
fn a_log_closes_cleanly_without_room_for_its_indexes() {
    let (rig, faults) = rig();
    let mut log = rig.fresh();
    rig.fill(&mut log, 20, 60);
    let records = read_all(&log.reader(), 300);
    *faults.indexes.lock().unwrap() = Some(io::ErrorKind::StorageFull);
    assert_eq!(log.close().unwrap(), Offset(20));
    *faults.indexes.lock().unwrap() = None;
    let (log, report) = rig.open(20, true).unwrap();
    assert_eq!((log.log_end(), report.cut), (Offset(20), None));
    assert_eq!(read_all(&log.reader(), 300), records);
    log.close().unwrap();
    drop(rig.open(20, true).unwrap());
}

#[test]
fn a_log_opens_without_room_for_an_index_that_is_gone() {
    let (rig, faults) = rig();
    let mut log = rig.fresh();
    rig.fill(&mut log, 40, 60);
    let records = read_all(&log.reader(), 300);
    let bases: Vec<i64> = rig.segments().into_keys().collect();
    assert!(bases.len() > 2);
    log.close().unwrap();
    let index = crate::rig::segment_files(&rig.dir(), "index");
    std::fs::remove_file(&index[&bases[0]]).unwrap();
    *faults.write.lock().unwrap() = Some((io::ErrorKind::StorageFull, 0));
    let (log, _) = rig.open(40, true).unwrap();
    assert!(faults.write.lock().unwrap().is_none());
    assert_eq!(read_all(&log.reader(), 300), records);
    for kind in ["index", "timeindex"] {
        let files = crate::rig::segment_files(&rig.dir(), kind);
        assert!(!files.contains_key(&bases[0]) && files.contains_key(&bases[1]));
    }
}
