//! A finished segment is synced whole: its indexes and its snapshot, too, before anything says so.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use trimaran_commit_log::{Checkpointed, Log, Seen, inspect_partition};
use trimaran_types::{Offset, Timestamp};

use crate::clean_rig::{TRANSACTIONAL, produced};
use crate::rig::{FaultyDisk, NOW, Rig, batch_of, flush, real, segment_files};

/// Files of a finished segment: log, two indexes, the snapshot at its end.
const SEALED_FILES: usize = 4;

fn append(log: &mut Log) {
    let epoch = log.latest_epoch().unwrap();
    log.append_as_leader(vec![batch_of(&[&[1; 300]])], epoch, NOW)
        .unwrap();
}

#[test]
fn a_flush_that_began_before_a_segment_was_finished_does_not_cover_its_indexes() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    while log.reader().log_end() == Offset(0) || rig.segments().len() == 1 {
        // In flight while the next append finishes the segment where the flush ends.
        let request = log.begin_flush();
        append(&mut log);
        if let Some(request) = request {
            request
                .files
                .iter()
                .for_each(|file| file.sync_data().unwrap());
            log.flushed(&request.token());
        }
    }
    let request = log.begin_flush().unwrap();
    assert_eq!(request.files.len(), SEALED_FILES + 1);
    log.flushed(&request.token());
    append(&mut log);
    assert_eq!(log.begin_flush().unwrap().files.len(), 1, "once");
}

#[test]
fn a_log_without_new_records_syncs_what_it_finished_before_it_is_closed() {
    let disk = Arc::new(FaultyDisk::default());
    let faults = Arc::clone(&disk.faults);
    let rig = Rig::on(disk);
    let mut log = rig.fresh();
    append(&mut log);
    flush(&mut log);
    let later = Timestamp(NOW.0 + 30 * 24 * 3_600_000);
    let retained = log.retain(log.log_end(), later).unwrap().unwrap();
    assert!(retained.rolled);
    log.begin_checkpoint().unwrap();
    let syncs = faults.syncs.load(Ordering::SeqCst);
    faults.dirs_synced.lock().unwrap().clear();
    log.close().unwrap();
    assert!(faults.syncs.load(Ordering::SeqCst) - syncs >= SEALED_FILES);
    assert!(faults.dirs_synced.lock().unwrap().contains(&rig.dir()));
}

#[test]
fn a_time_entry_that_lies_is_made_anew_at_the_next_start() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    (0..5).for_each(|_| append(&mut log));
    log.close().unwrap();
    let (_, path) = segment_files(&rig.dir(), "timeindex").pop_last().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 12;
    bytes[last + 2] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let findings = || {
        let mut count = 0;
        let mut on_seen = |seen: &Seen<'_>| {
            count += usize::from(matches!(seen, Seen::Finding(_)));
            std::ops::ControlFlow::Continue(())
        };
        inspect_partition(&real(), &rig.dir(), &Checkpointed::default(), &mut on_seen).unwrap();
        count
    };
    assert_eq!(findings(), 1);
    for clean in [true, false] {
        std::fs::write(&path, &bytes).unwrap();
        let (log, _) = rig.open(5, clean).unwrap();
        log.close().unwrap();
        assert_eq!(findings(), 0, "{clean}");
    }
}

#[test]
fn what_was_deleted_is_not_asked_about_producers() {
    let mut rig = Rig::new();
    let mut log = rig.fresh();
    let epoch = log.latest_epoch().unwrap();
    for sequence in 0..30 {
        let value = "v".repeat(200);
        let batch = produced(7, sequence, TRANSACTIONAL, &[("k", Some(&value))]);
        log.append_as_leader(vec![batch], epoch, NOW).unwrap();
    }
    let end = log.close().unwrap();
    // A deletion that was broken off: the start is durable, the oldest file is there in part.
    let mut segments = rig.segments().into_iter();
    let (_, first) = segments.next().unwrap();
    rig.log_start = Some(Offset(segments.next().unwrap().0));
    let file = std::fs::OpenOptions::new()
        .write(true)
        .open(&first)
        .unwrap();
    file.set_len(100).unwrap();
    segment_files(&rig.dir(), "snapshot")
        .into_values()
        .for_each(|path| std::fs::remove_file(path).unwrap());
    for clean in [true, false] {
        let (log, _) = rig.open(end.0, clean).unwrap();
        let known = log.producer_ends();
        assert_eq!(known.len(), 1, "{clean}");
    }
}
