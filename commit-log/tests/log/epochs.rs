//! `leader-epoch-checkpoint`, which has no checksum, against the batches when a log is opened.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use trimaran_commit_log::{
    Damage, Disk, DiskDir, DiskEntry, DiskFile, Log, OpenError, OpenHow, RealDisk, RecoveryReport,
};
use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{LeaderEpoch, Offset};

use crate::rig::{NOW, Rig, batch_of};

const EPOCHS: [(i32, i64); 3] = [(1, 0), (4, 40), (5, 60)];
const END: i64 = 100;

/// A log of seven segments, one record in each batch.
fn filled(rig: &Rig) -> Log {
    let (mut log, _) = rig.open(0, false).unwrap();
    for (at, (epoch, start)) in EPOCHS.into_iter().enumerate() {
        log.assign_epoch(LeaderEpoch(epoch), Offset(start)).unwrap();
        let end = EPOCHS.get(at + 1).map_or(END, |next| next.1);
        rig.fill(&mut log, usize::try_from(end - start).unwrap(), 50);
    }
    log
}

/// Everything is on the disk: the log was closed, or killed right after a checkpoint.
fn stop(mut log: Log, cleanly: bool) {
    let end = log.log_end();
    if cleanly {
        assert_eq!(log.close().unwrap(), end);
        return;
    }
    let request = log.begin_checkpoint().unwrap().unwrap();
    for file in &request.files {
        file.sync_data().unwrap();
    }
    log.flushed(&request.token());
}

fn reopen(rig: &Rig, cleanly: bool) -> Result<(Log, RecoveryReport), OpenError> {
    rig.open(END, cleanly)
}

fn epochs(log: &Log) -> Vec<(i32, i64)> {
    let entries = log.epochs().entries().iter();
    entries.map(|it| (it.epoch.0, it.start.0)).collect()
}

fn write_epochs(rig: &Rig, entries: &[(i32, i64)]) {
    let mut text = format!("0\n{}\n", entries.len());
    for (epoch, start) in entries {
        text.push_str(&format!("{epoch} {start}\n"));
    }
    std::fs::write(rig.dir().join("leader-epoch-checkpoint"), text).unwrap();
}

/// The log of [`filled`], stopped, with another list.
fn with_list(cleanly: bool, list: &[(i32, i64)]) -> Rig {
    let rig = Rig::new();
    stop(filled(&rig), cleanly);
    write_epochs(&rig, list);
    rig
}

/// Gives the batch at `offset` another epoch, which its checksum does not cover.
fn set_epoch(rig: &Rig, offset: i64, epoch: i32) {
    let (_, path) = rig.segments().range(..=offset).next_back().map_or_else(
        || panic!("no segment of {offset}"),
        |(base, path)| (*base, path.clone()),
    );
    let mut content = std::fs::read(&path).unwrap();
    let mut at = 0;
    loop {
        let header = BatchHeader::parse(&content[at..]).unwrap();
        if header.base_offset == Offset(offset) {
            content[at + 12..at + 16].copy_from_slice(&epoch.to_be_bytes());
            return std::fs::write(&path, content).unwrap();
        }
        at += header.total_bytes();
    }
}

#[test]
fn a_list_that_is_not_what_the_batches_say_is_learned_anew() {
    for cleanly in [true, false] {
        for list in [
            [(1, 0), (4, 40), (5, 70)],
            [(1, 0), (4, 40), (5, 50)],
            [(1, 0), (4, 40), (5, 62)],
            // Found by nothing but the batch in front of where the walk begins.
            [(1, 0), (4, 40), (5, END - 1)],
            [(1, 0), (4, 40), (9, 60)],
            [(1, 0), (3, 40), (5, 60)],
            [(1, 0), (4, 30), (5, 60)],
            [(1, 0), (4, 42), (5, 60)],
            [(0, 0), (4, 40), (5, 60)],
            [(1, 9), (4, 40), (5, 60)],
        ] {
            let rig = with_list(cleanly, &list);
            let (log, report) = reopen(&rig, cleanly).unwrap();
            assert_eq!(epochs(&log), EPOCHS, "{cleanly} {list:?}");
            assert_eq!(log.log_end(), Offset(END));
            let found = log.end_offset_for_epoch(LeaderEpoch(4));
            assert_eq!(found, Some((LeaderEpoch(4), Offset(60))));
            assert!(report.scanned_batches >= 100, "{report:?}");
            // And what was learned is what the disk says from now on.
            stop(log, true);
            let (log, report) = reopen(&rig, true).unwrap();
            assert_eq!(epochs(&log), EPOCHS);
            assert!(report.scanned_batches < 20, "{report:?}");
        }
    }
}

#[test]
fn a_list_that_lacks_epochs_in_the_middle_or_at_its_end_is_learned_anew() {
    for cleanly in [true, false] {
        for list in [&[(1, 0), (5, 60)][..], &[(1, 0), (4, 40)], &[(1, 0)], &[]] {
            let rig = with_list(cleanly, list);
            let (log, _) = reopen(&rig, cleanly).unwrap();
            assert_eq!(epochs(&log), EPOCHS, "{cleanly} {list:?}");
        }
    }
}

