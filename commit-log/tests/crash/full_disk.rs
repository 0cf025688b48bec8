//! A real file system without one free block: retention makes room all the same, logs are cut, the
//! directory stops cleanly, and appends go on by themselves.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, Flusher, JournalLimits, Log, LogConfig, LogDir, LogDirError, RealDisk,
};
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, Timestamp};
use uuid::Uuid;

use crate::promises::{partition, read_all, topic_id};
use crate::real_faults::{CHILD_DIR, CHILD_JOURNAL, on_file_system_of, run_test};

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const FILE_SYSTEM: &str = "1m";
const RESERVE_BYTES: u64 = 128 * 1024;
const BLOCK_BYTES: u64 = 4096;
const ROUNDS: usize = 12;

/// The second half is being lengthened when the file system is full.
const JOURNAL: JournalLimits = JournalLimits {
    half_bytes: 288 * 1024,
    flush_bytes_end: 20_000,
    chunk_bytes: 8 * 1024,
    kept_bytes_max: 100_000,
};

fn has_journal() -> bool {
    std::env::var_os(CHILD_JOURNAL).is_some()
}

fn open(root: &Path) -> (LogDir, Log) {
    let mut dir = LogDir::open(
        Arc::new(RealDisk),
        root,
        ClusterId::from_uuid(Uuid::from_u128(1)),
        BrokerId(1),
        DirectoryId::from_uuid(Uuid::from_u128(2)),
    )
    .unwrap();
    if has_journal() {
        dir.use_journal(JOURNAL).unwrap();
    }
    let config = LogConfig {
        segment_bytes: 64 * 1024,
        retention_bytes: Some(if has_journal() { 128 } else { 256 } * 1024),
        tail_bytes_max: 0,
        ..LogConfig::default()
    };
    let start = dir.open_as(&partition(0), topic_id(0));
    let path = dir.partition_dir(&partition(0));
    let (log, _) = Log::open(dir.context(), &path, config, start).unwrap();
    (dir, log)
}

fn append(log: &mut Log, bytes: usize) -> Result<(), AppendError> {
    let value: Arc<[u8]> = vec![7; bytes].into();
    let epoch = log.latest_epoch().unwrap();
    log.append_as_leader(vec![crate::workload::batch(&[value])], epoch, NOW)
        .map(|_| ())
}

fn flush(log: &mut Log, flusher: &Flusher) {
    while let Some(request) = log.begin_flush() {
        let token = request.token();
        let (tell, told) = mpsc::channel();
        flusher.submit(request, Box::new(move |done| tell.send(done).unwrap()));
        flusher.run_waiting();
        flusher.run_cleaning();
        told.recv().unwrap().unwrap();
        log.flushed(&token);
    }
}

