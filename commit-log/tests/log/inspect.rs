//! Offline inspection says what is wrong, where, and nothing when nothing is.

use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt;
use std::path::Path;

use trimaran_commit_log::{
    Checkpointed, Finding, Log, PartitionSummary, Problem, RealDisk, Seen, Severity, find_places,
    flushed_end_of, inspect_checkpoints, inspect_clean_shutdown, inspect_flushed_ends,
    inspect_partition, lost_partitions, parse_partition_dir,
};
use trimaran_types::record_batch::TransactionEnd;
use trimaran_types::{BrokerEpoch, LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::producers::{append, ended, sent};
use crate::retention::open_dir;
use crate::rig::{NOW, Rig, batch_of, flush, real, topic_id};

/// A log of several segments, closed.
fn several_segments() -> Rig {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    log.assign_epoch(LeaderEpoch(1), log.log_end()).unwrap();
    log.append_as_leader(vec![batch_of(&[b"later"])], LeaderEpoch(1), NOW)
        .unwrap();
    log.close().unwrap();
    assert!(rig.segments().len() >= 3);
    rig
}

fn inspect(dir: &Path, recovery_point: Option<Offset>) -> (PartitionSummary, Vec<Finding>) {
    let known = Checkpointed {
        recovery_point,
        ..Checkpointed::default()
    };
    inspect_knowing(dir, &known)
}

fn inspect_knowing(dir: &Path, known: &Checkpointed) -> (PartitionSummary, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut on_seen = |seen: &Seen<'_>| {
        if let Seen::Finding(finding) = seen {
            findings.push((*finding).clone());
        }
        ControlFlow::Continue(())
    };
    let summary = inspect_partition(&real(), dir, known, &mut on_seen).unwrap();
    (summary, findings)
}

fn severities(findings: &[Finding]) -> Vec<Severity> {
    findings.iter().map(|finding| finding.severity).collect()
}

#[test]
fn a_good_log_has_no_findings_and_is_seen_whole() {
    let rig = several_segments();
    let (log, _) = rig.open(0, true).unwrap();
    let (summary, findings) = inspect(&rig.dir(), Some(log.log_end()));
    assert_eq!(findings, []);
    assert_eq!(summary.worst, None);
    assert!(summary.is_complete);
    assert_eq!(summary.segments, rig.segments().len());
    assert_eq!(summary.start, Some(Offset(0)));
    assert_eq!(summary.end, Some(log.log_end()));
    assert_eq!(summary.records, u64::try_from(log.log_end().0).unwrap());
    let files = rig.segments();
    let bytes: u64 = files
        .values()
        .map(|file| fs::metadata(file).unwrap().len())
        .sum();
    assert_eq!(summary.bytes, bytes);
}

/// An unclean start looks at nothing below the segment that holds the log's start, and learns epochs
/// from there on.
#[test]
fn an_epoch_that_began_below_the_log_start_is_right_from_there_on() {
    let mut rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 60, 200);
    let start = Offset(*rig.segments().keys().nth(2).unwrap() + 1);
    log.raise_log_start(start);
    drop(log);
    rig.log_start = Some(start);
    let (log, _) = rig.open(0, false).unwrap();
    assert_eq!(log.log_start(), start);
    let known = Checkpointed {
        recovery_point: Some(log.close().unwrap()),
        log_start: Some(start),
        ..Checkpointed::default()
    };
    let (_, findings) = inspect_knowing(&rig.dir(), &known);
    assert_eq!(findings, []);
    let nothing_deleted = Checkpointed {
        log_start: None,
        ..known
    };
    // The next start learns what lies below anew.
    let (_, findings) = inspect_knowing(&rig.dir(), &nothing_deleted);
    assert_eq!(severities(&findings), [Severity::Rebuilt]);
}

#[test]
fn an_epoch_whose_records_were_all_deleted_need_not_be_known() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 2, 200);
    let end = log.log_end();
    log.assign_epoch(LeaderEpoch(1), end).unwrap();
    log.raise_log_start(end);
    assert_eq!(log.close().unwrap(), end);
    let known = Checkpointed {
        recovery_point: Some(end),
        log_start: Some(end),
        ..Checkpointed::default()
    };
    let (_, findings) = inspect_knowing(&rig.dir(), &known);
    assert_eq!(findings, []);
}

