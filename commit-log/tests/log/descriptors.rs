//! A process that has no descriptor left: whatever it cannot open now is refused, changes nothing and
//! ends nothing, and goes on when there are some again. An open is no sync (ADR 0004).

use std::sync::{Arc, mpsc};

use trimaran_commit_log::{
    AppendError, Aside, CleanError, DeleteError, FlushError, Flusher, Log, LogConfig, LogContext,
    LogDir, OpenAs, OpenError, TruncateError,
};
use trimaran_types::record_batch::TransactionEnd;
use trimaran_types::{BrokerId, ClusterId, DirectoryId, LeaderEpoch, Offset, Timestamp};
use uuid::Uuid;

use crate::clean_rig::Pass;
use crate::cleaner;
use crate::few_descriptors::{FewDescriptors, Limit};
use crate::producers::{append, ended, sent};
use crate::rig::{NOW, Rig, batch_of, flush, read_all, segment_files, topic_id};

/// A way to cut a log.
type Cut = dyn Fn(&mut Log) -> Result<(), TruncateError>;

/// More than any operation here opens.
const OPENS_MAX: usize = 60;

fn few() -> (Rig, Arc<Limit>) {
    let disk = FewDescriptors::default();
    let limit = Arc::clone(&disk.0);
    (Rig::on(Arc::new(disk)), limit)
}

fn open(rig: &Rig, context: &LogContext) -> Log {
    let start = OpenAs {
        topic_id: topic_id(),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let (mut log, _) = Log::open(context, &rig.dir(), rig.config.clone(), start).unwrap();
    if log.latest_epoch().is_none() {
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    }
    log
}

/// Cuts a log of several segments while the opens after the first `opens` are refused; whether none
/// was refused.
fn cut(opens: usize, is_last_segment_kept: bool, cut: &Cut) -> bool {
    let (rig, limit) = few();
    let context = rig.context();
    let mut log = open(&rig, &context);
    rig.fill(&mut log, 30, 150);
    flush(&mut log);
    if !is_last_segment_kept {
        log.close_idle_file();
    }
    let (before, end) = (read_all(&log.reader(), 5000), log.log_end());
    let epochs = log.epochs().clone();
    context.files.close_idle();
    context.files.close_idle();
    limit.opens(opens);
    let was_refused = match cut(&mut log) {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(context.latch.failure(), None, "{opens}: {error}");
            limit.opens(usize::MAX);
            assert_eq!(read_all(&log.reader(), 5000), before, "{opens}");
            assert_eq!((log.log_end(), log.epochs()), (end, &epochs), "{opens}");
            cut(&mut log).unwrap();
            true
        }
    };
    limit.opens(usize::MAX);
    // What is there now is there after a restart.
    let end = log.log_end();
    log.assign_epoch(LeaderEpoch(1), end).unwrap();
    rig.fill(&mut log, 3, 150);
    flush(&mut log);
    let left = (read_all(&log.reader(), 5000), log.log_end());
    drop(log);
    let log = open(&rig, &rig.context());
    assert_eq!(
        (read_all(&log.reader(), 5000), log.log_end()),
        left,
        "{opens}"
    );
    !was_refused
}

#[test]
fn a_cut_that_cannot_open_its_files_leaves_the_log_as_it_was() {
    let cuts: [&Cut; 4] = [
        &|log| log.truncate_to(Offset(29)).map(drop),
        &|log| log.truncate_to(Offset(4)).map(drop),
        &|log| log.truncate_fully_and_start_at(Offset(100)),
        &|log| log.truncate_fully_and_start_at(Offset(0)),
    ];
    for (number, how) in cuts.into_iter().enumerate() {
        for keeps_file in [true, false] {
            let whole = (0..OPENS_MAX).find(|opens| cut(*opens, keeps_file, how));
            assert!(
                whole.is_some_and(|opens| opens > 1),
                "cut {number}: {whole:?}"
            );
        }
    }
}

