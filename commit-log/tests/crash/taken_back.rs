//! An append that was refused for want of room and answered with "nothing was written": no power cut
//! right after the answer may bring a part of it back.

use std::sync::Arc;

use trimaran_commit_log::AppendError;
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::failing_calls::{CALLS_OF_APPEND_MAX, keeps_what_was_promised};
use crate::promises::{Branch, Promise, open_dir, open_log};
use crate::sim_disk::{Fault, SimDisk};
use crate::workload::batch;

const ENOSPC: i32 = 28;

/// Fails a call of an append that begins two segments; whether one was begun and taken back, or `None`
/// when the append went through.
fn refuse(call: usize) -> Option<bool> {
    let epoch = LeaderEpoch(0);
    let disk = SimDisk::empty();
    let value = |bytes: usize| -> Arc<[u8]> { vec![7; bytes].into() };
    let dir = open_dir(&disk).unwrap();
    let (mut log, _) = open_log(&dir, 0, 0).unwrap();
    log.assign_epoch(epoch, Offset::ZERO).unwrap();
    log.append_as_leader(vec![batch(&[value(2000)])], epoch, Timestamp(1))
        .unwrap();
    let request = log.begin_flush().unwrap();
    for file in &request.files {
        file.sync_data().unwrap();
    }
    log.flushed(&request.token());
    disk.fail_at(disk.calls() + call, Fault::Short(ENOSPC));
    // Neither fits into the segment that is written, nor into one with the other.
    let too_much = vec![batch(&[value(11_000)]), batch(&[value(11_000)])];
    match log.append_as_leader(too_much, epoch, Timestamp(1)) {
        Ok(_) => return None,
        Err(AppendError::NoRoom { .. }) => {}
        // What was written cannot be taken back for certain, and the answer does not say so.
        Err(AppendError::DirFailed(_)) => return Some(false),
        Err(error) => panic!("{error}"),
    }
    let branch = Branch {
        start: 0,
        records: Arc::new(vec![(0, 0, value(2000))]),
    };
    let promised = [Promise {
        flushed_end: Some(1),
        allowed: vec![branch],
        ..Promise::default()
    }];
    Some(keeps_what_was_promised(&disk, &promised, call, 40))
}

#[test]
fn what_was_answered_as_not_written_does_not_come_back() {
    let taken_back: Vec<bool> = (1..=CALLS_OF_APPEND_MAX).filter_map(refuse).collect();
    assert!(taken_back.contains(&true), "{taken_back:?}");
}
