//! The journal in front of the logs: what goes through it, what a start makes of it, and what it makes
//! of one that is damaged.

mod forgets;
mod full_disk;
mod halves;
mod owner;
mod start;

use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{Aside, Disk, OpenError, OpenHow};
use trimaran_types::Offset;

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{open_dir, open_journalled, open_log, partition};
use crate::sim_disk::{Fault, SimDisk, Tree};
use owner::{BLOCK, HALVES, Owner};

/// The disk with some bytes of a file changed.
fn changed(tree: &Tree, path: &str, at: usize, change: impl Fn(&mut u8)) -> SimDisk {
    let disk = SimDisk::holding(tree.clone());
    let file = disk.open(Path::new(path), OpenHow::Existing).unwrap();
    let mut byte = Vec::new();
    file.read_at(at as u64, 1, &mut byte).unwrap();
    change(&mut byte[0]);
    file.write_all_at(at as u64, &byte).unwrap();
    drop(file);
    SimDisk::holding(disk.live())
}

#[test]
fn small_flushes_sync_the_journal_and_no_segment() {
    let mut owner = Owner::new(SimDisk::empty(), 3);
    let before = owner.syncs();
    for round in 1..=2 {
        for number in 0..3 {
            owner.append(number, 100);
            owner.flush(number);
            assert_eq!(owner.logs[number].flushed_end(), Offset(round));
        }
    }
    let after = owner.syncs();
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 6));
    let ends = owner.ends();
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert_eq!(disk.segment_writes(), 6, "each entry is put in place");
    for (number, end) in ends.into_iter().enumerate() {
        let (log, report) = open_log(&dir, number, 0).unwrap();
        assert_eq!((log.log_end(), report.cut), (end, None));
    }
    drop(dir);
    let again = SimDisk::holding(disk.live());
    open_dir(&again).unwrap();
    assert_eq!(again.segment_writes(), 0, "only once");
}

#[test]
fn requests_that_wait_together_share_a_group() {
    let mut owner = Owner::new(SimDisk::empty(), 3);
    let before = owner.syncs();
    let mut tokens = Vec::new();
    for number in 0..3 {
        owner.append(number, 100);
        let request = owner.logs[number].begin_flush().unwrap();
        tokens.push(request.token());
        let done = Box::new(|done: Result<(), _>| done.unwrap());
        owner.flusher.submit(request, done);
    }
    owner.flusher.run_waiting();
    for (log, token) in owner.logs.iter_mut().zip(&tokens) {
        log.flushed(token);
    }
    assert_eq!(owner.ends(), [Offset(1); 3]);
    let after = owner.syncs();
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 1));
}

#[test]
fn what_is_large_or_needs_more_than_bytes_goes_to_the_files() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    let before = owner.syncs();
    owner.append(0, 9_000);
    owner.flush(0);
    let large = owner.syncs();
    assert_eq!((large.0 - before.0, large.1 - before.1), (1, 0));
    // A roll: the finished segment and a new name.
    owner.append(0, 5_000);
    owner.flush(0);
    let rolled = owner.syncs();
    assert!(rolled.0 > large.0 && rolled.1 == large.1);
    owner.append(0, 100);
    owner.flush(0);
    let small = owner.syncs();
    assert_eq!((small.0, small.1), (rolled.0, rolled.1 + 1));
    // Some of it was too much to be kept, and what came behind that would make a hole.
    for bytes in [5_000, 4_500, 100] {
        owner.append(1, bytes);
    }
    owner.flush(1);
    assert_eq!(owner.syncs(), (small.0 + 1, small.1));
}

/// Two logs of one record each, stopped cleanly.
fn stopped() -> SimDisk {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    owner.add(0);
    owner.add(1);
    let Owner {
        disk, dir, logs, ..
    } = owner;
    for log in logs {
        log.close().unwrap();
    }
    dir.mark_clean_shutdown(None).unwrap();
    drop(dir);
    SimDisk::holding(disk.live())
}

#[test]
fn a_clean_directory_has_an_empty_journal() {
    let disk = stopped();
    let dir = open_dir(&disk).unwrap();
    assert!(dir.clean_shutdown().is_some());
    assert_eq!(disk.segment_writes(), 0);
    for number in 0..2 {
        assert_eq!(open_log(&dir, number, 0).unwrap().0.log_end(), Offset(1));
    }
}

/// The directory may go to a version that knows no journal, which cuts a log and is killed.
#[test]
fn what_is_cut_after_a_clean_stop_stays_cut_without_the_mark() {
    let disk = stopped();
    let logs = Path::new("/data/logs");
    disk.remove_file(&logs.join(".kafka_cleanshutdown"))
        .unwrap();
    let segment = logs.join("t-0/00000000000000000000.log");
    let file = disk.open(&segment, OpenHow::Existing).unwrap();
    file.truncate(0).unwrap();
    let before = disk.segment_writes();
    drop(open_dir(&disk).unwrap());
    assert_eq!((disk.segment_writes(), file.bytes().unwrap()), (before, 0));
}

