//! Bytes that a log's file loses from inside one batch to the same place in a later one: every such
//! loss of a small log, and the log to play it on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use trimaran_commit_log::{
    Checkpointed, Log, LogReader, OpenError, ReadError, RealDisk, RecoveryReport, flushed_end_of,
    inspect_flushed_ends, parse_partition_dir,
};
use trimaran_types::record_batch::BatchHeader;
use trimaran_types::{LeaderEpoch, Offset};

use crate::retention::open_dir;
use crate::rig::{NOW, Rig, batch_of, flush, records_in, segment_files, topic_id};

const SEGMENT_BYTES: u64 = 1100;

/// Where in a batch the lost bytes may begin and end: in front of its offset, which is lost with it
/// then; behind it; behind its length; and right before the checksum.
const INSIDE: [usize; 4] = [0, 8, 12, 17];

/// The values of batch after batch. Some batches are alike in size, so that a later one comes to lie
/// exactly where an earlier one was, and an index entry still points to a batch.
pub(crate) fn batches() -> Vec<Vec<Vec<u8>>> {
    let records = |number: u8| match number % 5 {
        3 => 3,
        4 => 2,
        _ => 1,
    };
    let value = |number: u8, record: u8| [number, record].repeat(30);
    (0..26)
        .map(|number| (0..records(number)).map(|it| value(number, it)).collect())
        .collect()
}

pub(crate) fn append(log: &mut Log, batches: &[Vec<Vec<u8>>]) {
    for batch in batches {
        let values: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        log.append_as_leader(vec![batch_of(&values)], LeaderEpoch(0), NOW)
            .unwrap();
    }
}

/// The value at each offset.
pub(crate) fn values() -> Vec<Vec<u8>> {
    batches().into_iter().flatten().collect()
}

pub(crate) fn end() -> i64 {
    i64::try_from(values().len()).unwrap()
}

pub(crate) fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.config.segment_bytes = SEGMENT_BYTES;
    rig
}

/// A batch of a file: where it lies and what offsets it has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) position: usize,
    pub(crate) base: i64,
    pub(crate) end: i64,
}

/// A loss in one file.
#[derive(Debug)]
pub(crate) struct Loss {
    pub(crate) path: PathBuf,
    pub(crate) whole: Vec<u8>,
    pub(crate) from: Placed,
    pub(crate) to: Placed,
    pub(crate) inside: usize,
    /// The first batch that is not to be believed: the one that has another's records, or the one
    /// before those that are gone as a whole.
    pub(crate) doubted: Placed,
    /// The later batch is the last one of its segment, or of the log.
    pub(crate) ends_segment: bool,
    pub(crate) ends_log: bool,
}

impl Loss {
    pub(crate) fn happen(&self) {
        let mut rest = self.whole.clone();
        rest.drain(self.from.position + self.inside..self.to.position + self.inside);
        fs::write(&self.path, rest).unwrap();
    }

    pub(crate) fn undo(&self) {
        fs::write(&self.path, &self.whole).unwrap();
    }

    /// Whether nothing tells a start that knows the log as synced up to here what is wrong: a batch
    /// that is now the last one of its file, behind which only unsynced ones could be missing.
    pub(crate) fn has_no_witness(&self, synced_end: i64) -> bool {
        let end = self.from.base + self.to.end - self.to.base;
        self.inside > 0 && (self.ends_log || self.ends_segment) && end >= synced_end
    }
}

pub(crate) fn placed(whole: &[u8]) -> Vec<Placed> {
    let (mut found, mut position) = (Vec::new(), 0);
    while let Ok(header) = BatchHeader::parse(&whole[position..]) {
        let (base, end) = (header.base_offset.0, header.next_offset().0);
        found.push(Placed {
            position,
            base,
            end,
        });
        position += header.total_bytes();
    }
    found
}

