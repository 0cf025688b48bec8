//! What the noted flushed end is good for: below it damage is named, beyond it the tail is cut.

use std::sync::Arc;

use trimaran_commit_log::{Disk, OpenError, OpenHow, inspect_flushed_ends};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{open_dir, open_log, partition, topic_id};
use crate::sim_disk::{Fault, SimDisk};
use crate::workload::batch;

const FLUSHED: i64 = 3;
const WRITTEN: i64 = 6;
const LOG: &str = "/data/logs/t-0/00000000000000000000.log";

/// A log that was killed with half of its batches flushed, and no recovery point.
fn killed() -> SimDisk {
    let disk = SimDisk::empty();
    let dir = open_dir(&disk).unwrap();
    let (mut log, _) = open_log(&dir, 0, 0).unwrap();
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    for offset in 0..WRITTEN {
        let value: Arc<[u8]> = vec![5; 200].into();
        log.append_as_leader(vec![batch(&[value])], LeaderEpoch(0), Timestamp(1))
            .unwrap();
        if offset + 1 == FLUSHED {
            let request = log.begin_flush().unwrap();
            request
                .files
                .iter()
                .for_each(|file| file.sync_data().unwrap());
            log.flushed(&request.token());
        }
    }
    SimDisk::holding(disk.live())
}

/// Flips a bit in the middle of the batch with this offset.
fn damage(disk: &SimDisk, offset: i64) {
    let file = disk.open(LOG.as_ref(), OpenHow::Existing).unwrap();
    let batch_bytes = file.bytes().unwrap() / u64::try_from(WRITTEN).unwrap();
    let at = batch_bytes * u64::try_from(offset).unwrap() + 100;
    let mut byte = Vec::new();
    file.read_at(at, 1, &mut byte).unwrap();
    file.write_all_at(at, &[byte[0] ^ 4]).unwrap();
}

#[test]
fn damage_below_the_noted_end_is_corruption_and_nothing_is_cut() {
    for offset in 0..FLUSHED {
        let disk = killed();
        damage(&disk, offset);
        let file = disk.open(LOG.as_ref(), OpenHow::Existing).unwrap();
        let bytes = file.bytes().unwrap();
        let found = open_log(&open_dir(&disk).unwrap(), 0, 0);
        assert!(
            matches!(found, Err(OpenError::Corrupt { offset: at, .. }) if at == Offset(offset)),
            "{found:?}"
        );
        assert_eq!(file.bytes().unwrap(), bytes);
    }
}

#[test]
fn a_log_that_ends_below_the_noted_end_is_corrupt() {
    let disk = killed();
    let file = disk.open(LOG.as_ref(), OpenHow::Existing).unwrap();
    file.truncate(file.bytes().unwrap() / 3).unwrap();
    let found = open_log(&open_dir(&disk).unwrap(), 0, 0);
    assert!(matches!(found, Err(OpenError::Corrupt { .. })), "{found:?}");
}

#[test]
fn damage_beyond_the_noted_end_is_cut_whatever_follows() {
    for offset in FLUSHED..WRITTEN {
        let disk = killed();
        damage(&disk, offset);
        let dir = open_dir(&disk).unwrap();
        let (log, report) = open_log(&dir, 0, 0).unwrap();
        let cut = report.cut.unwrap();
        assert_eq!(
            (log.log_end(), cut.offset),
            (Offset(offset), Offset(offset))
        );
        assert_eq!(cut.good_batches_follow, offset + 1 < WRITTEN);
        drop((log, dir));
        let dir = open_dir(&disk).unwrap();
        let (log, report) = open_log(&dir, 0, 0).unwrap();
        assert_eq!((log.log_end(), report.cut), (Offset(offset), None));
    }
}

#[test]
fn without_a_noted_end_a_good_batch_behind_damage_makes_it_corruption() {
    for damaged in [None, Some(b"TRIMFLE2".as_slice())] {
        let disk = killed();
        let path = "/data/logs/flushed-ends".as_ref();
        match damaged {
            None => disk.remove_file(path).unwrap(),
            Some(bytes) => {
                let file = disk.open(path, OpenHow::Existing).unwrap();
                file.write_all_at(0, bytes).unwrap();
            }
        }
        damage(&disk, FLUSHED);
        // And again: what was refused once is not cut by the next start.
        for _ in 0..2 {
            let found = open_log(&open_dir(&disk).unwrap(), 0, 0);
            assert!(matches!(found, Err(OpenError::Corrupt { .. })), "{found:?}");
        }
    }
}

#[test]
fn a_log_that_vanished_before_its_first_recovery_point_is_missed() {
    let disk = killed();
    disk.remove_dir("/data/logs/t-0".as_ref()).unwrap();
    match open_log(&open_dir(&disk).unwrap(), 0, 0) {
        Err(OpenError::Missing { recovery_point, .. }) => {
            assert_eq!(recovery_point, Offset(FLUSHED));
        }
        other => panic!("{other:?}"),
    }
    // One of the same name for another topic is not measured by it.
    let (log, _) = open_log(&open_dir(&disk).unwrap(), 0, 1).unwrap();
    assert_eq!(log.log_end(), Offset::ZERO);
}

#[test]
fn a_new_slot_that_was_refused_is_synced_when_it_is_claimed_again() {
    const ENOSPC: i32 = 28;
    let mut refused = 0;
    for call in 1..200 {
        let disk = SimDisk::empty();
        let dir = open_dir(&disk).unwrap();
        disk.fail_at(disk.calls() + call, Fault::Errno(ENOSPC));
        let again = match open_log(&dir, 0, 0) {
            Ok(_) if disk.failed_call().is_none() => {
                assert!(refused > 3, "{refused}");
                return;
            }
            Ok(opened) => Ok(opened),
            Err(_) => {
                refused += 1;
                open_log(&dir, 0, 0)
            }
        };
        // A sync that failed is final, so the second try is refused as well.
        let Ok((log, _)) = again else {
            assert!(dir.context().latch.failure().is_some(), "call {call}");
            continue;
        };
        drop(log);
        let (base, ops) = disk.recorded();
        let mut cut = PowerCut::before_anything(&base);
        ops.iter().for_each(|op| cut.after(op));
        let left = SimDisk::holding(cut.leaves(Survives::Nothing));
        let ends = inspect_flushed_ends(&left, "/data/logs".as_ref()).unwrap();
        let noted = ends.get(topic_id(0), partition(0).partition);
        assert_eq!(noted, Some(Offset::ZERO), "call {call}");
    }
    panic!("never opened");
}
