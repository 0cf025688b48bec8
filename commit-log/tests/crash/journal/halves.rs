//! The halves of a journal: they take turns, one is begun anew only when nothing in it counts any more, and
//! what has no place goes to the files.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use trimaran_types::Offset;

use super::owner::{BLOCK, HALVES, Owner, cut_at_every_change};
use crate::promises::{open_dir, open_log, read_all};
use crate::sim_disk::{Op, SimDisk};

/// Only how long a sync that is never begun takes to fail the test.
const PATIENCE: Duration = Duration::from_secs(60);

/// While the files of a full half are not synced, and the other one is full, too, nobody waits.
#[test]
fn a_journal_without_a_place_is_passed_over_and_comes_back() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    let mut journalled = 0;
    let mut direct = 0;
    for _ in 0..20 {
        let before = owner.syncs();
        owner.add(0);
        let after = owner.syncs();
        journalled += after.1 - before.1;
        direct += after.0 - before.0;
    }
    // The direct flush of the only dirty file has made the other half clean by itself.
    assert!(journalled > 12 && direct > 0, "{journalled} {direct}");
    // Another log's bytes keep the half dirty until its file is synced for the journal's sake.
    owner.add(1);
    (0..20).for_each(|_| owner.add(0));
    let stuck = owner.syncs();
    owner.add(0);
    let still = owner.syncs();
    assert_eq!((still.0 - stuck.0, still.1 - stuck.1), (1, 0));
    owner.clean_all();
    let cleaned = owner.syncs();
    owner.add(0);
    let back = owner.syncs();
    assert_eq!(back.0, cleaned.0, "through the journal again");
    assert!(back.1 > cleaned.1);
    let ends = owner.ends();
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    for (number, end) in ends.into_iter().enumerate() {
        assert_eq!(open_log(&dir, number, 0).unwrap().0.log_end(), end);
    }
}

/// Many rounds over both halves, a start after each flush.
#[test]
fn both_halves_are_begun_anew_many_times() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    for round in 0..60 {
        let number = round % 2;
        owner.append(number, 100 + round);
        owner.flush(number);
        if round % 5 == 4 {
            owner.clean_all();
        }
        let disk = SimDisk::holding(owner.left());
        let dir = open_dir(&disk).unwrap();
        for (number, end) in owner.ends().into_iter().enumerate() {
            let (log, _) = open_log(&dir, number, 0).unwrap();
            assert_eq!(log.log_end(), end, "round {round}");
            read_all(&log).unwrap();
        }
    }
    let (_, ops) = owner.disk.recorded();
    let halves = HALVES.map(|path| owner.disk.node(Path::new(path)).unwrap());
    for half in halves {
        let begun = ops.iter().filter(
            |op| matches!(op, Op::Write { file, at: 0, bytes } if *file == half && bytes[0] == b'T'),
        );
        assert!(begun.count() > 3);
    }
    let long = ops.iter().any(
        |op| matches!(op, Op::Write { file, at, bytes } if halves.contains(file) && at + bytes.len() > 8 * BLOCK),
    );
    assert!(!long, "a half has a bound");
}

/// The other half is clean when the last group of this one is written, and was not when the one before
/// was. What the last synced group says counts, so the next one comes before anything is overwritten.
#[test]
fn a_half_is_begun_anew_when_a_synced_group_says_that_nothing_in_it_counts() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    // All that has a place in the first half, and as much in the second that one block more has one, two not.
    (0..6 + 5).for_each(|_| owner.add(0));
    owner.clean_all();
    let before = owner.ends();
    let from = owner.disk.ops_count();
    owner.append(0, 5_000);
    owner.flush(0);
    let (_, ops) = owner.disk.recorded();
    let first = owner.disk.node(Path::new(HALVES[0])).unwrap();
    let begun = |op: &Op| matches!(op, Op::Write { file, at: 0, bytes } if *file == first && bytes.len() == 2 * BLOCK);
    assert!(
        ops[from..].iter().any(begun),
        "not begun anew with two blocks"
    );
    cut_at_every_change(&owner.disk, from, &before, &owner.ends());
}

/// A sync does nothing for what is written while it runs.
#[test]
fn what_was_appended_during_a_sync_keeps_its_half_from_being_begun_anew() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    // The seventh begins the other half, and has the file synced for the first one's sake.
    (0..7).for_each(|_| owner.add(0));
    let (entered, events) = mpsc::channel();
    let keeper = owner.disk.hold_behind(owner.disk.calls() + 1, entered);
    let flusher = Arc::clone(&owner.flusher);
    let cleaning = std::thread::spawn(move || flusher.run_cleaning());
    assert_eq!(events.recv_timeout(PATIENCE).unwrap().name, "sync_data");
    owner.add(0);
    drop(keeper);
    assert!(cleaning.join().unwrap());
    // The other log's bytes fill this half, and the next one begins that one anew.
    (0..5).for_each(|_| owner.add(1));
    owner.clean_all();
    owner.add(1);
    let ends = owner.ends();
    assert_eq!(ends, [Offset(8), Offset(6)]);
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    for (number, end) in ends.into_iter().enumerate() {
        assert_eq!(open_log(&dir, number, 0).unwrap().0.log_end(), end);
    }
}