/// Appends until nothing fits, tells how many did, and takes the last free block with a file of its
/// own.
fn fill_up(log: &mut Log, flusher: &Flusher, filler: &Path) -> usize {
    let mut appended = 0;
    let refused = loop {
        match append(log, 3000) {
            Ok(()) => {
                appended += 1;
                if has_journal() {
                    flush(log, flusher);
                }
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, AppendError::NoRoom { .. }), "{refused}");
    flush(log, flusher);
    let mut filler = File::options()
        .create(true)
        .append(true)
        .open(filler)
        .unwrap();
    while filler.write_all(&[1; 512]).is_ok() {}
    while filler.write_all(&[1]).is_ok() {}
    appended
}

fn is_full(root: &Path) -> bool {
    let probe = root.join("probe");
    let written = fs::write(&probe, [1]);
    fs::remove_file(&probe).unwrap();
    written.is_err_and(|error| error.raw_os_error() == Some(28))
}

/// What the broker's retention does, in its order; tells how many segments went.
fn retain(dir: &LogDir, log: &mut Log) -> Result<usize, LogDirError> {
    let Some(retained) = log.retain(log.flushed_end(), NOW).unwrap() else {
        return Ok(0);
    };
    if retained.rolled {
        dir.sync_log(&partition(0))?;
    }
    dir.write_log_starts()?;
    let mut segments = 0;
    while let Some(deleted) = log.delete_segments(retained.log_start).unwrap() {
        segments += deleted.segments();
        deleted.sync()?;
        deleted.remove().unwrap();
    }
    Ok(segments)
}

struct Place {
    root: PathBuf,
    filler: PathBuf,
    reserved: PathBuf,
}

/// The folder on a small file system, when this process is the child that has one.
fn place() -> Option<Place> {
    let root = PathBuf::from(std::env::var_os(CHILD_DIR)?);
    Some(Place {
        filler: root.join("filler"),
        reserved: root.join("logs/reserved-space"),
        root,
    })
}

fn reserved(place: &Place) -> u64 {
    fs::metadata(&place.reserved).map_or(0, |meta| meta.len())
}

/// What the children run.
#[test]
fn child() {
    let Some(place) = place() else {
        return;
    };
    let (dir, mut log) = open(&place.root);
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    let flusher = Flusher::without_threads(Arc::clone(&dir.context().latch), 10);
    append(&mut log, 100).unwrap();
    flush(&mut log, &flusher);
    dir.write_recovery_points().unwrap();
    dir.write_log_starts().unwrap();

    // Without reserved blocks nothing would ever make room again, but somebody from outside.
    fs::write(&place.filler, [1; 64 * 1024]).unwrap();
    fill_up(&mut log, &flusher, &place.filler);
    assert!(is_full(&place.root));
    if has_journal() {
        let journal = fs::read(place.root.join("logs/flush-journal.1")).unwrap();
        assert!(journal.starts_with(b"TRIMJNL1"));
        assert!((journal.len() as u64) < JOURNAL.half_bytes);
    }
    let stuck = retain(&dir, &mut log).unwrap_err();
    assert!(matches!(stuck, LogDirError::Io { .. }), "{stuck}");
    fs::remove_file(&place.filler).unwrap();
    assert!(retain(&dir, &mut log).unwrap() > 0);

    assert_eq!(dir.fill_reserve(RESERVE_BYTES).unwrap(), RESERVE_BYTES);
    for round in 0..ROUNDS {
        let appended = fill_up(&mut log, &flusher, &place.filler);
        assert!(round == 0 || appended > 10, "round {round}: {appended}");
        assert!(is_full(&place.root), "round {round}");
        // The epochs on disk and the recovery point lie beyond the cut, which lowers both first.
        let epoch = LeaderEpoch(1 + i32::try_from(round).unwrap());
        log.assign_epoch(epoch, log.log_end()).unwrap();
        // The indexes may have no room, and are not what this is about.
        if let Ok(Some(request)) = log.begin_checkpoint() {
            request.files.iter().for_each(|it| it.sync_data().unwrap());
            log.flushed(&request.token());
        }
        dir.write_recovery_points().unwrap();
        let end = log.log_end();
        let cut = log.truncate_to(Offset(end.0 - 1)).unwrap();
        assert!(cut < end);
        log.assign_epoch(epoch, cut).unwrap();
        fill_up(&mut log, &flusher, &place.filler);
        assert!(is_full(&place.root), "round {round}");

        let before = log.log_start();
        assert!(retain(&dir, &mut log).unwrap() > 0, "round {round}");
        assert!(log.log_start() > before);
        // Files that were not there before took some of it, and there is room again.
        let left = reserved(&place);
        assert!(left >= RESERVE_BYTES - 4 * BLOCK_BYTES, "{round}: {left}");
        assert_eq!(dir.fill_reserve(RESERVE_BYTES).unwrap(), RESERVE_BYTES);
    }
    assert!(dir.context().latch.failure().is_none());

    // A clean stop leaves its mark there, too.
    fill_up(&mut log, &flusher, &place.filler);
    assert!(is_full(&place.root));
    let (start, end) = (log.log_start(), log.log_end());
    log.close().unwrap();
    dir.write_log_starts().unwrap();
    dir.mark_clean_shutdown(None).unwrap();
    drop(dir);
    let (dir, log) = open(&place.root);
    assert!(dir.clean_shutdown().is_some());
    assert_eq!((log.log_start(), log.log_end()), (start, end));
    let records = read_all(&log).unwrap();
    assert_eq!(records.last().unwrap().0 + 1, end.0);
    // The mark took a block of it, which is not there again yet.
    let left = dir.fill_reserve(RESERVE_BYTES).unwrap();
    assert!(left >= RESERVE_BYTES - 4 * BLOCK_BYTES, "{left}");
    println!("child done");
}

fn clear(has_journal: bool) {
    let root = tempfile::tempdir().unwrap();
    let Some(mut command) = on_file_system_of(FILE_SYSTEM, root.path()) else {
        return;
    };
    if has_journal {
        command.env(CHILD_JOURNAL, "1");
    }
    let said = run_test(&mut command, "full_disk::child", root.path());
    println!("{said}");
}

#[test]
fn retention_makes_room_on_a_file_system_without_a_free_block() {
    clear(false);
}

#[test]
fn so_it_does_with_a_journal_in_front_of_the_logs() {
    clear(true);
}
