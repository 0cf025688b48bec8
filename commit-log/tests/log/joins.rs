//! Bytes that are lost from inside one batch's offset to the same place in a later one leave a good
//! batch of the later records under the earlier offset. Nobody believes it: not a reader, not a
//! start, not the scrub, not the offline inspection. At every pair of batches in a file.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use trimaran_commit_log::{
    Checkpointed, Finding, Log, LogReader, OpenError, ReadError, RealDisk, RecoveryReport, Seen,
    Severity, inspect_flushed_ends, inspect_partition, parse_partition_dir,
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
fn batches() -> Vec<Vec<Vec<u8>>> {
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

fn append(log: &mut Log, batches: &[Vec<Vec<u8>>]) {
    for batch in batches {
        let values: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
        log.append_as_leader(vec![batch_of(&values)], LeaderEpoch(0), NOW)
            .unwrap();
    }
}

/// The value at each offset.
fn values() -> Vec<Vec<u8>> {
    batches().into_iter().flatten().collect()
}

fn end() -> i64 {
    i64::try_from(values().len()).unwrap()
}

fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.config.segment_bytes = SEGMENT_BYTES;
    rig
}

/// A batch of a file: where it lies and what offsets it has.
#[derive(Debug, Clone, Copy)]
struct Placed {
    position: usize,
    base: i64,
    end: i64,
}

/// A loss in one file.
#[derive(Debug)]
struct Loss {
    path: PathBuf,
    whole: Vec<u8>,
    from: Placed,
    to: Placed,
    inside: usize,
    /// The first batch that is not to be believed: the one that has another's records, or the one
    /// before those that are gone as a whole.
    doubted: Placed,
    /// The later batch is the last one of its segment, or of the log.
    ends_segment: bool,
    ends_log: bool,
}

impl Loss {
    fn happen(&self) {
        let mut rest = self.whole.clone();
        rest.drain(self.from.position + self.inside..self.to.position + self.inside);
        fs::write(&self.path, rest).unwrap();
    }

    fn undo(&self) {
        fs::write(&self.path, &self.whole).unwrap();
    }

    /// Whether nothing tells a start that knows the log as synced up to here what is wrong: a batch
    /// that is now the last one of its file, behind which only unsynced ones could be missing.
    fn has_no_witness(&self, synced_end: i64) -> bool {
        let end = self.from.base + self.to.end - self.to.base;
        self.inside > 0 && (self.ends_log || self.ends_segment) && end >= synced_end
    }
}

