//! What a start makes of a journal: that an empty one stays empty, and what one bad block takes with it.

use std::path::Path;
use std::sync::Arc;

use trimaran_commit_log::{Damage, Disk, DiskFile, JournalLimits, Log, LogDir, OpenError, OpenHow};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use super::{BLOCK, HALVES, Owner, changed, six_groups};
use crate::power_cut::{PowerCut, Survives};
use crate::promises::{
    JOURNAL, Record, open_dir, open_journalled, open_log, partition, read_all, topic_id,
};
use crate::sim_disk::{Fault, SimDisk, Tree};
use crate::workload::batch;

const SEGMENT: &str = "/data/logs/t-0/00000000000000000000.log";

fn open_file(disk: &SimDisk, path: &str) -> Arc<dyn DiskFile> {
    disk.open(Path::new(path), OpenHow::Existing).unwrap()
}

/// What a power cut leaves of the disk that brings nothing through that was not synced.
fn cut(disk: &SimDisk) -> Tree {
    let (base, ops) = disk.recorded();
    let mut cut = PowerCut::before_anything(&base);
    ops.iter().for_each(|op| cut.after(op));
    cut.leaves(Survives::Nothing)
}

/// Cuts a log down to one record and gives the next offset to another one, durably and without a small
/// flush.
fn rewrite(log: &mut Log) -> Vec<Record> {
    log.truncate_to(Offset(1)).unwrap();
    let epoch = LeaderEpoch(log.latest_epoch().unwrap().0 + 1);
    log.assign_epoch(epoch, log.log_end()).unwrap();
    let value: Arc<[u8]> = vec![8; 9_500].into();
    log.append_as_leader(vec![batch(&[value])], epoch, Timestamp(1))
        .unwrap();
    let request = log.begin_flush().unwrap();
    let sync = |file: &Arc<dyn DiskFile>| file.sync_data().unwrap();
    request.files.iter().for_each(sync);
    log.flushed(&request.token());
    assert_eq!(log.flushed_end(), Offset(2));
    read_all(log).unwrap()
}

/// The same by a process without a journal.
fn rewrite_without_a_journal(disk: &SimDisk) -> Vec<Record> {
    let dir = open_dir(disk).unwrap();
    rewrite(&mut open_log(&dir, 0, 0).unwrap().0)
}

/// A start puts nothing over what the log has.
fn assert_has(disk: &SimDisk, records: &[Record], what: &str) {
    let dir = open_dir(disk).unwrap();
    assert_eq!(disk.segment_writes(), 0, "{what}");
    let (log, _) = open_log(&dir, 0, 0).unwrap();
    assert!(read_all(&log).unwrap() == records, "{what}");
}

/// Any one bit of a journal of which nothing counts, a bit of each block.
fn assert_stays_empty(tree: &Tree, records: &[Record]) {
    let mut blocks = 0;
    for path in HALVES {
        let whole = SimDisk::holding(tree.clone());
        let bytes = usize::try_from(open_file(&whole, path).bytes().unwrap()).unwrap();
        for at in (0..bytes / BLOCK).map(|block| block * BLOCK + 300) {
            let bad = changed(tree, path, at, |byte| *byte ^= 4);
            assert_has(&bad, records, &format!("{path} at {at}"));
            blocks += 1;
        }
    }
    assert!(blocks > 6);
}

#[test]
fn no_bad_block_brings_back_what_a_start_has_put_in_place() {
    let disk = SimDisk::holding(six_groups().0);
    let records = rewrite_without_a_journal(&disk);
    assert_stays_empty(&cut(&disk), &records);
    // And when the next start has found it empty.
    for _ in 0..2 {
        drop(open_dir(&disk).unwrap());
        assert_stays_empty(&cut(&disk), &records);
    }
}

