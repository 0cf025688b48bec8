//! Aborted transactions: an index that is not what was written is made anew at a start, and told of at
//! any other time.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use trimaran_commit_log::{
    AbortedTransaction, Damage, Log, LogReader, OpenAs, ReadError, TruncateError,
    parse_partition_dir,
};
use trimaran_types::Offset;
use trimaran_types::record_batch::TransactionEnd;

use crate::clean_rig::{ABORT, Pass, TRANSACTIONAL, keyed, marker, produced};
use crate::producers::{EPOCH, append, ended, sent};
use crate::rig::{FaultyDisk, NOW, Rig, flush, segment_files, topic_id};

const SUMS: &str = "txnindex-checksums";

/// Twenty aborted transactions of two producers, which lie in each other, over several segments.
fn aborted_log(rig: &Rig) -> Log {
    let mut log = rig.fresh();
    for n in 0..20 {
        for producer in [1, 2] {
            append(&mut log, vec![sent((producer, 0), n, 1, true)]).unwrap();
        }
        for producer in [1, 2] {
            let marker = ended((producer, 0), TransactionEnd::Abort);
            log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
        }
    }
    log
}

fn all(reader: &LogReader) -> Result<Vec<AbortedTransaction>, ReadError> {
    reader.aborted_transactions(Offset(0), Offset(i64::MAX))
}

fn files(rig: &Rig) -> Vec<PathBuf> {
    let files = segment_files(&rig.dir(), "txnindex");
    files.into_values().collect()
}

/// What may happen to the file of a finished segment.
const DAMAGES: [fn(&PathBuf); 4] = [
    // An entry is gone, and nothing tells.
    |path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() - 34]).unwrap();
    },
    |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.extend_from_within(..34);
        fs::write(path, bytes).unwrap();
    },
    |path| fs::remove_file(path).unwrap(),
    // The last stable offset of the first entry: a search would end there.
    |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes[29] ^= 1;
        fs::write(path, bytes).unwrap();
    },
];

#[test]
fn an_index_that_is_not_what_was_noted_is_made_anew_at_a_start() {
    for clean in [true, false] {
        for damage in DAMAGES {
            let rig = Rig::new();
            let log = aborted_log(&rig);
            let expected = all(&log.reader()).unwrap();
            assert_eq!(expected.len(), 40);
            let end = log.close().unwrap();
            let good: Vec<_> = files(&rig).iter().map(|it| fs::read(it).unwrap()).collect();
            assert!(good.len() > 2);
            damage(&files(&rig)[1]);
            for _ in 0..2 {
                let (log, _) = rig.open(end.0, clean).unwrap();
                assert_eq!(all(&log.reader()).unwrap(), expected);
                log.close().unwrap();
                let now = files(&rig).into_iter().map(|it| fs::read(it).unwrap());
                assert!(now.eq(good.iter().cloned()));
            }
        }
    }
}

/// The log, opened after a clean stop, with an index that was damaged since.
fn damaged_since(damage: fn(&PathBuf)) -> (Rig, Log) {
    let rig = Rig::new();
    let end = aborted_log(&rig).close().unwrap();
    let (log, _) = rig.open(end.0, true).unwrap();
    damage(&files(&rig)[1]);
    (rig, log)
}

#[test]
fn an_index_that_is_damaged_while_the_log_is_open_is_told_of() {
    for damage in [DAMAGES[0], DAMAGES[2], DAMAGES[3]] {
        let (_rig, log) = damaged_since(damage);
        let error = all(&log.reader()).expect_err("is not what was written");
        assert!(error.is_damage(), "{error}");
    }
}

/// What stayed of it would be noted as good.
#[test]
fn a_log_is_not_cut_inside_a_segment_whose_index_is_damaged() {
    for damage in [DAMAGES[0], DAMAGES[2], DAMAGES[3]] {
        let (rig, mut log) = damaged_since(damage);
        let end = log.log_end();
        let base = *rig.segments().keys().nth(1).unwrap();
        let refused = log.truncate_to(Offset(base + 3));
        let Err(TruncateError::Read(error)) = refused else {
            panic!("{refused:?}");
        };
        assert!(error.is_damage(), "{error}");
        assert_eq!(log.log_end(), end);
        // In front of it there is no reason to refuse.
        assert_eq!(log.truncate_to(Offset(base)).unwrap(), Offset(base));
    }
}

#[test]
fn a_cut_leaves_an_index_that_is_what_is_noted() {
    let rig = Rig::new();
    let mut log = aborted_log(&rig);
    let expected = all(&log.reader()).unwrap();
    let end = log.truncate_to(Offset(expected[23].last.0 + 1)).unwrap();
    let expected = &expected[..24];
    assert_eq!(all(&log.reader()).unwrap(), expected);
    drop(log);
    // The note is older than the cut, or lacks it.
    let (log, _) = rig.open(0, false).unwrap();
    assert_eq!(all(&log.reader()).unwrap(), expected);
    assert_eq!(log.close().unwrap(), end);
    let before = files(&rig).iter().map(fs::read).map(Result::unwrap).count();
    let (log, _) = rig.open(end.0, true).unwrap();
    assert_eq!(all(&log.reader()).unwrap(), expected);
    assert_eq!(files(&rig).len(), before);
}

