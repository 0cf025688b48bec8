//! Readers beside the owner: memory or file, the same bytes; truncation under their feet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use trimaran_commit_log::{Log, LogConfig, LogContext, OpenAs, ReadError, TailBudget};
use trimaran_types::{LeaderEpoch, Offset};

use crate::rig::{NOW, Rig, batch_of, read_all, records_in, topic_id};

#[test]
fn offsets_out_of_range_are_named() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 10, 10);
    log.raise_log_start(Offset(4));
    let reader = log.reader();
    for offset in [3, 11] {
        match reader.read(Offset(offset), Offset(10), 100) {
            Err(ReadError::OutOfRange {
                log_start, log_end, ..
            }) => {
                assert_eq!((log_start, log_end), (Offset(4), Offset(10)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(reader.read(Offset(10), Offset(10), 100).unwrap().is_empty());
    log.raise_log_start(Offset(99));
    assert_eq!(
        (log.log_start(), reader.log_start()),
        (Offset(10), Offset(10))
    );
}

#[test]
fn memory_and_files_give_the_same() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        tail_bytes_max: 3000,
        ..rig.config
    };
    let mut log = rig.fresh();
    for size in [1, 10, 500, 3, 900, 40, 40, 40, 1200, 7] {
        rig.fill(&mut log, 3, size);
    }
    let reader = log.reader();
    let budget = Arc::new(TailBudget::new(0));
    assert_eq!(budget.used_bytes(), 0);
    for bytes_max in [0, 100, 700, 5000, 1 << 20] {
        let warm = read_all(&reader, bytes_max);
        assert_eq!(warm.len(), 30);
        let cold = { rig.open(0, false).unwrap().0.reader() };
        assert_eq!(read_all(&cold, bytes_max), warm);
    }
}

#[test]
fn tails_of_idle_logs_go_first_when_memory_is_short() {
    let rig = Rig::new();
    let context = LogContext {
        tails: Arc::new(TailBudget::new(100_000)),
        ..rig.context()
    };
    let config = LogConfig {
        tail_bytes_max: 50_000,
        segment_bytes: 1 << 20,
        ..LogConfig::default()
    };
    let start = OpenAs {
        topic_id: topic_id(),
        recovery_point: Offset(0),
        log_start: None,
        clean_shutdown: false,
    };
    let mut logs: Vec<Log> = (0..8)
        .map(|n| {
            let dir = rig.root.path().join(format!("t-{n}"));
            let (mut log, _) = Log::open(&context, &dir, config.clone(), start).unwrap();
            log.assign_epoch(LeaderEpoch(0), Offset(0)).unwrap();
            log
        })
        .collect();
    for log in &mut logs {
        rig.fill(log, 30, 1000);
        assert!(context.tails.used_bytes() <= 100_000);
    }
    assert!(context.tails.used_bytes() > 50_000);
    assert!(
        logs.iter()
            .all(|log| read_all(&log.reader(), 5000).len() == 30)
    );
    drop(logs);
    assert_eq!(context.tails.used_bytes(), 0);
}

/// Values say where they belong; a reader must never see one elsewhere, nor a torn batch.
#[test]
fn a_truncation_under_a_reader_shows_the_old_or_the_new() {
    for tail_bytes_max in [0, 1000] {
        let mut rig = Rig::new();
        rig.config = LogConfig {
            tail_bytes_max,
            ..rig.config
        };
        let mut log = rig.fresh();
        let stop = Arc::new(AtomicBool::new(false));
        let readers: Vec<_> = (0..2)
            .map(|seed| {
                let (reader, stop) = (log.reader(), Arc::clone(&stop));
                std::thread::spawn(move || {
                    let (mut from, mut seen) = (seed, 0_u64);
                    while !stop.load(Ordering::Relaxed) {
                        from = (from * 31 + 7) % 120;
                        match reader.read(Offset(from), Offset(i64::MAX), 900) {
                            Ok(bytes) => {
                                for (offset, epoch, value) in records_in(bytes) {
                                    assert_eq!(
                                        &value[..],
                                        format!("{epoch}:{offset:090}").as_bytes()
                                    );
                                    seen += 1;
                                }
                            }
                            Err(ReadError::OutOfRange { .. }) => {}
                            Err(error) => panic!("{error}"),
                        }
                    }
                    seen
                })
            })
            .collect();
        for epoch in 1..150 {
            let end = log.log_end();
            log.assign_epoch(LeaderEpoch(epoch), end).unwrap();
            for offset in end.0..end.0 + 50 {
                let value = format!("{epoch}:{offset:090}");
                log.append_as_leader(vec![batch_of(&[value.as_bytes()])], LeaderEpoch(epoch), NOW)
                    .unwrap();
            }
            let keep = i64::from(epoch) * 13 % (end.0 + 50).min(70);
            log.truncate_to(Offset(keep)).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let seen: u64 = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .sum();
        assert!(seen > 0);
    }
}
