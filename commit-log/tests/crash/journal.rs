//! The journal in front of the logs: what goes through it, what a start makes of it, and what it makes
//! of one that is damaged.

mod start;

use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{Aside, Disk, Flusher, JournalLimits, Log, LogDir, OpenError, OpenHow};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::power_cut::{PowerCut, Survives};
use crate::promises::{JOURNAL, open_dir, open_journalled, open_log, partition, read_all};
use crate::sim_disk::{Fault, Op, SimDisk, Tree};
use crate::workload::batch;

const BLOCK: usize = 4096;
const HALVES: [&str; 2] = ["/data/logs/flush-journal-0", "/data/logs/flush-journal-1"];

/// An owner of logs with a journal.
struct Owner {
    disk: SimDisk,
    dir: LogDir,
    flusher: Flusher,
    logs: Vec<Log>,
}

impl Owner {
    fn new(disk: SimDisk, logs: usize) -> Self {
        let dir = open_dir(&disk).unwrap();
        Self::on(dir, disk, logs, JOURNAL)
    }

    fn on(mut dir: LogDir, disk: SimDisk, logs: usize, limits: JournalLimits) -> Self {
        dir.use_journal(limits).unwrap();
        let latch = Arc::clone(&dir.context().latch);
        let open = |number| {
            let (mut log, _) = open_log(&dir, number, 0).unwrap();
            let end = log.log_end();
            let epoch = log.latest_epoch().map_or(0, |epoch| epoch.0) + 1;
            log.assign_epoch(LeaderEpoch(epoch), end).unwrap();
            log
        };
        Self {
            logs: (0..logs).map(open).collect(),
            flusher: Flusher::without_threads(latch, 100),
            dir,
            disk,
        }
    }

    fn append(&mut self, number: usize, bytes: usize) {
        let log = &mut self.logs[number];
        let value: Arc<[u8]> = vec![7; bytes].into();
        let epoch = log.latest_epoch().unwrap();
        log.append_as_leader(vec![batch(&[value])], epoch, Timestamp(1))
            .unwrap();
    }

    fn flush(&mut self, number: usize) {
        let request = self.logs[number].begin_flush().unwrap();
        let token = request.token();
        self.flusher.submit(request, Box::new(|done| done.unwrap()));
        self.flusher.run_waiting();
        self.logs[number].flushed(&token);
    }

    fn ends(&self) -> Vec<Offset> {
        self.logs.iter().map(Log::flushed_end).collect()
    }

    /// How often files of logs, and halves of the journal, have been synced.
    fn syncs(&self) -> (usize, usize) {
        let (_, ops) = self.disk.recorded();
        let halves = HALVES.map(|path| self.disk.node(Path::new(path)));
        let mut count = (0, 0);
        for op in &ops {
            if let Op::SyncData { file } = op {
                if halves.contains(&Some(*file)) {
                    count.1 += 1;
                } else if self.disk.is_segment(*file) {
                    count.0 += 1;
                }
            }
        }
        count
    }

    /// What a power cut leaves that brings nothing through that was not synced.
    fn cut(self) -> Tree {
        drop((self.logs, self.dir));
        let (base, ops) = self.disk.recorded();
        let mut cut = PowerCut::before_anything(&base);
        ops.iter().for_each(|op| cut.after(op));
        cut.leaves(Survives::Nothing)
    }
}

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
    let mut owner = Owner::new(SimDisk::empty(), 1);
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
}

/// While the files of a full half are not synced, and the other one is full, too, nobody waits.
#[test]
fn a_journal_without_a_place_is_passed_over_and_comes_back() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    let mut journalled = 0;
    let mut direct = 0;
    for _ in 0..20 {
        let before = owner.syncs();
        owner.append(0, 100);
        owner.flush(0);
        let after = owner.syncs();
        journalled += after.1 - before.1;
        direct += after.0 - before.0;
    }
    // The direct flush of the only dirty file has made the other half clean by itself.
    assert!(journalled > 12 && direct > 0, "{journalled} {direct}");
    // Another log's bytes keep the half dirty until its file is synced for the journal's sake.
    owner.append(1, 100);
    owner.flush(1);
    for _ in 0..20 {
        owner.append(0, 100);
        owner.flush(0);
    }
    let stuck = owner.syncs();
    owner.append(0, 100);
    owner.flush(0);
    let still = owner.syncs();
    assert_eq!((still.0 - stuck.0, still.1 - stuck.1), (1, 0));
    while owner.flusher.run_cleaning() {}
    let cleaned = owner.syncs();
    owner.append(0, 100);
    owner.flush(0);
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
            while owner.flusher.run_cleaning() {}
        }
        let (base, ops) = owner.disk.recorded();
        let mut cut = PowerCut::before_anything(&base);
        ops.iter().for_each(|op| cut.after(op));
        let disk = SimDisk::holding(cut.leaves(Survives::Nothing));
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

#[test]
fn a_clean_directory_has_an_empty_journal() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    for number in 0..2 {
        owner.append(number, 100);
        owner.flush(number);
    }
    let Owner {
        disk, dir, logs, ..
    } = owner;
    for log in logs {
        log.close().unwrap();
    }
    dir.mark_clean_shutdown(None).unwrap();
    drop(dir);
    let disk = SimDisk::holding(disk.live());
    let dir = open_dir(&disk).unwrap();
    assert!(dir.clean_shutdown().is_some());
    assert_eq!(disk.segment_writes(), 0);
    for number in 0..2 {
        assert_eq!(open_log(&dir, number, 0).unwrap().0.log_end(), Offset(1));
    }
}

/// Six groups in one half, nothing of them in the segments.
fn six_groups() -> (Tree, Vec<Offset>) {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    for round in 0..6 {
        owner.append(round % 2, 100);
        owner.flush(round % 2);
    }
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

/// Where the file has the name that it had, nothing of what it held comes back.
#[test]
fn a_log_that_starts_over_stays_empty() {
    let mut owner = Owner::new(SimDisk::empty(), 1);
    for _ in 0..3 {
        owner.append(0, 100);
        owner.flush(0);
    }
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
    for _ in 0..3 {
        owner.append(0, 100);
        owner.flush(0);
    }
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
    for _ in 0..3 {
        owner.append(0, 100);
        owner.flush(0);
    }
    // In flight when the log is cut.
    owner.append(0, 100);
    let late = owner.logs[0].begin_flush().unwrap();
    owner.logs[0].truncate_to(Offset(1)).unwrap();
    owner.flusher.submit(late, Box::new(|done| done.unwrap()));
    owner.flusher.run_waiting();
    let disk = SimDisk::holding(owner.cut());
    let dir = open_dir(&disk).unwrap();
    assert_eq!(disk.segment_writes(), 0);
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), Offset(1));
}