#[test]
fn a_pass_that_cannot_open_a_file_ends_and_the_next_one_cleans() {
    for opens in 0..OPENS_MAX {
        let (few, limit) = few();
        let rig = Rig {
            config: cleaner::rig().config,
            ..few
        };
        let context = rig.context();
        let mut log = open(&rig, &context);
        cleaner::append(&mut log, &["a", "b"].repeat(20));
        let before = cleaner::last_values(&log);
        context.files.close_idle();
        context.files.close_idle();
        limit.opens(opens);
        let passed = Pass::default().run(&mut log);
        limit.opens(usize::MAX);
        assert_eq!(context.latch.failure(), None, "{opens}");
        match passed {
            Some(Ok(_)) => {
                assert!(opens > 3, "{opens}");
                return;
            }
            Some(Err(error)) => {
                assert!(!error.is_lasting(), "{opens}: {error}");
                assert!(!matches!(error, CleanError::DirFailed(_)), "{error}");
            }
            // Not even planned.
            None => {}
        }
        if let Some(cleaned) = Pass::default().run(&mut log) {
            cleaned.unwrap();
        }
        assert_eq!(cleaner::last_values(&log), before);
    }
    panic!("never cleaned");
}

#[test]
fn old_segments_stay_until_their_renaming_can_be_synced() {
    let (rig, limit) = few();
    let context = rig.context();
    let mut log = open(&rig, &context);
    rig.fill(&mut log, 12, 600);
    flush(&mut log);
    let config = LogConfig {
        retention_bytes: Some(2500),
        ..log.config().clone()
    };
    log.set_config(config).unwrap();
    let retained = log.retain(log.log_end(), NOW).unwrap().unwrap();
    let segments = rig.segments();
    limit.opens(0);
    let refused = log.delete_segments(retained.log_start);
    assert!(
        matches!(refused, Err(DeleteError::Io { .. })),
        "{refused:?}"
    );
    assert_eq!((rig.segments(), context.latch.failure()), (segments, None));
    limit.opens(usize::MAX);
    let deleted = log.delete_segments(retained.log_start).unwrap().unwrap();
    // The folder gets another name before the renaming is synced: no failure, and none needed.
    limit.opens(0);
    log.discard();
    std::fs::rename(rig.dir(), rig.root.path().join("t-0.x-delete")).unwrap();
    deleted.sync().unwrap();
    assert_eq!(context.latch.failure(), None);
}

#[test]
fn an_empty_segment_is_told_until_its_name_is_durable() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 12, 600);
    flush(&mut log);
    let later = Timestamp(NOW.0 + 8 * 24 * 3_600_000);
    for _ in 0..2 {
        let retained = log.retain(log.log_end(), later).unwrap().unwrap();
        assert!(retained.rolled);
    }
    flush(&mut log);
    let retained = log.retain(log.log_end(), later).unwrap().unwrap();
    assert!(!retained.rolled);
}

#[test]
fn finished_segments_keep_their_indexes_when_others_can_be_closed() {
    let (rig, limit) = few();
    let context = rig.context();
    let mut log = open(&rig, &context);
    rig.fill(&mut log, 40, 150);
    flush(&mut log);
    assert!(!read_all(&log.reader(), 500).is_empty());
    assert!(context.files.open() > 4);
    // All that is left is what readers hold of older segments.
    limit.more_at_once(0);
    for _ in 0..30 {
        log.append_as_leader(vec![batch_of(&[&[1; 600]])], LeaderEpoch(0), NOW)
            .unwrap();
        flush(&mut log);
    }
    let segments = rig.segments();
    let indexes = segment_files(&rig.dir(), "index");
    let times = segment_files(&rig.dir(), "timeindex");
    let (active, _) = segments.last_key_value().unwrap();
    for base in segments.keys().filter(|base| *base != active) {
        assert!(
            indexes.contains_key(base) && times.contains_key(base),
            "{base}"
        );
    }
}

#[test]
fn a_flush_without_a_descriptor_is_asked_again_and_one_of_a_gone_log_ends_alone() {
    let (rig, limit) = few();
    let context = rig.context();
    let mut log = open(&rig, &context);
    let flusher = Flusher::start(Arc::clone(&context.latch), 2, 10).unwrap();
    let (sender, results) = mpsc::channel();
    let submit = |log: &mut Log| {
        let sender = sender.clone();
        let request = log.begin_flush().unwrap();
        let token = request.token();
        flusher.submit(request, Box::new(move |done| sender.send(done).unwrap()));
        let done = results.recv().unwrap();
        if done.is_ok() {
            log.flushed(&token);
        }
        done
    };
    // A new segment, so that the directory's names are to be synced.
    rig.fill(&mut log, 10, 600);
    limit.opens(0);
    let refused = submit(&mut log).unwrap_err();
    assert!(
        matches!(refused, FlushError::NoDescriptor { .. }),
        "{refused}"
    );
    assert_eq!(log.flushed_end(), Offset::ZERO);
    limit.opens(usize::MAX);
    submit(&mut log).unwrap();
    assert_eq!(log.flushed_end(), log.log_end());
    rig.fill(&mut log, 10, 600);
    std::fs::rename(rig.dir(), rig.root.path().join("elsewhere")).unwrap();
    let gone = submit(&mut log).unwrap_err();
    assert!(matches!(gone, FlushError::Gone { .. }), "{gone}");
    assert_eq!(context.latch.failure(), None);
}