/// Every loss that there can be in the files of a log.
pub(crate) fn losses(dir: &Path) -> Vec<Loss> {
    let mut losses = Vec::new();
    for (_, path) in segment_files(dir, "log") {
        let whole = fs::read(&path).unwrap();
        let batches = placed(&whole);
        for (number, from) in batches.iter().enumerate() {
            let before = batches[number.saturating_sub(1)];
            for to in &batches[number + 1..] {
                losses.extend(INSIDE.map(|inside| Loss {
                    path: path.clone(),
                    whole: whole.clone(),
                    from: *from,
                    to: *to,
                    inside,
                    doubted: if inside == 0 { before } else { *from },
                    ends_segment: Some(to.end) == batches.last().map(|last| last.end),
                    ends_log: to.end == end(),
                }));
            }
        }
    }
    assert!(losses.len() > 200, "{}", losses.len());
    losses
}

/// Reads from every offset on. What is given is what was written there. Tells the offsets given.
pub(crate) fn given(reader: &LogReader, loss: &Loss) -> BTreeSet<i64> {
    let written = values();
    let mut offsets = BTreeSet::new();
    for bytes_max in [1, 300, 1 << 20] {
        for from in reader.log_start().0..reader.log_end().0 {
            let bytes = match reader.read(Offset(from), Offset(i64::MAX), bytes_max) {
                Ok(bytes) => bytes,
                Err(ReadError::Corrupt { .. }) => continue,
                Err(other) => panic!("{loss:?}: {other}"),
            };
            let records = records_in(bytes);
            assert!(!records.is_empty(), "{loss:?}: nothing at {from}");
            for (offset, _, value) in records {
                let right = &written[usize::try_from(offset).unwrap()];
                assert_eq!(&value, right, "{loss:?}: offset {offset}, read from {from}");
                offsets.insert(offset);
            }
        }
    }
    offsets
}

/// A directory that is put back to what it was.
pub(crate) fn restore(dir: &Path, files: &[(PathBuf, Vec<u8>)]) {
    fs::remove_dir_all(dir).unwrap();
    fs::create_dir(dir).unwrap();
    for (path, content) in files {
        fs::write(path, content).unwrap();
    }
}

pub(crate) fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

/// A log that was killed in a directory that notes flushed ends, which is put back for each loss.
pub(crate) struct Killed {
    root: tempfile::TempDir,
    rig: Rig,
    pub(crate) flushed_end: i64,
}

impl Killed {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let rig = rig();
        let dir = open_dir(root.path());
        let partition = parse_partition_dir("t-0").unwrap();
        let start = dir.open_as(&partition, topic_id());
        let path = dir.partition_dir(&partition);
        let (mut log, _) = Log::open(dir.context(), &path, rig.config.clone(), start).unwrap();
        log.assign_epoch(LeaderEpoch(0), Offset(0)).unwrap();
        let batches = batches();
        append(&mut log, &batches[..12]);
        flush(&mut log);
        let flushed_end = log.flushed_end().0;
        append(&mut log, &batches[12..]);
        drop((log, dir));
        Self {
            root,
            rig,
            flushed_end,
        }
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.root.path().join("logs")
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.logs().join("t-0")
    }

    pub(crate) fn open(&self) -> Result<(Log, RecoveryReport), OpenError> {
        let dir = open_dir(self.root.path());
        let partition = parse_partition_dir("t-0").unwrap();
        let start = dir.open_as(&partition, topic_id());
        Log::open(dir.context(), &self.dir(), self.rig.config.clone(), start)
    }

    pub(crate) fn known(&self) -> Checkpointed {
        let partition = parse_partition_dir("t-0").unwrap();
        let ends = inspect_flushed_ends(&RealDisk, &self.logs()).unwrap();
        let flushed_end = flushed_end_of(&RealDisk, &self.dir(), &partition, &ends);
        assert_eq!(flushed_end, Some(Offset(self.flushed_end)));
        Checkpointed {
            flushed_end,
            ..Checkpointed::default()
        }
    }
}
