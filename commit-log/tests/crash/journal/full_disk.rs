//! The journal on a disk that is full: while its files are lengthened, and while a start puts in place what
//! they have.

use std::path::Path;

use trimaran_commit_log::{Disk, LogDirError, OpenHow};
use trimaran_types::Offset;

use super::owner::{HALVES, Owner, cut_at_every_change};
use super::six_groups;
use crate::promises::{open_dir, open_log};
use crate::sim_disk::SimDisk;

const PAGE_BYTES: u64 = 4096;
const RESERVE_PAGES: u64 = 16;
const RESERVE: &str = "/data/logs/reserved-space";

/// After a disk without room the journal lets so many groups go to the files.
const REFUSALS: usize = 256;

fn bytes(disk: &SimDisk, path: &str) -> u64 {
    let file = disk.open(Path::new(path), OpenHow::Existing).unwrap();
    file.bytes().unwrap()
}

/// The disk is full after so many flushes, but for some pages, fewer than the journal asks for. Tells
/// whether the next flush went through it.
fn fill_up_after(flushes: usize, pages: usize) -> bool {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    for number in 0..2 {
        // In its own file, whose last page has room for what follows.
        owner.append(number, 9_000);
        owner.flush(number);
    }
    let reserve = RESERVE_PAGES * PAGE_BYTES;
    assert_eq!(owner.dir.fill_reserve(reserve).unwrap(), reserve);
    (0..flushes).for_each(|round| owner.add(round % 2));
    owner.disk.fill_up_but(pages);
    let lengths = HALVES.map(|path| bytes(&owner.disk, path));
    let (from, before, syncs) = (owner.disk.ops_count(), owner.ends(), owner.syncs());
    owner.add(0);
    let goes_through = owner.syncs().1 > syncs.1;
    let lengthened = HALVES.map(|path| bytes(&owner.disk, path));
    assert!(lengthened == lengths || goes_through, "in part");
    owner.add(1);
    assert_eq!(owner.ends(), [before[0].next(), before[1].next()]);
    // To forget the log there is a place.
    let cut = owner.logs[0].truncate_to(before[0]).unwrap();
    assert_eq!(cut, before[0]);
    assert!(owner.dir.context().latch.failure().is_none());
    let after = [before[0], before[1].next()];
    cut_at_every_change(&owner.disk, from, &before, &after);
    let left = SimDisk::holding(owner.left());
    let dir = open_dir(&left).unwrap();
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), after[0]);
    goes_through
}

#[test]
fn a_journal_that_cannot_be_lengthened_is_passed_over() {
    let went_through: Vec<bool> = (0..14)
        .map(|flushes| fill_up_after(flushes, flushes % 2))
        .collect();
    assert!(
        went_through.contains(&true) && went_through.contains(&false),
        "{went_through:?}"
    );
}

#[test]
fn a_journal_that_could_not_be_lengthened_is_tried_again_later() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    owner.add(0);
    owner.append(0, 9_000);
    owner.flush(0);
    owner.disk.fill_up();
    let before = owner.syncs();
    owner.add(0);
    assert_eq!(owner.syncs(), (before.0 + 1, before.1));
    owner.disk.make_room();
    let mut flushes = 0;
    let before = owner.syncs();
    while owner.syncs().1 == before.1 {
        owner.add(0);
        flushes += 1;
        assert!(flushes < 2 * REFUSALS, "never again");
    }
    assert!(flushes > REFUSALS, "tried again after {flushes}");
    let ends = owner.ends();
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), ends[0]);
}

/// The blocks that a power cut has taken from the segments are somebody else's by now.
#[test]
fn a_start_without_room_for_what_it_puts_in_place_is_refused_and_begun_anew() {
    let (tree, ends) = six_groups();
    let disk = SimDisk::holding(tree);
    disk.fill_up();
    for _ in 0..2 {
        let refused = open_dir(&disk).unwrap_err();
        assert!(
            matches!(&refused, LogDirError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
            "{refused:?}"
        );
    }
    disk.make_room();
    cut_at_every_change(&disk, 1, &ends, &ends);
    drop(open_dir(&disk).unwrap());
    cut_at_every_change(&disk, 1, &ends, &ends);
}

#[test]
fn a_start_puts_in_place_what_it_must_with_reserved_blocks() {
    let (tree, ends) = six_groups();
    let disk = SimDisk::holding(tree);
    let file = disk.open(Path::new(RESERVE), OpenHow::OrCreate).unwrap();
    let reserve = RESERVE_PAGES * PAGE_BYTES;
    let pages = vec![1; usize::try_from(reserve).unwrap()];
    file.write_all_at(0, &pages).unwrap();
    drop(file);
    let disk = SimDisk::holding(disk.live());
    disk.fill_up();
    let dir = open_dir(&disk).unwrap();
    // Each of the two segments has a page, and the half that nothing was written to.
    assert_eq!(bytes(&disk, RESERVE), reserve - 3 * PAGE_BYTES);
    for (number, end) in ends.iter().enumerate() {
        assert_eq!(open_log(&dir, number, 0).unwrap().0.log_end(), *end);
    }
    drop(dir);
    cut_at_every_change(&disk, 1, &ends, &ends);
    let again = SimDisk::holding(disk.live());
    let before: Vec<Offset> = ends;
    let dir = open_dir(&again).unwrap();
    assert_eq!(again.segment_writes(), 0, "only once");
    for (number, end) in before.into_iter().enumerate() {
        assert_eq!(open_log(&dir, number, 0).unwrap().0.log_end(), end);
    }
}
