//! Logs with their flusher, driven as the broker drives them.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use trimaran_commit_log::{
    FlushToken, Flusher, JOURNAL_BYTES_DEFAULT, JournalLimits, Log, LogConfig, LogContext, OpenAs,
};
use trimaran_types::{LeaderEpoch, Offset, TopicId};

use crate::counting_disk::CountingDisk;
use crate::fixture::{append, batch_bytes};
use crate::{Load, Measured, THREADS, Way};

pub(crate) fn run(load: Load, way: Way) -> Measured {
    let root = tempfile::tempdir().expect("a directory");
    let disk = CountingDisk::default();
    let mut context = LogContext::standalone(Arc::new(disk.clone()), root.path());
    if way == Way::Journal {
        let limits = JournalLimits::of_bytes(JOURNAL_BYTES_DEFAULT).expect("not 0");
        context = context
            .with_journal(root.path(), limits)
            .expect("an empty one");
    }
    let config = LogConfig {
        preallocate: way != Way::Growing,
        ..LogConfig::default()
    };
    let mut logs: Vec<Log> = (0..load.logs)
        .map(|number| open(&context, root.path(), number, &config))
        .collect();
    let latch = Arc::clone(&context.latch);
    let flusher = Flusher::start(latch, THREADS, load.logs).expect("starts");
    let bytes = batch_bytes(1);
    let (sender, done) = mpsc::channel();
    let submit = |number: usize, log: &mut Log| {
        append(log, &bytes, load.waiting_in_each);
        let request = log.begin_flush().expect("there is something");
        let (sender, token) = (sender.clone(), request.token());
        let on_done = move |result: Result<(), _>| {
            // Nobody waits for what is under way at the end.
            let _ = sender.send(result.map(|()| (number, token)));
        };
        flusher.submit(request, Box::new(on_done));
    };
    let began = Instant::now();
    let syncs_before = disk.syncs();
    for (number, log) in logs.iter_mut().enumerate() {
        submit(number, log);
    }
    let mut flushes = 0_u64;
    let took = loop {
        let (number, token): (usize, FlushToken) = done.recv().expect("an answer").expect("a sync");
        logs[number].flushed(&token);
        flushes += 1;
        let took = began.elapsed();
        if took >= load.length {
            break took.as_secs_f64();
        }
        submit(number, &mut logs[number]);
    };
    let batches = (flushes * load.waiting_in_each as u64) as f64;
    let syncs = (disk.syncs() - syncs_before) as f64;
    drop(flusher);
    Measured {
        batches_per_second: batches / took,
        batches_per_sync: batches / syncs,
    }
}

fn open(context: &LogContext, root: &Path, number: usize, config: &LogConfig) -> Log {
    let topic_id: TopicId = "rYY3nnFSTqSSPHTTP0qT-g".parse().expect("an id");
    let start = OpenAs {
        topic_id,
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let dir = root.join(format!("t-{number}"));
    let (mut log, _) = Log::open(context, &dir, config.clone(), start).expect("opens");
    log.assign_epoch(LeaderEpoch(0), log.log_end())
        .expect("a new epoch");
    log
}