#[test]
fn the_entries_of_the_indexes_are_seen() {
    let rig = several_segments();
    let (mut offsets, mut times) = (0, 0);
    let mut on_seen = |seen: &Seen<'_>| {
        match seen {
            Seen::OffsetEntry { .. } => offsets += 1,
            Seen::TimeEntry { .. } => times += 1,
            _ => {}
        }
        ControlFlow::Continue(())
    };
    inspect_partition(&real(), &rig.dir(), &Checkpointed::default(), &mut on_seen).unwrap();
    assert!(offsets > 0 && times > 0, "{offsets} {times}");
}

#[test]
fn a_bit_flipped_anywhere_in_the_batches_is_found() {
    let rig = several_segments();
    for (number, path) in rig.segments().values().enumerate() {
        let whole = fs::read(path).unwrap();
        for at in (0..whole.len()).step_by(97) {
            // The leader epoch lies outside the checksum, and base offset and length are judged by
            // what comes next.
            let mut broken = whole.clone();
            broken[at] ^= 0x10;
            fs::write(path, &broken).unwrap();
            let (summary, findings) = inspect(&rig.dir(), None);
            assert!(
                summary.worst >= Some(Severity::Note),
                "segment {number}, byte {at}: {findings:?}"
            );
        }
        fs::write(path, &whole).unwrap();
    }
    assert_eq!(inspect(&rig.dir(), None).1, []);
}

#[test]
fn a_torn_tail_is_told_from_damage() {
    let rig = several_segments();
    let (_, last) = rig.segments().pop_last().unwrap();
    let bytes = fs::metadata(&last).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&last).unwrap();
    file.set_len(bytes - 1).unwrap();
    let (summary, findings) = inspect(&rig.dir(), None);
    assert_eq!(severities(&findings), [Severity::TornTail]);
    let end = summary.end.unwrap();
    // Below what was synced it is no torn tail.
    let (summary, findings) = inspect(&rig.dir(), Some(end.next()));
    assert_eq!(severities(&findings), [Severity::Damage, Severity::Damage]);
    assert_eq!(summary.worst, Some(Severity::Damage));
    assert!(matches!(findings[1].problem, Problem::EndsTooEarly { .. }));
    // In an earlier segment it is none either.
    let (_, first) = rig.segments().pop_first().unwrap();
    let bytes = fs::metadata(&first).unwrap().len();
    let file = fs::OpenOptions::new().write(true).open(&first).unwrap();
    file.set_len(bytes - 1).unwrap();
    assert_eq!(inspect(&rig.dir(), None).0.worst, Some(Severity::Damage));
}