fn placed(whole: &[u8]) -> Vec<Placed> {
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
fn losses(dir: &Path) -> Vec<Loss> {
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
fn given(reader: &LogReader, loss: &Loss) -> BTreeSet<i64> {
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

/// What lies before the batch in doubt is given.
fn check_that_the_rest_is_given(offsets: &BTreeSet<i64>, loss: &Loss) {
    let mut before = 0..loss.doubted.base;
    assert!(
        before.all(|offset| offsets.contains(&offset)),
        "{loss:?}: {offsets:?}"
    );
}

#[test]
fn a_reader_gives_nothing_in_front_of_a_place_where_batches_do_not_join() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    let reader = log.reader();
    for loss in losses(&rig.dir()) {
        loss.happen();
        let offsets = given(&reader, &loss);
        check_that_the_rest_is_given(&offsets, &loss);
        let mut lost = loss.doubted.base..loss.to.end;
        assert!(
            lost.all(|offset| !offsets.contains(&offset)),
            "{loss:?}: {offsets:?}"
        );
        loss.undo();
    }
    assert_eq!(reader.log_end(), Offset(end()));
}

/// A directory that is put back to what it was.
fn restore(dir: &Path, files: &[(PathBuf, Vec<u8>)]) {
    fs::remove_dir_all(dir).unwrap();
    fs::create_dir(dir).unwrap();
    for (path, content) in files {
        fs::write(path, content).unwrap();
    }
}

fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let entries = fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

#[test]
fn what_a_clean_stop_left_is_refused_by_the_start_or_by_readers() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    log.close().unwrap();
    let good = files(&rig.dir());
    let (mut refused, mut read) = (0, 0);
    for loss in losses(&rig.dir()) {
        loss.happen();
        match rig.open(end(), true) {
            Ok((log, _)) => {
                check_that_the_rest_is_given(&given(&log.reader(), &loss), &loss);
                read += 1;
            }
            Err(OpenError::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("{loss:?}: {other}"),
        }
        restore(&rig.dir(), &good);
    }
    assert!(refused > 10 && read > 100, "{refused} {read}");
}

/// Without a noted end, what does not join is corrupt wherever it lies; finished segments below the
/// recovery point are not looked at by the start.
#[test]
fn after_an_unclean_stop_what_does_not_join_is_corrupt() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    drop(log);
    let good = files(&rig.dir());
    for recovery_point in [0, 20, end()] {
        for loss in losses(&rig.dir()) {
            if loss.ends_log && loss.has_no_witness(recovery_point) {
                continue;
            }
            loss.happen();
            match rig.open(recovery_point, false) {
                Ok((log, _)) => {
                    assert!(loss.to.end <= recovery_point, "{recovery_point}: {loss:?}");
                    check_that_the_rest_is_given(&given(&log.reader(), &loss), &loss);
                }
                Err(OpenError::Corrupt { .. }) => {}
                Err(other) => panic!("{loss:?}: {other}"),
            }
            restore(&rig.dir(), &good);
        }
    }
}

/// A log that was killed in a directory that notes flushed ends, which is put back for each loss.
struct Killed {
    root: tempfile::TempDir,
    rig: Rig,
    flushed_end: i64,
}

impl Killed {
    fn new() -> Self {
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

    fn logs(&self) -> PathBuf {
        self.root.path().join("logs")
    }

    fn dir(&self) -> PathBuf {
        self.logs().join("t-0")
    }

    fn open(&self) -> Result<(Log, RecoveryReport), OpenError> {
        let dir = open_dir(self.root.path());
        let partition = parse_partition_dir("t-0").unwrap();
        let start = dir.open_as(&partition, topic_id());
        Log::open(dir.context(), &self.dir(), self.rig.config.clone(), start)
    }

    fn known(&self) -> Checkpointed {
        let partition = parse_partition_dir("t-0").unwrap();
        let ends = inspect_flushed_ends(&RealDisk, &self.logs()).unwrap();
        let flushed_end =
            trimaran_commit_log::flushed_end_of(&RealDisk, &self.dir(), &partition, &ends);
        assert_eq!(flushed_end, Some(Offset(self.flushed_end)));
        Checkpointed {
            flushed_end,
            ..Checkpointed::default()
        }
    }
}

/// What does not join is corrupt beyond the noted end as well: no power cut leaves it. Only where the
/// checksum is wrong, too, it is a torn tail. The inspection says before what the start does then.
#[test]
fn what_does_not_join_is_no_torn_tail() {
    let killed = Killed::new();
    let flushed = killed.flushed_end;
    let known = killed.known();
    let good = files(&killed.dir());
    let ends = fs::read(killed.logs().join("flushed-ends")).unwrap();
    let (mut refused, mut cut) = (0, 0);
    for loss in losses(&killed.dir()) {
        if loss.has_no_witness(flushed) {
            continue;
        }
        loss.happen();
        let findings = inspect(&killed.dir(), &known);
        let worst = findings.iter().map(|it| it.severity).max();
        match killed.open() {
            Ok((log, report)) => {
                assert_eq!(worst, Some(Severity::TornTail), "{loss:?}: {findings:?}");
                assert!(loss.inside > 8 && loss.from.base >= flushed, "{loss:?}");
                assert_eq!(log.log_end(), Offset(loss.from.base), "{loss:?}");
                assert!(report.cut.is_some(), "{loss:?}");
                let offsets = given(&log.reader(), &loss);
                assert_eq!(offsets.len() as i64, log.log_end().0, "{loss:?}");
                cut += 1;
            }
            Err(OpenError::Corrupt { position, .. }) => {
                assert_eq!(worst, Some(Severity::Damage), "{loss:?}: {findings:?}");
                let is_at_place = position == loss.doubted.position as u64;
                assert!(is_at_place || loss.ends_segment, "{loss:?}: {position}");
                refused += 1;
            }
            Err(other) => panic!("{loss:?}: {other}"),
        }
        restore(&killed.dir(), &good);
        fs::write(killed.logs().join("flushed-ends"), &ends).unwrap();
    }
    assert!(refused > 100 && cut > 10, "{refused} {cut}");
}

#[test]
fn the_scrub_calls_nothing_good_that_a_reader_would_refuse() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    let reader = log.reader();
    let finished = reader.finished_segments();
    let mut found = 0;
    for loss in losses(&rig.dir()) {
        let base: i64 = loss
            .path
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        if finished.iter().all(|segment| segment.base.0 != base) {
            continue;
        }
        loss.happen();
        for bytes_max in [1, 200, 1 << 20] {
            let mut place = reader.scrub_place(Offset(base));
            let mut good = 0;
            let error = loop {
                match reader.scrub(place.unwrap(), bytes_max) {
                    Ok(step) => {
                        good += step.bytes;
                        assert!(!step.is_end_of_segment, "{loss:?}");
                        place = step.next;
                    }
                    Err(error) => break error,
                }
            };
            let ReadError::Corrupt { position, .. } = error else {
                panic!("{loss:?}: {error:?}");
            };
            assert_eq!(good, loss.doubted.position as u64, "{loss:?}");
            assert_eq!(position, good, "{loss:?}");
        }
        found += 1;
        loss.undo();
    }
    assert!(found > 100, "{found}");
}

fn inspect(dir: &Path, known: &Checkpointed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut on_seen = |seen: &Seen<'_>| {
        if let Seen::Finding(finding) = seen {
            findings.push((*finding).clone());
        }
        ControlFlow::Continue(())
    };
    inspect_partition(&RealDisk, dir, known, &mut on_seen).unwrap();
    findings
}