/// Both halves are full, so that a log that is to be cut finds no place in the journal to say so.
#[test]
fn no_bad_block_brings_back_what_a_full_journal_was_emptied_of() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    owner.append(1, 100);
    owner.flush(1);
    let mut direct = 0;
    while direct < 3 {
        let before = owner.syncs();
        owner.append(0, 100);
        owner.flush(0);
        direct += owner.syncs().0 - before.0;
    }
    let records = rewrite(&mut owner.logs[0]);
    let tree = owner.cut();
    assert_stays_empty(&tree, &records);
}

/// Killed in any call of a start, and the power fails much later.
#[test]
fn a_start_believes_nothing_that_the_device_may_not_have() {
    let (tree, _) = six_groups();
    let mut killed = Vec::new();
    for call in 1.. {
        let disk = SimDisk::holding(tree.clone());
        disk.fail_at(call, Fault::Killed);
        drop(open_dir(&disk));
        let Some(failed) = disk.failed_call() else {
            break;
        };
        killed.push(failed);
        let records = rewrite_without_a_journal(&disk);
        let left = SimDisk::holding(cut(&disk));
        assert_has(&left, &records, &format!("call {call} ({failed})"));
    }
    let syncs = killed.iter().filter(|name| **name == "sync_data");
    assert!(syncs.count() >= 4, "two segments, both halves");
}

#[track_caller]
fn assert_distrusted(dir: &LogDir, number: usize) {
    match open_log(dir, number, 0) {
        Err(OpenError::Corrupt { cause, .. }) => assert_eq!(cause, Damage::Journal),
        Err(other) => panic!("{other:?}"),
        Ok((log, _)) => panic!("log {number} is there up to {}", log.log_end()),
    }
}

/// Log 0 is distrusted, log 1 has all, at this start and at later ones, until it was set aside.
fn assert_only_the_first_is_distrusted(disk: &SimDisk, end: Offset) {
    let mut disk = disk.clone();
    for _ in 0..3 {
        let dir = open_dir(&disk).unwrap();
        assert_distrusted(&dir, 0);
        assert_eq!(open_log(&dir, 1, 0).unwrap().0.log_end(), end);
        drop(dir);
        disk = SimDisk::holding(cut(&disk));
    }
    let dir = open_journalled(&disk).unwrap();
    let aside = dir.give_up_damaged(topic_id(0), &partition(0)).unwrap();
    // It says nothing of the disk.
    assert!(aside.unwrap().to_str().unwrap().ends_with("-distrusted"));
    assert_eq!(dir.damaged_logs().unwrap(), 0);
    assert_eq!(open_log(&dir, 0, 0).unwrap().0.log_end(), Offset::ZERO);
}

/// The process was killed, so that the segments have all bytes, and the journal, too.
fn killed() -> (SimDisk, Vec<Offset>) {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    for round in 0..6 {
        owner.append(round % 2, 100);
        owner.flush(round % 2);
    }
    let ends = owner.ends();
    (SimDisk::holding(owner.disk.live()), ends)
}

#[test]
fn a_segment_that_the_device_cannot_read_is_damage_of_its_log() {
    let (disk, ends) = killed();
    disk.spoil(Path::new(SEGMENT), 0);
    assert_only_the_first_is_distrusted(&disk, ends[1]);
}

#[test]
fn a_segment_shorter_than_what_was_synced_is_damage_of_its_log() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    owner.append(0, 9_500);
    owner.append(1, 100);
    for number in [0, 1, 0, 1] {
        owner.flush(number);
        owner.append(number, 100);
    }
    let end = owner.ends()[1];
    let disk = SimDisk::holding(owner.cut());
    open_file(&disk, SEGMENT).truncate(100).unwrap();
    assert_only_the_first_is_distrusted(&SimDisk::holding(disk.live()), end);
}

/// The page that the bytes would begin in the middle of.
#[test]
fn a_segment_whose_last_page_cannot_be_read_is_damage_of_its_log() {
    let mut owner = Owner::new(SimDisk::empty(), 2);
    owner.append(0, 9_500);
    owner.append(1, 100);
    for number in [0, 1, 0, 1] {
        owner.flush(number);
        owner.append(number, 100);
    }
    let end = owner.ends()[1];
    let disk = SimDisk::holding(owner.cut());
    let bytes = open_file(&disk, SEGMENT).bytes().unwrap();
    assert!((9_500..9_700).contains(&bytes), "the first batch: {bytes}");
    disk.spoil(Path::new(SEGMENT), 2);
    assert_only_the_first_is_distrusted(&disk, end);
}