#[test]
fn a_true_list_is_believed_without_a_walk() {
    for cleanly in [true, false] {
        let rig = with_list(cleanly, &EPOCHS);
        let (log, report) = reopen(&rig, cleanly).unwrap();
        assert_eq!(epochs(&log), EPOCHS);
        assert!(report.scanned_batches < 20, "{report:?}");
    }
}

/// The list was on the disk, and the later log start that it was cut for was not.
#[test]
fn epochs_that_were_let_go_of_for_a_start_that_did_not_last_are_learned_anew() {
    for cleanly in [true, false] {
        for list in [&EPOCHS[1..], &[(4, 50), (5, 60)], &[(5, 80)]] {
            let rig = with_list(cleanly, list);
            let (log, _) = reopen(&rig, cleanly).unwrap();
            assert_eq!(epochs(&log), EPOCHS, "{cleanly} {list:?}");
        }
    }
}

#[test]
fn a_list_that_begins_with_the_log_start_is_believed_without_a_walk() {
    for cleanly in [true, false] {
        let mut rig = with_list(cleanly, &[(4, 50), (5, 60)]);
        rig.log_start = Some(Offset(50));
        let (log, report) = reopen(&rig, cleanly).unwrap();
        assert_eq!(epochs(&log), [(4, 50), (5, 60)]);
        assert!(report.scanned_batches < 20, "{report:?}");
    }
}

#[test]
fn below_the_log_start_nothing_is_looked_at() {
    let mut rig = with_list(true, &[(2, 5), (4, 40), (5, 60)]);
    rig.log_start = Some(Offset(50));
    let (log, report) = reopen(&rig, true).unwrap();
    assert_eq!(epochs(&log), EPOCHS[1..]);
    assert!(report.scanned_batches < 20, "{report:?}");
    drop(log);
    write_epochs(&rig, &[(3, 40), (5, 60)]);
    let (log, report) = reopen(&rig, true).unwrap();
    assert!(report.scanned_batches > 50, "{report:?}");
    let at = log.epochs().epoch_at(Offset(50));
    assert_eq!(at, Some(LeaderEpoch(4)));
}

/// All that there is is walked, so nothing is looked at first.
#[test]
fn a_list_that_begins_with_a_later_epoch_than_the_log_is_learned_anew() {
    for cleanly in [true, false] {
        let mut rig = Rig::new();
        rig.config.index_interval_bytes = 1 << 20;
        stop(filled(&rig), cleanly);
        let start = Offset(*rig.segments().keys().next_back().unwrap());
        rig.log_start = Some(start);
        write_epochs(&rig, &[(9, start.0)]);
        let (log, _) = reopen(&rig, cleanly).unwrap();
        assert_eq!(log.log_end(), Offset(END));
        assert_eq!(epochs(&log), [(5, start.0)]);
    }
}

#[test]
fn one_batch_against_the_list_is_damage() {
    let is_named = |rig: &Rig, offset: i64, what: &str| match reopen(rig, true) {
        Err(OpenError::Corrupt {
            offset: at,
            cause: Damage::EpochOutOfPlace { .. },
            ..
        }) => assert_eq!(at, Offset(offset), "{what}"),
        other => panic!("{what}: {other:?}"),
    };
    for (offset, epoch) in [(60, 4), (59, 5), (40, 1), (39, 4), (0, 0)] {
        let rig = with_list(true, &EPOCHS);
        set_epoch(&rig, offset, epoch);
        is_named(&rig, offset, "another epoch in a batch");
    }
    // The batch at 60 says 5 and may be the one that is wrong.
    let rig = with_list(true, &[(1, 0), (4, 40), (5, 61)]);
    is_named(&rig, 60, "another start in the list");
    let rig = with_list(true, &[(1, 0), (4, 40), (5, 59)]);
    is_named(&rig, 59, "another start in the list");
}

#[test]
fn no_bit_of_the_list_moves_an_epoch() {
    for cleanly in [true, false] {
        let mut rig = Rig::new();
        rig.config.segment_bytes = 1 << 20;
        stop(filled(&rig), cleanly);
        let path = rig.dir().join("leader-epoch-checkpoint");
        let whole = std::fs::read(&path).unwrap();
        let (mut exact, mut named) = (0, 0);
        for (at, bit) in (0..whole.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1 << bit;
            std::fs::write(&path, &flipped).unwrap();
            match reopen(&rig, cleanly) {
                Ok((log, _)) => {
                    assert_eq!(epochs(&log), EPOCHS, "byte {at}, bit {bit}");
                    // An index that a start made anew is written when the log is closed.
                    log.close().unwrap();
                    exact += 1;
                }
                Err(OpenError::Corrupt { .. }) => named += 1,
                Err(error) => panic!("byte {at}, bit {bit}: {error}"),
            }
        }
        println!("{exact} flips harmless, {named} named");
        assert!(exact > 100 && (1..20).contains(&named), "{exact} {named}");
    }
}

