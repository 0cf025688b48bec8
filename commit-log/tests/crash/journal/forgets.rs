//! What a log has lost on purpose, or what another owner has found it to lack, no start puts back; and
//! what was durable while the log changed is durable behind that.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use trimaran_commit_log::{Aside, Disk, FlushToken, Flusher, Log, LogDir, OpenHow};
use trimaran_types::Offset;

use super::owner::{BLOCK, HALVES, Owner, left};
use super::{changed, six_groups};
use crate::promises::{open_dir, open_journalled, open_log, partition, read_all};
use crate::sim_disk::{SimDisk, Tree};
use crate::upkeep::{self, EPOCH, NOW};

const SEGMENT: &str = "00000000000000000000.log";

fn content(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenHow::Existing).unwrap();
    let mut content = Vec::new();
    file.read_at(0, usize::MAX, &mut content).unwrap();
    content
}

/// Where the file has the name that it had, nothing of what it held comes back.
#[test]
fn a_log_that_starts_over_stays_empty() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    (0..3).for_each(|_| owner.add(0));
    owner.logs[0]
        .truncate_fully_and_start_at(Offset::ZERO)
        .unwrap();
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert_eq!(disk.segment_writes(), 0);
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), Offset::ZERO);
}

/// Nor of a log that was deleted, in one of its name.
#[test]
fn a_log_that_is_made_anew_has_nothing_of_the_old_one() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    (0..3).for_each(|_| owner.add(0));
    owner.logs.clear();
    owner.dir.set_aside(&[partition(0)], Aside::Delete).unwrap();
    let (log, _) = open_log(&owner.dir, 0, 1).unwrap();
    drop(log);
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert_eq!(disk.segment_writes(), 0);
    assert_eq!(open_log(&dir, 0, 1).unwrap().0.log_end(), Offset::ZERO);
}

#[test]
fn what_is_cut_stays_cut() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    (0..3).for_each(|_| owner.add(0));
    // In flight when the log is cut.
    owner.append(0, 100);
    let late = owner.begin(0);
    owner.logs[0].truncate_to(Offset(1)).unwrap();
    owner.serve(late);
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert_eq!(disk.segment_writes(), 0);
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), Offset(1));
}

/// Nor what a start has put in place, when it is cut then.
#[test]
fn what_was_put_in_place_can_be_cut() {
    let (tree, _) = six_groups();
    for has_journal in [false, true] {
        let disk = SimDisk::holding(tree.clone());
        let dir = if has_journal {
            open_journalled(&disk).unwrap()
        } else {
            open_dir(&disk).unwrap()
        };
        let (mut log, _) = open_log(&dir, 0, 0).unwrap();
        assert_eq!(log.log_end(), Offset(3));
        log.truncate_to(Offset(1)).unwrap();
        drop((log, dir));
        let disk = SimDisk::holding(disk.live());
        let dir = open_dir(&disk).unwrap();
        assert_eq!(disk.segment_writes(), 0);
        assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), Offset(1));
    }
}

/// What is kept until a person decides is kept whole.
#[test]
fn a_log_that_is_set_aside_has_all_that_was_flushed() {
    for why in [Aside::Stray, Aside::Damaged] {
        let mut owner = Owner::new(SimDisk::empty(), 1);
        (0..3).for_each(|_| owner.add(0));
        owner.logs.clear();
        let moved: Vec<PathBuf> = owner.dir.set_aside(&[partition(0)], why).unwrap();
        let segment = moved[0].join(SEGMENT);
        let expected = content(&owner.disk, &segment);
        assert!(expected.len() > 300);
        let disk = SimDisk::holding(owner.cut());
        drop(open_dir(&disk).unwrap());
        assert_eq!(content(&disk, &segment), expected);
    }
}

/// Recovery in the same process may cut what the journal still has, if it was damaged and nobody had
/// heard that it was durable.
#[test]
fn what_the_next_owner_found_damaged_does_not_come_back() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    owner.append(0, 100);
    let request = owner.begin(0);
    owner.serve(request);
    owner.logs.remove(0).discard();
    let segment = owner.dir.partition_dir(&partition(0)).join(SEGMENT);
    let file = owner.disk.open(&segment, OpenHow::Existing).unwrap();
    file.write_all_at(80, b"damage").unwrap();
    drop(file);
    assert!(owner.open(0).cut.is_some());
    assert_eq!(owner.logs[0].log_end(), Offset::ZERO);
    // Too large for the journal: nothing in it would cover what came back.
    owner.append(0, 9_000);
    owner.flush(0);
    let expected = read_all(&owner.logs[0]).unwrap();
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    let (log, report) = open_log(&dir, 0, 0).unwrap();
    assert_eq!((read_all(&log).unwrap(), report.cut), (expected, None));
}

/// The first of two requests is never served. The second makes all of the log durable.
#[test]
fn a_flush_rests_on_no_other_one() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    owner.append(0, 100);
    drop(owner.begin(0));
    owner.append(0, 100);
    owner.flush(0);
    assert_eq!(owner.ends(), [Offset(2)]);
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert!(disk.segment_writes() > 0, "through the journal");
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), Offset(2));
}