#[test]
fn a_block_that_the_device_cannot_read_is_no_group() {
    let (_, ends) = killed();
    for (half, path) in HALVES.iter().enumerate() {
        for page in 0..8 {
            let (disk, _) = killed();
            let bytes = open_file(&disk, path).bytes().unwrap();
            if page as u64 * BLOCK as u64 >= bytes {
                continue;
            }
            disk.spoil(Path::new(path), page);
            let dir = open_dir(&disk).unwrap();
            for (number, end) in ends.iter().enumerate() {
                // Also where the next group would stand, since there may have been one.
                if (half == 0 && page <= 6) || (half == 1 && page == 0) {
                    assert_distrusted(&dir, number);
                } else {
                    let (log, _) = open_log(&dir, number, 0).unwrap();
                    assert_eq!(log.log_end(), *end, "{path}, page {page}");
                }
            }
        }
    }
}

/// Nothing of it can be read, so nobody can say that nothing was there.
#[test]
fn a_half_that_the_device_cannot_read_makes_every_log_damaged() {
    let (disk, _) = killed();
    (0..8).for_each(|page| disk.spoil(Path::new(HALVES[0]), page));
    let dir = open_dir(&disk).unwrap();
    (0..2).for_each(|number| assert_distrusted(&dir, number));
}

#[test]
fn a_list_of_distrusted_logs_that_cannot_be_read_names_all() {
    let (disk, _) = killed();
    let path = "/data/logs/flush-journal-distrust";
    let file = disk.open(Path::new(path), OpenHow::OrCreate).unwrap();
    file.write_all_at(0, b"0\n1\nt-0\n").unwrap();
    disk.spoil(Path::new(path), 0);
    let dir = open_dir(&disk).unwrap();
    (0..2).for_each(|number| assert_distrusted(&dir, number));
}

/// What it had is lost, so it is not a new log.
#[test]
fn a_distrusted_folder_without_a_segment_is_not_begun_anew() {
    let (tree, _) = six_groups();
    let disk = changed(&tree, HALVES[0], BLOCK + 300, |byte| *byte ^= 4);
    disk.remove_file(Path::new(SEGMENT)).unwrap();
    for _ in 0..2 {
        let dir = open_dir(&disk).unwrap();
        assert_distrusted(&dir, 0);
    }
}

/// Twelve groups where the next process has room for eight.
fn long_journal() -> SimDisk {
    let disk = SimDisk::empty();
    let large = JournalLimits {
        half_bytes: 16 * BLOCK as u64,
        ..JOURNAL
    };
    let mut owner = Owner::on(open_dir(&disk).unwrap(), disk, 1, large);
    for _ in 0..12 {
        owner.append(0, 100);
        owner.flush(0);
    }
    let disk = SimDisk::holding(owner.cut());
    assert!(open_file(&disk, HALVES[0]).bytes().unwrap() > JOURNAL.half_bytes);
    disk
}

#[test]
fn a_journal_that_is_longer_than_its_bound_is_cut_when_nothing_in_it_counts() {
    let disk = long_journal();
    for call in 1.. {
        let disk = SimDisk::holding(disk.live());
        disk.fail_at(call, Fault::Killed);
        drop(open_journalled(&disk));
        let is_whole = disk.failed_call().is_none();
        disk.fail_at(usize::MAX, Fault::Killed);
        if is_whole {
            for path in HALVES {
                assert!(open_file(&disk, path).bytes().unwrap() <= JOURNAL.half_bytes);
            }
        }
        let records = rewrite_without_a_journal(&disk);
        let left = cut(&disk);
        if is_whole {
            assert_stays_empty(&left, &records);
            break;
        }
        assert_has(&SimDisk::holding(left), &records, &format!("call {call}"));
    }
}
