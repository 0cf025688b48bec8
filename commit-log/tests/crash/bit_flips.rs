//! One bit flipped, every 97 bytes, in every file of a directory: whoever opens and reads
//! everything gets exactly what was written, or an error that names the damage.

use std::sync::Arc;

use trimaran_commit_log::{LogDir, OpenError, ReadError};
use trimaran_types::record_batch::{BatchBuilder, BatchHeader, TimestampType, split};
use trimaran_types::{LeaderEpoch, Offset, Timestamp};

use crate::promises::{open_dir, open_log, partition};
use crate::sim_disk::{Node, SimDisk, Tree};

const STEP_BYTES: usize = 97;
const LOGS: usize = 2;
const RECORDS: i64 = 120;
const LOG_START: i64 = 3;

fn value(log: usize, offset: i64) -> Vec<u8> {
    let mut value = vec![u8::try_from(log).unwrap(); 8];
    value.extend_from_slice(&offset.to_be_bytes());
    value.resize(16 + usize::try_from(offset % 7).unwrap() * 60, 9);
    value
}

const fn timestamp(offset: i64) -> Timestamp {
    Timestamp(1_700_000_000_000 + offset * 10)
}

/// A directory with logs of several segments and epochs. The owner closed it, or died right after
/// a checkpoint.
fn written(cleanly: bool) -> Tree {
    let disk = SimDisk::empty();
    let dir = open_dir(&disk).unwrap();
    let mut starts = std::collections::BTreeMap::new();
    for number in 0..LOGS {
        let (mut log, _) = open_log(&dir, number, 0).unwrap();
        for offset in 0..RECORDS {
            if offset % 40 == 0 {
                let epoch = i32::try_from(offset / 40).unwrap();
                log.assign_epoch(LeaderEpoch(epoch), log.log_end()).unwrap();
            }
            let mut builder = BatchBuilder::new(TimestampType::CreateTime);
            let value = value(number, offset);
            builder
                .push(timestamp(offset), None, Some(&value), &[])
                .unwrap();
            let epoch = log.latest_epoch().unwrap();
            log.append_as_leader(vec![builder.build().unwrap()], epoch, timestamp(offset))
                .unwrap();
        }
        log.raise_log_start(Offset(LOG_START));
        starts.insert(partition(number), Offset(LOG_START));
        let request = log.begin_checkpoint().unwrap().unwrap();
        request
            .files
            .iter()
            .for_each(|file| file.sync_data().unwrap());
        log.flushed(&request.token());
        if cleanly {
            log.close().unwrap();
        }
    }
    dir.write_log_starts().unwrap();
    dir.write_high_watermarks(&starts).unwrap();
    dir.write_recovery_points().unwrap();
    if cleanly {
        dir.mark_clean_shutdown(None).unwrap();
    }
    drop(dir);
    disk.live()
}

/// Every file with its path.
fn files(tree: &Tree) -> Vec<(String, Node)> {
    let mut found = Vec::new();
    let mut dirs = vec![(String::new(), 0)];
    while let Some((path, dir)) = dirs.pop() {
        for (name, node) in &tree.dirs[&dir] {
            let path = format!("{path}/{name}");
            if tree.dirs.contains_key(node) {
                dirs.push((path, *node));
            } else {
                found.push((path, *node));
            }
        }
    }
    found.sort();
    found
}

/// What became of one flipped bit.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Exact,
    Named,
}

/// The epoch of a batch lies outside its checksum. In what a start walks, one that fits between its
/// neighbours contradicts nothing; elsewhere the log knows better.
fn is_walked_epoch(files: &[(String, Node)], path: &str, content: &[u8], at: usize) -> bool {
    let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_owned());
    let is_later = |(other, _): &(String, Node)| {
        other.ends_with(".log") && folder(other) == folder(path) && other.as_str() > path
    };
    !files.iter().any(is_later) && is_epoch(path, content, at)
}

fn is_epoch(path: &str, content: &[u8], at: usize) -> bool {
    let mut place = 0;
    while path.ends_with(".log") && place <= at {
        if (place + 12..place + 16).contains(&at) {
            return true;
        }
        match BatchHeader::parse(&content[place..]) {
            Ok(header) => place += header.total_bytes(),
            Err(_) => break,
        }
    }
    false
}

fn read_everything(disk: &SimDisk, path: &str, epochs_count: bool) -> Outcome {
    let dir = match open_dir(disk) {
        Ok(dir) => dir,
        Err(_) => return Outcome::Named,
    };
    let mut outcome = Outcome::Exact;
    for number in 0..LOGS {
        if read_log(&dir, number, path, epochs_count) == Outcome::Named {
            outcome = Outcome::Named;
        }
    }
    outcome
}

