//! The flusher: group commit, bounds, and an end that leaves nobody waiting.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use trimaran_commit_log::{FlushError, Flusher};
use trimaran_types::Offset;

use crate::rig::{FaultyDisk, Gate, Rig};

/// Only how long a broken flusher takes to fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn requests_that_gather_during_a_sync_share_the_next() {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let rig = Rig::on(Arc::new(disk));
    let mut log = rig.fresh();
    let context = rig.context();
    let (entered, at_gate) = mpsc::channel();
    let (release, released) = mpsc::channel();
    let flusher = Flusher::start(context.latch, 4, 6).unwrap();
    let (sender, results) = mpsc::channel();
    let before = faults.syncs.load(Ordering::SeqCst);
    *faults.gate.lock().unwrap() = Some(Gate {
        entered,
        release: Arc::new(Mutex::new(released)),
    });
    let mut tokens = Vec::new();
    for number in 0..6 {
        rig.fill(&mut log, 1, 10);
        let request = log.begin_flush().unwrap();
        tokens.push(request.token());
        let sender = sender.clone();
        flusher.submit(
            request,
            Box::new(move |result| sender.send((number, result)).unwrap()),
        );
        if number == 0 {
            at_gate.recv_timeout(PATIENCE).unwrap();
        }
    }
    // The seventh finds the queue full.
    rig.fill(&mut log, 1, 10);
    let full = sender;
    flusher.submit(
        log.begin_flush().unwrap(),
        Box::new(move |result| full.send((9, result)).unwrap()),
    );
    assert_eq!(
        results.recv_timeout(PATIENCE).unwrap(),
        (9, Err(FlushError::QueueFull { requests_max: 6 }))
    );
    assert_eq!(flusher.waiting(), 6);

    release.send(()).unwrap();
    assert_eq!(results.recv_timeout(PATIENCE).unwrap(), (0, Ok(())));
    log.flushed(&tokens[0]);
    assert_eq!(log.flushed_end(), Offset(1));
    at_gate.recv_timeout(PATIENCE).unwrap();
    release.send(()).unwrap();
    for (number, token) in tokens.iter().enumerate().skip(1) {
        assert_eq!(results.recv_timeout(PATIENCE).unwrap(), (number, Ok(())));
        log.flushed(token);
    }
    assert_eq!(log.flushed_end(), Offset(6));
    assert_eq!(faults.syncs.load(Ordering::SeqCst) - before, 2);
    assert_eq!(flusher.waiting(), 0);
}

#[test]
fn many_logs_are_flushed_side_by_side_and_dropping_finishes_what_waits() {
    let rigs: Vec<_> = (0..8).map(|_| Rig::new()).collect();
    let flusher = Flusher::start(rigs[0].context().latch, 3, 1000).unwrap();
    let (sender, results) = mpsc::channel();
    let mut logs: Vec<_> = rigs.iter().map(Rig::fresh).collect();
    for round in 0..10 {
        for (rig, log) in rigs.iter().zip(&mut logs) {
            rig.fill(log, 5, 100);
            let sender = sender.clone();
            let request = log.begin_flush().unwrap();
            let end = request.up_to_end;
            flusher.submit(
                request,
                Box::new(move |r| sender.send((round, end, r)).unwrap()),
            );
        }
    }
    drop(flusher);
    drop(sender);
    let done: Vec<_> = results.iter().collect();
    assert_eq!(done.len(), 80);
    assert!(done.iter().all(|(_, _, result)| result.is_ok()));
}

#[test]
fn a_callback_that_panics_harms_nobody_else() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let flusher = Flusher::start(rig.context().latch, 1, 10).unwrap();
    rig.fill(&mut log, 1, 10);
    flusher.submit(
        log.begin_flush().unwrap(),
        Box::new(|_| panic!("on purpose")),
    );
    let (sender, results) = mpsc::channel();
    rig.fill(&mut log, 1, 10);
    flusher.submit(
        log.begin_flush().unwrap(),
        Box::new(move |r| sender.send(r).unwrap()),
    );
    assert_eq!(results.recv_timeout(PATIENCE).unwrap(), Ok(()));
}