/// Six groups in one half, nothing of them in the segments.
fn six_groups() -> (Tree, Vec<Offset>) {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    (0..6).for_each(|round| owner.add(round % 2));
    let ends = owner.ends();
    (owner.cut(), ends)
}

#[test]
fn a_damaged_group_before_a_good_one_makes_every_log_damaged_until_it_is_set_aside() {
    let (tree, _) = six_groups();
    for group in 0..5 {
        let mut disk = changed(&tree, HALVES[0], group * BLOCK + 300, |byte| *byte ^= 4);
        // And again: the damage is not forgotten with the journal.
        for _ in 0..3 {
            let dir = open_dir(&disk).unwrap();
            assert_eq!(disk.segment_writes(), 0, "none of it is believed");
            for number in 0..2 {
                let found = open_log(&dir, number, 0);
                assert!(matches!(found, Err(OpenError::Corrupt { .. })), "{found:?}");
            }
            drop(dir);
            disk = SimDisk::holding(disk.live());
        }
        let dir = open_journalled(&disk).unwrap();
        let aside = dir.set_aside(&[partition(0)], Aside::Damaged).unwrap();
        assert_eq!(aside.len(), 1);
        let (log, _) = open_log(&dir, 0, 0).unwrap();
        assert_eq!(log.log_end(), Offset::ZERO);
        log.close().unwrap();
        drop(dir);
        let dir = open_dir(&SimDisk::holding(disk.live())).unwrap();
        open_log(&dir, 0, 0).unwrap();
        assert!(open_log(&dir, 1, 0).is_err());
    }
}

#[test]
fn a_half_that_is_gone_makes_every_log_damaged() {
    let (tree, _) = six_groups();
    let disk = SimDisk::holding(tree);
    disk.remove_file(Path::new(HALVES[1])).unwrap();
    let dir = open_dir(&SimDisk::holding(disk.live())).unwrap();
    for number in 0..2 {
        assert!(open_log(&dir, number, 0).is_err());
    }
}

/// The last group cannot be told from one that was never synced. But each log says up to where it was.
#[test]
fn a_damaged_last_group_is_a_torn_one_and_the_log_that_needs_it_is_missed() {
    let (tree, ends) = six_groups();
    let disk = changed(&tree, HALVES[0], 5 * BLOCK + 300, |byte| *byte ^= 4);
    let dir = open_dir(&disk).unwrap();
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), ends[0]);
    let (second, _) = open_log(&dir, 1, 0).unwrap();
    // The note of the end was not synced either: it is at most a second old.
    assert_eq!(second.log_end(), Offset(ends[1].0 - 1));
}

/// Every length that a journal may have been cut to.
#[test]
fn every_prefix_of_a_journal_is_put_in_place_as_far_as_it_goes() {
    let (tree, ends) = six_groups();
    let node = SimDisk::holding(tree.clone())
        .node(Path::new(HALVES[0]))
        .unwrap();
    let lengths = (0..=6).flat_map(|groups| [groups * BLOCK, groups * BLOCK + 100]);
    for bytes in lengths {
        let mut cut = tree.clone();
        let whole = Arc::make_mut(cut.files.get_mut(&node).unwrap());
        whole[bytes..].fill(0);
        let dir = open_dir(&SimDisk::holding(cut)).unwrap();
        let groups = bytes / BLOCK;
        for (number, end) in ends.iter().enumerate() {
            let (log, report) = open_log(&dir, number, 0).unwrap();
            let own = i64::try_from((groups + 1 - number) / 2).unwrap();
            assert_eq!(log.log_end(), Offset(own).min(*end), "{bytes} bytes");
            assert_eq!(report.cut, None);
        }
    }
}

/// A process that was killed has left its bytes in the page cache, and a sync that fails leaves them
/// there, as clean. The next start must not take what it reads for what the disk has.
#[test]
fn a_start_of_which_a_call_fails_is_followed_by_one_that_makes_all_durable() {
    let mut syncs = 0;
    for call in 1.. {
        let mut owner = Owner::new(SimDisk::empty(), 2);
        for number in [0, 1, 0] {
            owner.append(number, 100);
            owner.flush(number);
        }
        let ends = owner.ends();
        let disk = owner.disk.clone();
        drop(owner);
        disk.fail_at(disk.calls() + call, Fault::Errno(5));
        drop(open_dir(&disk));
        let Some(failed) = disk.failed_call() else {
            break;
        };
        syncs += usize::from(failed == "sync_data");
        disk.begin_next_process();
        drop(open_dir(&disk).unwrap());
        let (base, ops) = disk.recorded();
        let mut cut = PowerCut::before_anything(&base);
        ops.iter().for_each(|op| cut.after(op));
        let left = SimDisk::holding(cut.leaves(Survives::Nothing));
        let dir = open_dir(&left).unwrap();
        for (number, end) in ends.into_iter().enumerate() {
            let (log, _) = open_log(&dir, number, 0).unwrap();
            assert_eq!(log.log_end(), end, "call {call} ({failed})");
        }
    }
    assert!(syncs >= 4, "two segments and the halves of the journal");
}