/// As in a log that Kafka wrote, or an earlier version.
#[test]
fn without_a_note_every_index_is_made_anew() {
    for content in [None, Some("0\n0\n"), Some("")] {
        let rig = Rig::new();
        let log = aborted_log(&rig);
        let expected = all(&log.reader()).unwrap();
        let end = log.close().unwrap();
        let note = rig.dir().join(SUMS);
        let good = fs::read(&note).unwrap();
        match content {
            Some(content) => fs::write(&note, content).unwrap(),
            None => fs::remove_file(&note).unwrap(),
        }
        for file in files(&rig) {
            fs::write(file, [0; 68]).unwrap();
        }
        let (mut log, _) = rig.open(end.0, true).unwrap();
        assert_eq!(all(&log.reader()).unwrap(), expected);
        // With the next checkpoint, though nothing was appended.
        let _ = log.begin_checkpoint().unwrap();
        assert_eq!(fs::read(&note).unwrap(), good);
        log.close().unwrap();
        assert_eq!(fs::read(&note).unwrap(), good);
    }
}

/// A start walks from the last index entry in front of the recovery point, and takes what lies before
/// that from the file, as far as the note goes.
#[test]
fn a_checkpoint_notes_every_entry_below_its_recovery_point() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let abort = |log: &mut Log, sequence| {
        append(log, vec![sent((1, 0), sequence, 1, true)]).unwrap();
        let marker = ended((1, 0), TransactionEnd::Abort);
        log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    };
    abort(&mut log, 0);
    let end = log.close().unwrap();
    let (mut log, _) = rig.open(end.0, true).unwrap();
    abort(&mut log, 1);
    rig.fill(&mut log, 8, 60);
    let expected = all(&log.reader()).unwrap();
    let request = log.begin_checkpoint().unwrap().unwrap();
    let synced = request.files.iter().try_for_each(|file| file.sync_data());
    synced.unwrap();
    log.flushed(&request.token());
    let end = log.log_end();
    drop(log);
    assert_eq!(rig.segments().len(), 1);
    let (log, report) = rig.open(end.0, false).unwrap();
    assert!(report.scanned_batches < 5, "{report:?}");
    assert_eq!(all(&log.reader()).unwrap(), expected);
}

/// Others write the recovery point as soon as it is told, so nothing that it needs may come later.
#[test]
fn a_close_whose_note_is_refused_tells_no_recovery_point() {
    let mut refused = 0;
    for good in 0..5 {
        let disk = FaultyDisk::default();
        let faults = Arc::clone(&disk.faults);
        let rig = Rig::on(Arc::new(disk));
        let context = rig.context();
        let start = OpenAs {
            topic_id: topic_id(),
            recovery_point: Offset::ZERO,
            log_start: None,
            clean_shutdown: false,
        };
        let config = rig.config.clone();
        let (mut log, _) = Log::open(&context, &rig.dir(), config, start).unwrap();
        log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
        append(&mut log, vec![sent((1, 0), 0, 1, true)]).unwrap();
        let marker = ended((1, 0), TransactionEnd::Abort);
        log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
        let end = log.log_end();
        *faults.renames.lock().unwrap() = Some((ErrorKind::Other, good));
        let closed = log.close();
        let partition = parse_partition_dir("t-0").unwrap();
        let point = context.recovery_points.get(&partition);
        refused += usize::from(closed.is_err());
        assert!(closed.is_ok() || point < Some(end), "{good}: {point:?}");
    }
    assert!((2..5).contains(&refused), "{refused}");
}

#[test]
fn a_log_without_aborted_transactions_has_no_note() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    append(&mut log, vec![sent((1, 0), 0, 2, true)]).unwrap();
    let marker = ended((1, 0), TransactionEnd::Commit);
    log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    let end = log.close().unwrap();
    assert!(!rig.dir().join(SUMS).exists());
    let (log, _) = rig.open(end.0, true).unwrap();
    log.close().unwrap();
    assert!(!rig.dir().join(SUMS).exists());
}

/// It would drop records that were committed, or keep some that were not.
#[test]
fn the_cleaner_believes_no_damaged_index() {
    for damage in DAMAGES {
        let rig = crate::cleaner::rig();
        let mut log = rig.fresh();
        for n in 0..30 {
            let records = [("a", Some("aborted")), ("b", Some("aborted"))];
            let batches = vec![
                keyed(&[("c", Some("plain"))]),
                produced(1, n * 2, TRANSACTIONAL, &records),
            ];
            log.append_as_leader(batches, EPOCH, NOW).unwrap();
            let aborted = marker(1, ABORT);
            log.append_as_coordinator(vec![aborted], EPOCH, NOW)
                .unwrap();
        }
        flush(&mut log);
        let end = log.close().unwrap();
        let (mut log, _) = rig.open(end.0, true).unwrap();
        let before = all(&log.reader()).unwrap();
        damage(&files(&rig)[1]);
        let cleaned = Pass::default().run(&mut log).unwrap();
        // One entry more than there ought to be is not read.
        match all(&log.reader()) {
            Ok(now) => assert_eq!(now.len(), before.len()),
            Err(error) => {
                assert!(matches!(
                    error,
                    ReadError::Io { .. }
                        | ReadError::Corrupt {
                            cause: Damage::AbortedTransactions,
                            ..
                        }
                ));
                let refused = cleaned.expect_err("dropped by a list that is wrong");
                assert!(refused.to_string().len() > 3, "{refused}");
            }
        }
    }
}
