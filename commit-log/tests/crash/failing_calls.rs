//! Every call of a workload to the disk fails once: with EIO, with ENOSPC, and half done.
//!
//! Then the log is as it was, or the directory is out of service for good and nothing more is
//! written there. What was synced is there after a restart on a healthy disk, and after a power cut.

use std::sync::Arc;

use trimaran_commit_log::{AppendError, Disk};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{Branch, Promise, Record, check, open_dir, open_log};
use crate::seeded::Seeded;
use crate::sim_disk::{Fault, Op, SimDisk};
use crate::workload::{Workload, batch};

const EIO: i32 = 5;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;
const STEPS_BEFORE: usize = 60;
const STEPS_AFTER: usize = 12;

#[derive(Debug, Default)]
struct Seen {
    faults: usize,
    /// Of these, calls that another sweep fails in the same way.
    plain: usize,
    latched: usize,
    refused: usize,
    unnoticed: usize,
}

fn fail_call(seed: u64, call: usize, (fault, has_journal): (Fault, bool), seen: &mut Seen) -> bool {
    let name = format!("seed {seed}, call {call}, {fault:?}, journal: {has_journal}");
    let disk = SimDisk::empty();
    disk.fail_at(call, fault);
    let mut workload = Workload::begin(disk.clone(), seed, has_journal);
    let mut steps = 0;
    while steps < STEPS_BEFORE && disk.failed_call().is_none() {
        workload.step();
        steps += 1;
    }
    let Some(failed) = disk.failed_call() else {
        return false;
    };
    let name = format!("{name} ({failed})");
    seen.faults += 1;
    if fault.is_plain_for(failed) && !crate::is_long() {
        seen.plain += 1;
        return true;
    }
    let shown = workload.check_readers();
    shown.unwrap_or_else(|error| panic!("{name}: {error}"));
    if workload.has_failed() {
        seen.latched += 1;
        let ops = disk.ops_count();
        for _ in 0..STEPS_AFTER {
            workload.step();
        }
        workload.stop_cleanly();
        assert_eq!(disk.ops_count(), ops, "{name}: written after the failure");
    } else {
        let is_sync = matches!(failed, "sync_data" | "sync_dir");
        let may_go_on = !is_sync || workload.has_no_directory();
        assert!(may_go_on, "{name}: a failed sync is forgotten");
        if workload.refused.is_empty() {
            seen.unnoticed += 1;
        } else {
            seen.refused += 1;
        }
        for _ in 0..STEPS_AFTER {
            workload.step();
        }
    }
    let shown = workload.check_readers();
    shown.unwrap_or_else(|error| panic!("{name}, later: {error}"));
    let promises = workload.promises.clone();
    drop(workload);
    // The next process, on a disk that is well again.
    let promised = promises.after(disk.ops_count());
    let next = SimDisk::holding(disk.live());
    check(&next, &promised, true)
        .unwrap_or_else(|error| panic!("{name}, restart: {error}\n{promised:?}"));
    let (base, ops) = disk.recorded();
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op: &Op| cut.after(op));
    let mut random = Seeded(seed ^ call as u64);
    for way in [
        Survives::Nothing,
        Survives::Everything,
        Survives::Some(random.next()),
    ] {
        let left = SimDisk::holding(cut.leaves(way));
        check(&left, &promised, true)
            .unwrap_or_else(|error| panic!("{name}, {way:?}: {error}\n{promised:?}"));
    }
    true
}

fn fail_every_call(fault: Fault) {
    for has_journal in [false, true] {
        fail_every_call_of(fault, has_journal);
    }
}

fn fail_every_call_of(fault: Fault, has_journal: bool) {
    let mut seen = Seen::default();
    for seed in crate::seeds(if has_journal { 2 } else { 5 }, 200) {
        let what = (fault, has_journal);
        let calls = (1..).take_while(|call| fail_call(seed, *call, what, &mut seen));
        assert!(calls.count() > 150, "{seen:?}");
    }
    println!("{fault:?}, journal: {has_journal}: {seen:?}");
    assert!(seen.latched + seen.refused + seen.plain > 100, "{seen:?}");
}