fn data_dir(rig: &Rig) -> Result<LogDir, trimaran_commit_log::LogDirError> {
    let cluster = ClusterId::from_uuid(Uuid::from_u128(1));
    let directory = DirectoryId::from_uuid(Uuid::from_u128(2));
    let disk = Arc::clone(&rig.disk);
    LogDir::open(disk, rig.root.path(), cluster, BrokerId(1), directory)
}

#[test]
fn opening_closing_and_setting_aside_may_be_tried_again() {
    let partition = trimaran_commit_log::parse_partition_dir("t-0").unwrap();
    let (mut opened, mut closed, mut aside) = (0, 0, 0);
    for opens in 0..OPENS_MAX {
        let (rig, limit) = few();
        let dir = data_dir(&rig).unwrap();
        let open = || {
            let path = dir.partition_dir(&partition);
            let start = dir.open_as(&partition, topic_id());
            Log::open(dir.context(), &path, rig.config.clone(), start)
        };
        limit.opens(opens);
        let first = open();
        limit.opens(usize::MAX);
        let (mut log, _) = first.unwrap_or_else(|error| {
            assert!(matches!(error, OpenError::Io { .. }), "{opens}: {error}");
            opened += 1;
            open().unwrap()
        });
        log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
        rig.fill(&mut log, 12, 600);
        flush(&mut log);
        rig.fill(&mut log, 1, 60);
        let end = log.log_end();
        limit.opens(opens);
        let ended = log.close();
        limit.opens(usize::MAX);
        closed += usize::from(ended.is_err());
        let (log, _) = open().unwrap();
        assert_eq!(log.log_end(), end, "{opens}");
        log.discard();
        limit.opens(opens);
        let moved = dir.set_aside(std::slice::from_ref(&partition), Aside::Stray);
        limit.opens(usize::MAX);
        assert_eq!(dir.context().latch.failure(), None, "{opens}");
        aside += usize::from(moved.is_err());
        dir.set_aside(std::slice::from_ref(&partition), Aside::Stray)
            .unwrap();
        assert_eq!(dir.strays().unwrap(), 1);
        // Whoever was about to sync its names has nothing left to sync.
        dir.sync_log(&partition).unwrap();
        assert_eq!(dir.context().latch.failure(), None);
    }
    assert!(
        opened > 3 && closed > 1 && aside > 1,
        "{opened}, {closed}, {aside}"
    );
}

/// A segment is finished whole or not at all: who wants the next one is refused, and asks again.
#[test]
fn no_segment_is_finished_without_its_indexes_for_want_of_descriptors() {
    let me = (1, 0);
    for has_aborted in [false, true] {
        let mut refused = 0;
        for opens in 0..OPENS_MAX {
            let (rig, limit) = few();
            let context = rig.context();
            let mut log = open(&rig, &context);
            if has_aborted {
                append(&mut log, vec![sent(me, 0, 1, true)]).unwrap();
                let abort = ended(me, TransactionEnd::Abort);
                log.append_as_coordinator(vec![abort], LeaderEpoch(0), NOW)
                    .unwrap();
            }
            rig.fill(&mut log, 5, 200);
            assert_eq!(rig.segments().len(), 1);
            let larger = || vec![batch_of(&[&[1; 1500]])];
            limit.opens(opens);
            let appended = log.append_as_leader(larger(), LeaderEpoch(0), NOW);
            limit.opens(usize::MAX);
            if let Err(error) = appended {
                assert!(matches!(error, AppendError::NoRoom { .. }), "{error}");
                refused += 1;
                log.append_as_leader(larger(), LeaderEpoch(0), NOW).unwrap();
            }
            assert_eq!(context.latch.failure(), None, "{opens}");
            assert_eq!(rig.segments().len(), 2);
            let mut kinds = vec!["index", "timeindex"];
            kinds.extend(has_aborted.then_some("txnindex"));
            for kind in kinds {
                let finished = segment_files(&rig.dir(), kind).remove(&0);
                let bytes = finished.map_or(0, |path| std::fs::metadata(path).unwrap().len());
                assert!(bytes > 0, "{opens} {kind}");
            }
        }
        assert!(refused > 2, "{refused}");
    }
}