/// At the place of the batch in doubt, or before it.
fn worst_at(findings: &[Finding], loss: &Loss) -> Option<Severity> {
    let is_at = |it: &&Finding| {
        let position = it.position.and_then(|at| usize::try_from(at).ok());
        it.file == loss.path && position.is_some_and(|at| at <= loss.doubted.position)
    };
    findings.iter().filter(is_at).map(|it| it.severity).max()
}

#[test]
fn the_offline_inspection_suspects_the_batch_before_the_place() {
    let rig = rig();
    let mut log = rig.fresh();
    append(&mut log, &batches());
    log.close().unwrap();
    let known = Checkpointed {
        recovery_point: Some(Offset(end())),
        ..Checkpointed::default()
    };
    assert_eq!(inspect(&rig.dir(), &known), []);
    for loss in losses(&rig.dir()) {
        let end_is_lost = loss.ends_log && loss.inside > 0;
        loss.happen();
        let findings = inspect(&rig.dir(), &known);
        let worst = worst_at(&findings, &loss);
        assert!(
            worst == Some(Severity::Damage) || end_is_lost,
            "{loss:?}: {findings:?}"
        );
        // Where the end of the log is gone, that is what is said.
        let is_said = findings.iter().any(|it| it.severity == Severity::Damage);
        assert!(is_said, "{loss:?}: {findings:?}");
        loss.undo();
    }
}

/// A leader epoch lies outside the checksum, too. The log knows which one it had where.
#[test]
fn no_epoch_is_given_that_the_log_did_not_have_there() {
    let rig = rig();
    let mut log = rig.fresh();
    let all = batches();
    for (number, part) in all.chunks(7).enumerate() {
        let epoch = LeaderEpoch(i32::try_from(number * 2).unwrap());
        log.assign_epoch(epoch, log.log_end()).unwrap();
        for batch in part {
            let values: Vec<&[u8]> = batch.iter().map(Vec::as_slice).collect();
            log.append_as_leader(vec![batch_of(&values)], epoch, NOW)
                .unwrap();
        }
    }
    let epochs = log.epochs().clone();
    let reader = log.reader();
    for (_, path) in rig.segments() {
        let whole = fs::read(&path).unwrap();
        for batch in placed(&whole) {
            let right = epochs.epoch_at(Offset(batch.base)).unwrap().0;
            for epoch in (-1..9).filter(|epoch| *epoch != right) {
                let mut changed = whole.clone();
                let at = batch.position + 12;
                changed[at..at + 4].copy_from_slice(&epoch.to_be_bytes());
                fs::write(&path, changed).unwrap();
                for (from, bytes_max) in [(batch.base, 1), (0, 1 << 20), (batch.base, 1 << 20)] {
                    let Ok(bytes) = reader.read(Offset(from), Offset(i64::MAX), bytes_max) else {
                        continue;
                    };
                    for (offset, found, _) in records_in(bytes) {
                        let right = epochs.epoch_at(Offset(offset)).unwrap();
                        assert_eq!(found, right.0, "epoch {epoch} at {}", batch.base);
                    }
                }
                let refused = reader.read(Offset(batch.base), Offset(i64::MAX), 1);
                let is_named = matches!(
                    &refused,
                    Err(ReadError::Corrupt { position, .. }) if *position == batch.position as u64
                );
                assert!(is_named, "epoch {epoch} at {}: {refused:?}", batch.base);
            }
        }
        fs::write(&path, whole).unwrap();
    }
}