#[test]
fn an_io_error_at_any_call_ends_the_directory_or_changes_nothing() {
    fail_every_call(Fault::Errno(EIO));
}

#[test]
fn a_full_disk_at_any_call_is_refused_and_changes_nothing() {
    fail_every_call(Fault::Errno(ENOSPC));
}

#[test]
fn want_of_descriptors_at_any_call_is_refused_and_changes_nothing() {
    fail_every_call(Fault::Errno(EMFILE));
}

#[test]
fn a_short_write_at_any_call_leaves_nothing_behind() {
    fail_every_call(Fault::Short(ENOSPC));
    fail_every_call(Fault::Short(EIO));
}

/// An append makes fewer calls. Some of them may fail and it goes through: indexes can be done without.
pub(crate) const CALLS_OF_APPEND_MAX: usize = 40;

/// A segment that was begun for an append that did not fit, and was taken back, must not come back
/// with a power cut after the log has grown past its name.
fn take_back_a_segment(call: usize) -> Option<bool> {
    let epoch = LeaderEpoch(0);
    let disk = SimDisk::empty();
    let value = |bytes: usize| -> Arc<[u8]> { vec![3; bytes].into() };
    let mut records: Vec<Record> = Vec::new();
    {
        let dir = open_dir(&disk).unwrap();
        let (mut log, _) = open_log(&dir, 0, 0).unwrap();
        log.assign_epoch(epoch, Offset::ZERO).unwrap();
        disk.fail_at(disk.calls() + call, Fault::Short(ENOSPC));
        let too_much = vec![batch(&[value(2000)]), batch(&[value(11_000)])];
        match log.append_as_leader(too_much, epoch, Timestamp(1)) {
            Ok(_) => return None,
            Err(AppendError::NoRoom { .. }) => {}
            Err(error) => panic!("{error}"),
        }
        for offset in 0..5 {
            let small = batch(&[value(300)]);
            log.append_as_leader(vec![small], epoch, Timestamp(1))
                .unwrap();
            records.push((offset, 0, value(300)));
        }
        let request = log.begin_checkpoint().unwrap().unwrap();
        for file in &request.files {
            file.sync_data().unwrap();
        }
        for synced in &request.dirs {
            disk.sync_dir(synced).unwrap();
        }
        log.flushed(&request.token());
        dir.write_recovery_points().unwrap();
    }
    let branch = Branch {
        start: 0,
        records: Arc::new(records),
    };
    let promised = [Promise {
        flushed_end: Some(5),
        allowed: vec![branch],
        ..Promise::default()
    }];
    Some(keeps_what_was_promised(&disk, &promised, call, 20))
}

/// Cuts the power after the last change, in some chance ways among others, and holds what is left
/// against the promises. Tells whether a segment was taken back.
pub(crate) fn keeps_what_was_promised(
    disk: &SimDisk,
    promised: &[Promise],
    call: usize,
    chances: usize,
) -> bool {
    let (base, ops) = disk.recorded();
    let is_roll = |op: &Op| matches!(op, Op::Unlink { name, .. } if name.ends_with(".log"));
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op: &Op| cut.after(op));
    for way in cut.ways(chances, &mut Seeded(call as u64)) {
        let left = SimDisk::holding(cut.leaves(way));
        check(&left, promised, true)
            .unwrap_or_else(|error| panic!("call {call}, {way:?}: {error}"));
    }
    ops.iter().any(is_roll)
}

#[test]
fn a_segment_that_was_taken_back_does_not_come_back() {
    let taken_back: Vec<bool> = (1..=CALLS_OF_APPEND_MAX)
        .filter_map(take_back_a_segment)
        .collect();
    assert!(taken_back.contains(&true), "{taken_back:?}");
}