fn read_log(dir: &LogDir, number: usize, path: &str, epochs_count: bool) -> Outcome {
    let log = match open_log(dir, number, 0) {
        Ok((log, _)) => log,
        Err(
            OpenError::Corrupt { .. }
            | OpenError::Missing { .. }
            | OpenError::OtherTopic { .. }
            | OpenError::TopicIdMissing { .. },
        ) => return Outcome::Named,
        Err(other) => panic!("{path}: {other:?}"),
    };
    assert_eq!(log.log_end(), Offset(RECORDS), "{path}");
    let known = log.epochs().entries().iter();
    let known: Vec<_> = known.map(|it| (it.epoch.0, it.start.0)).collect();
    assert!(
        !epochs_count || known == [(0, 0), (1, 40), (2, 80)],
        "{path}: {known:?}"
    );
    let reader = log.reader();
    // A damaged checkpoint of starts may show what was deleted and has its file still; it may hide
    // nothing.
    let start = reader.log_start();
    let shows_more = start == Offset::ZERO && path.contains("log-start-offset-checkpoint");
    assert!(start == Offset(LOG_START) || shows_more, "{path}: {start}");
    let mut outcome = Outcome::Exact;
    let mut from = start;
    while from < log.log_end() {
        let bytes = match reader.read(from, Offset(i64::MAX), 700) {
            Ok(bytes) => bytes,
            Err(ReadError::Corrupt { .. }) => {
                outcome = Outcome::Named;
                from = from.next();
                continue;
            }
            Err(other) => panic!("{path}: {other:?}"),
        };
        assert!(!bytes.is_empty(), "{path}: nothing at {from}");
        for batch in split(bytes) {
            let batch = batch.unwrap();
            for record in batch.records().unwrap() {
                let record = record.unwrap();
                let offset = record.offset.0;
                let expected = value(number, offset);
                assert_eq!(record.value.as_deref(), Some(&expected[..]), "{path}");
                assert_eq!(record.timestamp, timestamp(offset), "{path}");
                let epoch = batch.header().leader_epoch.unwrap().0;
                assert!(!epochs_count || i64::from(epoch) == offset / 40, "{path}");
            }
            from = batch.header().next_offset();
        }
    }
    for offset in (LOG_START..RECORDS).step_by(13) {
        match reader.offset_for_timestamp(timestamp(offset), log.log_end()) {
            Ok(found) if start == Offset(LOG_START) => {
                assert_eq!(found, Some((timestamp(offset), Offset(offset))), "{path}");
            }
            Ok(_) => {}
            Err(ReadError::Corrupt { .. }) => outcome = Outcome::Named,
            Err(other) => panic!("{path}: {other:?}"),
        }
    }
    match reader.offset_of_max_timestamp(log.log_end()) {
        Ok(found) => {
            let last = RECORDS - 1;
            assert_eq!(found, Some((timestamp(last), Offset(last))), "{path}");
        }
        Err(ReadError::Corrupt { .. }) => outcome = Outcome::Named,
        Err(other) => panic!("{path}: {other:?}"),
    }
    outcome
}

fn flip_everywhere(cleanly: bool) {
    let tree = written(cleanly);
    let files = files(&tree);
    let (mut exact, mut named) = (0, 0);
    for (path, node) in &files {
        let whole = Arc::clone(&tree.files[node]);
        for at in (0..whole.len()).step_by(STEP_BYTES) {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << (at % 8);
            let mut damaged = tree.clone();
            damaged.files.insert(*node, Arc::new(flipped));
            let disk = SimDisk::holding(damaged);
            let epochs_count = !is_walked_epoch(&files, path, &whole, at);
            match read_everything(&disk, &format!("{path} at {at}"), epochs_count) {
                Outcome::Exact => exact += 1,
                Outcome::Named => named += 1,
            }
        }
    }
    println!(
        "{} files: {exact} flips harmless, {named} named",
        files.len()
    );
    let kinds = [
        ".log",
        ".index",
        ".timeindex",
        "leader-epoch-checkpoint",
        "partition.metadata",
        "recovery-point-offset-checkpoint",
        "replication-offset-checkpoint",
        "log-start-offset-checkpoint",
        "flushed-ends",
        "meta.properties",
    ];
    for kind in kinds {
        assert!(files.iter().any(|(path, _)| path.ends_with(kind)), "{kind}");
    }
    assert!(exact > 30 && named > 300, "{exact} {named}");
}

#[test]
fn no_bit_of_the_checkpoint_of_starts_hides_a_record() {
    let tree = written(true);
    let is_starts = |path: &str| path.ends_with("log-start-offset-checkpoint");
    let (path, node) = files(&tree)
        .into_iter()
        .find(|(path, _)| is_starts(path))
        .unwrap();
    let whole = Arc::clone(&tree.files[&node]);
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut flipped = whole.to_vec();
            flipped[at] ^= 1 << bit;
            let mut damaged = tree.clone();
            damaged.files.insert(node, Arc::new(flipped));
            let dir = open_dir(&SimDisk::holding(damaged)).unwrap();
            for number in 0..LOGS {
                let (log, _) = open_log(&dir, number, 0).unwrap();
                let start = log.log_start();
                let is_right = start == Offset(LOG_START) || start == Offset::ZERO;
                assert!(is_right, "{path}, byte {at}, bit {bit}: {start}");
            }
        }
    }
}

#[test]
fn a_flipped_bit_after_a_clean_stop_is_harmless_or_named() {
    flip_everywhere(true);
}

#[test]
fn a_flipped_bit_after_a_crash_is_harmless_or_named() {
    flip_everywhere(false);
}