/// Nothing else is: a request that was made before the cut is served when the place is taken again.
#[test]
fn what_is_appended_behind_a_cut_is_not_written_over() {
    for (through_journal, is_served) in [(true, true), (true, false), (false, true)] {
        let mut owner = Owner::new(SimDisk::empty(), 1);
        owner.add(0);
        owner.append(0, 100);
        let late = owner.begin(0);
        owner.logs[0].truncate_to(Offset(1)).unwrap();
        owner.append(0, if through_journal { 200 } else { 9_000 });
        owner.flush(0);
        if is_served {
            owner.serve(late);
        }
        let expected = read_all(&owner.logs[0]).unwrap();
        let disk = SimDisk::holding(owner.cut());
        let dir = open_dir(&disk).unwrap();
        let (log, report) = open_log(&dir, 0, 0).unwrap();
        assert_eq!((read_all(&log).unwrap(), report.cut), (expected, None));
    }
}

/// What says so may be the newest group for long, and a bad one looks as if it had been torn.
#[test]
fn one_bad_block_brings_nothing_back_that_was_cut() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    (0..3).for_each(|_| owner.add(0));
    owner.logs[0].truncate_to(Offset(1)).unwrap();
    let expected = read_all(&owner.logs[0]).unwrap();
    let tree = owner.cut();
    let half = content(&SimDisk::holding(tree.clone()), Path::new(HALVES[0]));
    let mut opened = 0;
    for block in (0..half.len()).step_by(BLOCK) {
        let disk = changed(&tree, HALVES[0], block + 40, |byte| *byte ^= 4);
        let dir = open_dir(&disk).unwrap();
        // A bad one that others follow has every log distrusted.
        if let Ok((log, _)) = open_log(&dir, 0, 0) {
            assert_eq!(read_all(&log).unwrap(), expected, "block {block}");
            opened += 1;
        }
    }
    assert!(opened > 0);
}

#[test]
fn a_log_of_which_the_journal_has_nothing_changes_without_it() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    (0..3).for_each(|_| owner.add(0));
    let before = owner.syncs().1;
    owner.logs[0].truncate_to(Offset(2)).unwrap();
    // It is said twice.
    assert_eq!(owner.syncs().1, before + 2);
    owner.logs[0].truncate_to(Offset(1)).unwrap();
    assert_eq!(owner.syncs().1, before + 2);
}

/// A log whose segments are small and may be compacted.
struct Compacted {
    disk: SimDisk,
    dir: LogDir,
    flusher: Flusher,
    log: Log,
}

impl Compacted {
    fn new() -> Self {
        let disk = SimDisk::empty();
        let dir = open_journalled(&disk).unwrap();
        let mut log = upkeep::open(&dir);
        log.assign_epoch(EPOCH, Offset::ZERO).unwrap();
        Self {
            flusher: Flusher::without_threads(Arc::clone(&dir.context().latch), 10),
            disk,
            dir,
            log,
        }
    }

    fn append(&mut self, bytes: usize) {
        let record = (1, Some(Arc::from(vec![5; bytes])));
        let batches = vec![upkeep::batch(&[record])];
        self.log.append_as_leader(batches, EPOCH, NOW).unwrap();
    }

    /// Has a flush wait. What a power cut leaves when it is said to be done comes with its token.
    fn submit(&mut self) -> (FlushToken, mpsc::Receiver<Tree>) {
        let request = self.log.begin_flush().unwrap();
        let token = request.token();
        let (tell, told) = mpsc::channel();
        let disk = self.disk.clone();
        let on_done = move |done: Result<(), _>| {
            done.unwrap();
            tell.send(left(&disk)).unwrap();
        };
        self.flusher.submit(request, Box::new(on_done));
        (token, told)
    }

    fn flush(&mut self) -> Tree {
        let (token, told) = self.submit();
        self.flusher.run_waiting();
        self.log.flushed(&token);
        told.recv().unwrap()
    }
}

/// Between the queue and the journal: the entry is refused, since the files have changed. The end that it
/// was for still stands, so the file is synced first.
#[test]
fn a_flush_that_a_swap_overtakes_is_durable_when_it_is_said_to_be() {
    let mut owner = Compacted::new();
    (0..5).for_each(|_| owner.append(1_500));
    owner.flush();
    owner.append(100);
    let (token, told) = owner.submit();
    assert!(
        upkeep::clean(&mut owner.log).0 > 0,
        "nothing was swapped in"
    );
    owner.flusher.run_waiting();
    owner.log.flushed(&token);
    let end = owner.log.flushed_end();
    assert_eq!(end, Offset(6));
    let dir = open_dir(&SimDisk::holding(told.recv().unwrap())).unwrap();
    assert_eq!(upkeep::open(&dir).log_end(), end);
}

/// The journal has bytes of a segment that is compacted, under the same name.
#[test]
fn what_was_compacted_stays_compacted() {
    let mut owner = Compacted::new();
    for _ in 0..8 {
        owner.append(600);
        owner.flush();
    }
    assert!(
        upkeep::clean(&mut owner.log).0 > 0,
        "nothing was swapped in"
    );
    let expected = upkeep::shown(&owner.log).unwrap();
    assert!(expected.len() < 8, "nothing is gone");
    owner.append(100);
    let disk = SimDisk::holding(owner.flush());
    drop(owner.dir);
    let dir = open_dir(&disk).unwrap();
    let mut shown = upkeep::shown(&upkeep::open(&dir)).unwrap();
    assert_eq!(shown.pop().map(|last| last.0), Some(8));
    assert_eq!(shown, expected);
}
