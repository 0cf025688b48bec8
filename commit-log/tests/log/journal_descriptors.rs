//! More logs with bytes in the journal than the process may have files open: the journal holds none that
//! their owners do not hold, lets go of all at a checkpoint, and a start needs few at once.

use std::fs::File;
use std::path::Path;
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, FlushRequest, Flusher, JournalLimits, Log, LogContext, is_exhausted,
};
use trimaran_types::Offset;

use crate::few_descriptors::{FewDescriptors, Limit};
use crate::journal::open;
use crate::rig::{NOW, batch_of, read_all};

/// Beside what is open already.
const FEW: usize = 12;
/// A start has so many segments open, at most.
const FILES_MAX: usize = 256;

const SEGMENT: &str = "00000000000000000000.log";

const LIMITS: JournalLimits = JournalLimits {
    half_bytes: 1 << 20,
    flush_bytes_end: 16 * 1024,
    chunk_bytes: 64 * 1024,
    kept_bytes_max: 1 << 20,
};

fn few() -> (Arc<FewDescriptors>, Arc<Limit>) {
    let disk = FewDescriptors::default();
    let limit = Arc::clone(&disk.0);
    (Arc::new(disk), limit)
}

fn append(log: &mut Log) -> Result<(), AppendError> {
    let epoch = log.latest_epoch().unwrap();
    let batches = vec![batch_of(&[&[9; 100]])];
    log.append_as_leader(batches, epoch, NOW).map(drop)
}

/// Has all requests wait before the first is served.
fn flush(logs: &mut [Log], flusher: &Flusher, begin: impl Fn(&mut Log) -> Option<FlushRequest>) {
    let (tell, told) = mpsc::channel();
    let mut tokens = Vec::new();
    for log in &mut *logs {
        let request = begin(log).unwrap();
        tokens.push(request.token());
        let tell = tell.clone();
        flusher.submit(request, Box::new(move |done| tell.send(done).unwrap()));
    }
    flusher.run_waiting();
    for (log, token) in logs.iter_mut().zip(&tokens) {
        told.recv().unwrap().unwrap();
        log.flushed(token);
        assert_eq!(log.flushed_end(), log.log_end());
    }
}

#[test]
fn dirty_logs_hold_one_descriptor_each_until_their_checkpoint() {
    let (disk, limit) = few();
    let root = tempfile::tempdir().unwrap();
    let context = LogContext::standalone(disk, root.path());
    let context = context.with_journal(root.path(), LIMITS).unwrap();
    let mut logs: Vec<Log> = (0..3 * FEW)
        .map(|number| open(&context, root.path(), number))
        .collect();
    let flusher = Flusher::without_threads(Arc::clone(&context.latch), logs.len());
    let idle = limit.held();
    for round in 0..3 {
        limit.more_at_once(FEW);
        let (own, others) = logs[round * FEW..].split_at_mut(FEW);
        own.iter_mut().for_each(|log| append(log).unwrap());
        for log in &mut *others {
            let refused = append(log).unwrap_err();
            assert!(matches!(refused, AppendError::NoRoom { .. }), "{refused}");
            assert_eq!((log.log_end(), log.bytes()), (Offset::ZERO, 0));
        }
        // The journal needs none for a flush, and the file stays open: it is not synced yet.
        flush(own, &flusher, Log::begin_flush);
        own.iter_mut().for_each(Log::close_idle_file);
        assert_eq!(limit.held(), idle + FEW);
        // Somebody else lets go of some. Then a checkpoint syncs the files, and the next one closes them.
        limit.more_at_once(FEW);
        let close_indexes = || (0..2).for_each(|_| context.files.close_idle());
        for log in own.chunks_mut(1) {
            flush(log, &flusher, |log| log.begin_checkpoint().unwrap());
            close_indexes();
        }
        for log in own {
            assert!(log.begin_checkpoint().unwrap().is_none());
            log.close_idle_file();
        }
        assert_eq!(limit.held(), idle, "held by the journal alone");
    }
    assert_eq!(context.latch.failure(), None);
}

/// Some logs that a power cut has left nothing of but what the journal has.
fn cut(root: &Path, logs: usize) {
    let context = LogContext::standalone(few().0, root);
    let context = context.with_journal(root, LIMITS).unwrap();
    let mut logs: Vec<Log> = (0..logs)
        .map(|number| open(&context, root, number))
        .collect();
    let flusher = Flusher::without_threads(Arc::clone(&context.latch), logs.len());
    logs.iter_mut().for_each(|log| append(log).unwrap());
    flush(&mut logs, &flusher, Log::begin_flush);
    for log in logs {
        let path = log.dir().join(SEGMENT);
        let file = File::options().write(true).open(path).unwrap();
        assert!(file.metadata().unwrap().len() > 100);
        file.set_len(0).unwrap();
    }
}

#[test]
fn a_start_puts_more_files_in_place_than_it_may_have_open() {
    let root = tempfile::tempdir().unwrap();
    let logs = 2 * FEW;
    cut(root.path(), logs);
    for at_once in 1.. {
        let (disk, limit) = few();
        limit.more_at_once(at_once);
        let context = LogContext::standalone(disk, root.path());
        match context.with_journal(root.path(), LIMITS) {
            Ok(context) => {
                assert!((3..FEW).contains(&at_once), "{at_once}");
                for number in 0..logs {
                    limit.more_at_once(FEW);
                    let log = open(&context, root.path(), number);
                    assert_eq!(read_all(&log.reader(), 1000).len(), 1, "log {number}");
                }
                return;
            }
            Err(error) => assert!(is_exhausted(&error), "{at_once}: {error}"),
        }
    }
}

#[test]
fn a_start_has_so_many_files_open_and_no_more() {
    let root = tempfile::tempdir().unwrap();
    cut(root.path(), FILES_MAX + 30);
    let (disk, limit) = few();
    let context = LogContext::standalone(disk, root.path());
    drop(context.with_journal(root.path(), LIMITS).unwrap());
    let most = limit.held_most();
    assert!((FILES_MAX..FILES_MAX + 8).contains(&most), "{most}");
    for number in 0..FILES_MAX + 30 {
        let path = root.path().join(format!("t-{number}/{SEGMENT}"));
        assert!(std::fs::metadata(path).unwrap().len() > 100, "log {number}");
    }
}