#[test]
fn an_index_that_lies_or_lacks_costs_a_walk_over_its_segment() {
    for content in [None, Some(&[0xff; 16][..]), Some(&[0; 13])] {
        let rig = with_list(true, &EPOCHS);
        for base in rig.segments().into_keys() {
            let path = rig.dir().join(format!("{base:020}.index"));
            match content {
                None => std::fs::remove_file(path).unwrap(),
                Some(bytes) => std::fs::write(path, bytes).unwrap(),
            }
        }
        let (log, _) = reopen(&rig, true).unwrap();
        assert_eq!(epochs(&log), EPOCHS);
    }
}

#[test]
fn the_first_batch_of_an_epoch_may_have_been_compacted_away() {
    let list = [(1, 0), (2, 40), (3, 45)];
    let mut rig = Rig::new();
    rig.config.compacted = true;
    let (mut log, _) = rig.open(0, false).unwrap();
    for offset in (0..40).chain(60..END) {
        let epoch = LeaderEpoch(if offset < 40 { 1 } else { 3 });
        let batch = batch_of(&[&[7; 50]]).stamped(Offset(offset), epoch);
        log.append_as_follower(batch.into_bytes(), NOW).unwrap();
    }
    stop(log, true);
    write_epochs(&rig, &list);
    let (log, report) = reopen(&rig, true).unwrap();
    assert_eq!(epochs(&log), list);
    assert!(report.scanned_batches < 20, "{report:?}");
    drop(log);
    for wrong in [[(1, 0), (2, 40), (3, 70)], [(1, 0), (2, 30), (3, 45)]] {
        write_epochs(&rig, &wrong);
        let (log, _) = reopen(&rig, true).unwrap();
        assert_eq!(epochs(&log), [(1, 0), (3, 60)], "{wrong:?}");
    }
}

/// The real disk, whose opens, reads and lengths are counted.
#[derive(Debug, Default)]
struct CountingDisk(Arc<AtomicUsize>);

#[derive(Debug)]
struct CountingFile(Arc<dyn DiskFile>, Arc<AtomicUsize>);

impl Disk for CountingDisk {
    fn open(&self, path: &Path, how: OpenHow) -> io::Result<Arc<dyn DiskFile>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let file = RealDisk.open(path, how)?;
        Ok(Arc::new(CountingFile(file, Arc::clone(&self.0))))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.create_dir(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DiskEntry>> {
        self.0.fetch_add(1, Ordering::SeqCst);
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove_dir(path)
    }

    fn open_dir(&self, dir: &Path) -> io::Result<Box<dyn DiskDir>> {
        RealDisk.open_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<Box<dyn Send + Sync>>> {
        RealDisk.lock(path)
    }
}

impl DiskFile for CountingFile {
    fn read_at(&self, position: u64, bytes_max: usize, into: &mut Vec<u8>) -> io::Result<usize> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.read_at(position, bytes_max, into)
    }

    fn write_all_at(&self, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(position, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn bytes(&self) -> io::Result<u64> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.bytes()
    }

    fn forget_cached(&self) {
        self.0.forget_cached();
    }
}

/// The calls of a start after a clean stop of a log with so many epochs, each of so many batches.
fn calls_of_a_start(epochs: i32, batches: usize, segment_bytes: u64) -> usize {
    let calls = Arc::new(AtomicUsize::new(0));
    let mut rig = Rig::on(Arc::new(CountingDisk(Arc::clone(&calls))));
    rig.config.segment_bytes = segment_bytes;
    let (mut log, _) = rig.open(0, false).unwrap();
    for epoch in 0..epochs {
        log.assign_epoch(LeaderEpoch(epoch), log.log_end()).unwrap();
        rig.fill(&mut log, batches, 50);
    }
    let end = log.close().unwrap();
    calls.store(0, Ordering::SeqCst);
    let (log, _) = rig.open(end.0, true).unwrap();
    assert_eq!(log.log_end(), end);
    calls.load(Ordering::SeqCst)
}

#[test]
fn a_look_at_an_epoch_is_a_few_calls() {
    const LARGE: u64 = 1 << 20;
    // Within the index interval, so that the walk is over all of it.
    let tiny = calls_of_a_start(1, 2, LARGE);
    let one = calls_of_a_start(1, 60, LARGE);
    let many = calls_of_a_start(11, 60, LARGE);
    let rolled = calls_of_a_start(1, 600, 2048);
    let rolled_many = calls_of_a_start(11, 60, 2048);
    println!("calls: {tiny}, {one}, {rolled}; with 11 epochs: {many}, {rolled_many}");
    assert!(one <= tiny + 6, "{tiny} {one}");
    // Most of these are not for the epochs but for a longer walk.
    assert!(many <= one + 10 * 4, "{one} {many}");
    // Each in a segment of its own.
    assert!(rolled_many <= rolled + 10 * 8, "{rolled} {rolled_many}");
}