#[test]
fn index_entries_that_point_elsewhere_are_found_and_called_harmless() {
    let rig = several_segments();
    for extension in ["index", "timeindex"] {
        let (_, first) = rig.segments().pop_first().unwrap();
        let path = first.with_extension(extension);
        let whole = fs::read(&path).unwrap();
        assert!(!whole.is_empty());
        let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
        file.write_all_at(&[0, 0, 0xff, 0xff], whole.len() as u64 - 4)
            .unwrap();
        let (summary, findings) = inspect(&rig.dir(), None);
        assert_eq!(summary.worst, Some(Severity::Rebuilt), "{findings:?}");
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let (_, findings) = inspect(&rig.dir(), None);
        assert!(matches!(findings[0].problem, Problem::PartialEntry { .. }));
        // Room that was reserved is no content.
        fs::write(&path, [&whole[..], &[0; 240]].concat()).unwrap();
        assert_eq!(inspect(&rig.dir(), None).1, []);
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn small_files_are_judged_too() {
    let rig = several_segments();
    let epochs = rig.dir().join("leader-epoch-checkpoint");
    fs::write(&epochs, "0\n2\n0 7\n1 9\n").unwrap();
    // Beyond the recovery point the file is made anew, and below it where the batches contradict it.
    for point in [None, Some(Offset(61))] {
        let (_, findings) = inspect(&rig.dir(), point);
        assert!(
            matches!(findings[0].problem, Problem::EpochsDiffer { .. }),
            "{findings:?}"
        );
        assert_eq!(severities(&findings), [Severity::Rebuilt]);
    }
    fs::write(&epochs, "garbage").unwrap();
    let (_, findings) = inspect(&rig.dir(), None);
    assert_eq!(findings[0].problem, Problem::Unreadable);
    fs::remove_file(&epochs).unwrap();
    fs::remove_file(rig.dir().join("partition.metadata")).unwrap();
    let (_, findings) = inspect(&rig.dir(), None);
    assert_eq!(findings[0].problem, Problem::Missing);
}

#[test]
fn a_missing_segment_is_damage_in_every_log() {
    let rig = several_segments();
    let mut segments = rig.segments().into_iter();
    let (base, second) = segments.nth(1).unwrap();
    let (before, _) = segments.next().unwrap();
    fs::remove_file(second).unwrap();
    let is_the_hole = |finding: &Finding| {
        let (from, before) = (Offset(base), Offset(before));
        finding.problem == Problem::Hole { from, before }
    };
    let (summary, findings) = inspect(&rig.dir(), None);
    assert_eq!(summary.worst, Some(Severity::Damage));
    // The batch before it may be the one whose offset is wrong.
    let end = Offset(base);
    let is_before_it = |finding: &Finding| {
        let found = Some(Offset(before));
        finding.problem == Problem::NotJoined { end, found }
    };
    assert!(
        findings.len() == 2 && is_before_it(&findings[0]) && is_the_hole(&findings[1]),
        "{findings:?}"
    );
    // Below the log start, a deletion that a stop broke off leaves any of what it deletes.
    for (log_start, worst) in [(before, Severity::Note), (before - 1, Severity::Damage)] {
        let known = Checkpointed {
            log_start: Some(Offset(log_start)),
            ..Checkpointed::default()
        };
        let (summary, _) = inspect_knowing(&rig.dir(), &known);
        assert_eq!(summary.worst, Some(worst));
    }
    fs::write(rig.dir().join("gaps-allowed"), "version: 0\n").unwrap();
    let (summary, findings) = inspect(&rig.dir(), None);
    assert_eq!(
        summary.worst,
        Some(Severity::Damage),
        "segments always join"
    );
    assert!(is_the_hole(&findings[1]), "{findings:?}");
}

#[test]
fn a_gap_before_an_empty_segment_is_seen() {
    let rig = several_segments();
    let (mut log, _) = rig.open(0, true).unwrap();
    let end = log.log_end();
    let later = trimaran_types::Timestamp(NOW.0 * 2);
    assert!(log.retain(end, later).unwrap().unwrap().rolled);
    drop(log);
    let mut segments = rig.segments();
    assert_eq!(segments.pop_last().unwrap().0, end.0);
    fs::remove_file(segments.pop_last().unwrap().1).unwrap();
    let (summary, findings) = inspect(&rig.dir(), Some(end));
    assert_eq!(severities(&findings), [Severity::Damage; 2]);
    assert!(matches!(findings[1].problem, Problem::Hole { before, .. } if before == end));
    assert_eq!(summary.end, Some(end));
    // Where nothing is known to be synced, the next start takes it for a roll that was cut short.
    let (_, findings) = inspect(&rig.dir(), None);
    assert_eq!(severities(&findings), [Severity::TornTail]);
}

/// A log in a directory that notes flushed ends: 10 batches were synced, 10 more written.
fn killed(root: &Path) -> (std::path::PathBuf, Checkpointed) {
    let dir = open_dir(root);
    let partition = parse_partition_dir("t-0").unwrap();
    let path = dir.partition_dir(&partition);
    let rig = Rig::new();
    let start = dir.open_as(&partition, topic_id());
    let (mut log, _) = Log::open(dir.context(), &path, rig.config.clone(), start).unwrap();
    log.assign_epoch(LeaderEpoch(0), Offset(0)).unwrap();
    rig.fill(&mut log, 10, 100);
    flush(&mut log);
    rig.fill(&mut log, 10, 100);
    let logs = path.parent().unwrap();
    let ends = inspect_flushed_ends(&RealDisk, logs).unwrap();
    let flushed_end = flushed_end_of(&RealDisk, &path, &partition, &ends);
    assert_eq!(flushed_end, Some(Offset(10)));
    let known = Checkpointed {
        flushed_end,
        ..Checkpointed::default()
    };
    (path, known)
}

#[test]
fn what_was_flushed_is_told_from_what_was_not_as_the_broker_does() {
    let root = tempfile::tempdir().unwrap();
    let (path, known) = killed(root.path());
    let batch_bytes = batch_of(&[&[0; 100]]).bytes().len();
    for offset in 0..20_i64 {
        let files = crate::rig::segment_files(&path, "log");
        let (base, file) = files.range(..=offset).next_back().unwrap();
        let whole = fs::read(file).unwrap();
        let mut broken = whole.clone();
        broken[usize::try_from(offset - base).unwrap() * batch_bytes + 80] ^= 1;
        fs::write(file, &broken).unwrap();
        let (summary, findings) = inspect_knowing(&path, &known);
        let expected = if offset < 10 {
            Severity::Damage
        } else {
            Severity::TornTail
        };
        assert_eq!(summary.worst, Some(expected), "{offset}: {findings:?}");
        fs::write(file, &whole).unwrap();
    }
    // Cut where a batch ends, below what was flushed: nothing is bad, something is gone.
    let (_, first) = crate::rig::segment_files(&path, "log").pop_first().unwrap();
    let file = fs::OpenOptions::new().write(true).open(first).unwrap();
    file.set_len(2 * batch_bytes as u64).unwrap();
    assert_eq!(
        inspect_knowing(&path, &known).0.worst,
        Some(Severity::Damage)
    );
}

#[test]
fn what_is_noted_of_producers_is_read_too() {
    let rig = several_segments();
    let (_, snapshot) = crate::rig::segment_files(&rig.dir(), "snapshot")
        .pop_last()
        .unwrap();
    let mut bytes = fs::read(&snapshot).unwrap();
    bytes[3] ^= 1;
    fs::write(&snapshot, bytes).unwrap();
    let (summary, findings) = inspect(&rig.dir(), None);
    assert_eq!(findings[0].problem, Problem::Snapshot);
    assert_eq!(summary.worst, Some(Severity::Rebuilt));
    fs::remove_file(snapshot).unwrap();
    let aborted = rig.dir().join("00000000000000000000.txnindex");
    fs::write(&aborted, [0; 33]).unwrap();
    let (_, findings) = inspect(&rig.dir(), None);
    assert_eq!(findings[0].problem, Problem::PartialEntry { bytes: 33 });
    fs::write(&aborted, [0xff; 34]).unwrap();
    let (summary, findings) = inspect(&rig.dir(), None);
    assert_eq!(findings[0].problem, Problem::AbortedTransactions);
    assert_eq!(summary.worst, Some(Severity::Damage));
}

#[test]
fn a_compacted_log_is_in_order() {
    let rig = crate::cleaner::rig();
    let mut log = rig.fresh();
    crate::cleaner::append(&mut log, &["a", "b"].repeat(40));
    crate::clean_rig::Pass::default()
        .run(&mut log)
        .unwrap()
        .unwrap();
    let (summary, findings) = inspect(&rig.dir(), Some(log.log_end()));
    assert_eq!(summary.worst, Some(Severity::Note), "{findings:?}");
    // The same files in a log that was never compacted.
    fs::remove_file(rig.dir().join("gaps-allowed")).unwrap();
    let (summary, _) = inspect(&rig.dir(), Some(log.log_end()));
    assert_eq!(summary.worst, Some(Severity::Damage));
}

#[test]
fn a_log_without_segments_is_good_only_while_it_was_never_begun() {
    let rig = several_segments();
    for (_, segment) in rig.segments() {
        fs::remove_file(segment).unwrap();
    }
    // As it stands between the note of its topic and its first segment.
    let (summary, findings) = inspect(&rig.dir(), None);
    assert_eq!((summary.worst, findings), (None, vec![]));
    for point in [0, 40] {
        let synced_end = Some(Offset(point));
        let (summary, findings) = inspect(&rig.dir(), synced_end);
        assert_eq!(summary.worst, Some(Severity::Damage));
        assert_eq!(findings[0].problem, Problem::NoSegments { synced_end });
    }
    // A folder that has nothing of a log, and only a name that could be one's.
    let other = rig.dir().with_file_name("dbus-1");
    fs::create_dir(&other).unwrap();
    fs::write(other.join("session.conf"), "x").unwrap();
    let (summary, findings) = inspect(&other, None);
    assert_eq!(summary.worst, Some(Severity::Damage));
    let synced_end = None;
    assert_eq!(findings[0].problem, Problem::NoSegments { synced_end });
}

#[test]
fn a_partition_that_only_the_checkpoint_knows_is_lost() {
    let rig = several_segments();
    let logs = rig.dir().parent().unwrap().to_owned();
    let note = logs.join("recovery-point-offset-checkpoint");
    fs::write(&note, "0\n2\nt 0 7\nt 1 9\n").unwrap();
    let files = inspect_checkpoints(&RealDisk, &logs).unwrap();
    let lost = lost_partitions(&files, &logs, &[rig.dir()]);
    let [(summary, finding)] = &lost[..] else {
        panic!("{lost:?}");
    };
    assert_eq!(summary.dir, logs.join("t-1"));
    assert_eq!(summary.worst, Some(Severity::Damage));
    let synced_end = Some(Offset(9));
    assert_eq!(finding.problem, Problem::NoSegments { synced_end });
    // Another checkpoint's entries promise nothing.
    fs::rename(&note, logs.join("replication-offset-checkpoint")).unwrap();
    let files = inspect_checkpoints(&RealDisk, &logs).unwrap();
    assert!(lost_partitions(&files, &logs, &[rig.dir()]).is_empty());
}

#[test]
fn partitions_are_found_from_each_level() {
    let rig = several_segments();
    let root = rig.dir().parent().unwrap().to_owned();
    for path in [rig.dir(), root.clone()] {
        let places = find_places(&RealDisk, &path).unwrap();
        assert_eq!(places.partitions, [rig.dir()]);
    }
    // A data directory whose name could be a partition's.
    let data_dir = root.join("broker-1");
    fs::create_dir(&data_dir).unwrap();
    fs::create_dir(data_dir.join("logs")).unwrap();
    let inside = data_dir.join("logs").join("t-0");
    fs::rename(rig.dir(), &inside).unwrap();
    let places = find_places(&RealDisk, &data_dir).unwrap();
    assert_eq!(places.partitions, [inside]);
    let nothing = tempfile::tempdir().unwrap();
    assert!(find_places(&RealDisk, nothing.path()).is_err());
}

#[test]
fn producers_and_what_a_folder_notes_are_seen() {
    let rig = Rig::new();
    let dir = open_dir(rig.root.path());
    let logs = dir.logs_dir().to_owned();
    assert_eq!(inspect_clean_shutdown(&RealDisk, &logs).unwrap(), None);
    let partition = parse_partition_dir("t-0").unwrap();
    let at = dir.partition_dir(&partition);
    let start = dir.open_as(&partition, topic_id());
    let (mut log, _) = Log::open(dir.context(), &at, rig.config, start).unwrap();
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    append(
        &mut log,
        vec![sent((7, 1), 0, 3, false), sent((8, 0), 0, 2, true)],
    )
    .unwrap();
    let abort = ended((8, 0), TransactionEnd::Abort);
    log.append_as_coordinator(vec![abort], LeaderEpoch(0), NOW)
        .unwrap();
    append(&mut log, vec![sent((8, 0), 2, 1, true)]).unwrap();
    log.close().unwrap();
    dir.mark_clean_shutdown(Some(BrokerEpoch(12))).unwrap();

    let (mut aborted, mut producers, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    let mut on_seen = |seen: &Seen<'_>| {
        match seen {
            Seen::Aborted(entry) => aborted.push((entry.producer.0, entry.first.0, entry.last.0)),
            Seen::Snapshot { producers, .. } => counts.push(*producers),
            Seen::Producer(producer) => producers.push(**producer),
            _ => {}
        }
        ControlFlow::Continue(())
    };
    let known = Checkpointed::default();
    inspect_partition(&real(), &at, &known, &mut on_seen).unwrap();
    assert_eq!(aborted, [(8, 3, 5)]);
    assert_eq!(counts, [2]);
    let [first, second] = producers[..] else {
        panic!("{producers:?}")
    };
    assert_eq!(
        (first.producer, first.epoch),
        (ProducerId(7), ProducerEpoch(1))
    );
    assert_eq!(first.last_batch, Some((Offset(0), Offset(2))));
    assert_eq!((first.last_sequence.0, first.transaction_first), (2, None));
    assert_eq!(second.last_batch, Some((Offset(6), Offset(6))));
    assert_eq!(second.transaction_first, Some(Offset(6)));
    assert_eq!(second.coordinator_epoch, Some(0));

    let ends = inspect_flushed_ends(&RealDisk, &logs).unwrap().sorted();
    assert_eq!(ends, [(topic_id(), partition.partition, Offset(7))]);
    let found = inspect_clean_shutdown(&RealDisk, &logs).unwrap().unwrap();
    assert_eq!(found.mark.unwrap().broker_epoch, Some(BrokerEpoch(12)));
    fs::write(&found.path, b"\xff").unwrap();
    let found = inspect_clean_shutdown(&RealDisk, &logs).unwrap().unwrap();
    assert_eq!(found.mark, None);
}

/// A deletion that a stop broke off leaves anything below the log start, and no start looks there.
#[test]
fn what_was_deleted_may_be_damaged() {
    let rig = several_segments();
    let end = rig.open(0, true).unwrap().0.log_end();
    let mut segments = rig.segments().into_iter();
    let (_, first) = segments.next().unwrap();
    let (second, _) = segments.next().unwrap();
    let whole = fs::read(&first).unwrap();
    let mut flipped = whole.clone();
    flipped[200] ^= 1;
    fs::write(first.with_extension("txnindex"), [0xff; 34]).unwrap();
    for content in [&flipped[..], &whole[..whole.len() - 7], &[0; 3000]] {
        fs::write(&first, content).unwrap();
        for (log_start, worst) in [(second, Severity::Note), (second - 1, Severity::Damage)] {
            let known = Checkpointed {
                recovery_point: Some(end),
                log_start: Some(Offset(log_start)),
                ..Checkpointed::default()
            };
            let (summary, findings) = inspect_knowing(&rig.dir(), &known);
            assert_eq!(summary.worst, Some(worst), "{log_start}: {findings:?}");
        }
    }
}

/// Room is what the next start cuts: not where it does not look, nor after a clean stop.
#[test]
fn zeros_that_no_start_cuts_are_damage() {
    let rig = several_segments();
    let (log, _) = rig.open(0, true).unwrap();
    let end = log.log_end();
    drop(log);
    let zeros_behind = |path: &Path| {
        let file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.set_len(fs::metadata(path).unwrap().len() + 600)
            .unwrap();
    };
    let worst = |recovery_point, clean_shutdown| {
        let known = Checkpointed {
            recovery_point,
            clean_shutdown,
            ..Checkpointed::default()
        };
        inspect_knowing(&rig.dir(), &known).0.worst
    };
    let (_, last) = rig.segments().pop_last().unwrap();
    zeros_behind(&last);
    assert_eq!(worst(Some(end), false), Some(Severity::Note));
    assert_eq!(worst(Some(end), true), Some(Severity::Damage));
    let (_, first) = rig.segments().pop_first().unwrap();
    zeros_behind(&first);
    // Walked by the next start, and far below where it begins.
    assert_eq!(worst(None, false), Some(Severity::Note));
    assert_eq!(worst(Some(end), false), Some(Severity::Damage));
}
