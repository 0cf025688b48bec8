//! Producers, through the log: repetitions, refusals, transactions, and what a restart knows.

use std::fs;
use std::sync::Arc;

use trimaran_commit_log::{AppendError, Log, LogConfig, ProducerRefusal};
use trimaran_types::record_batch::{
    BatchBuilder, BatchProducer, EndMarker, RecordBatch, TimestampType, TransactionEnd,
};
use trimaran_types::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};

use crate::rig::{FaultyDisk, NOW, Rig, batch_of, flush, read_all, segment_files};

pub(crate) const EPOCH: LeaderEpoch = LeaderEpoch(0);

/// A batch of `count` records that starts at `sequence`.
pub(crate) fn sent(
    (producer, epoch): (i64, i16),
    sequence: i32,
    count: usize,
    transactional: bool,
) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime).producer(BatchProducer {
        id: ProducerId(producer),
        epoch: ProducerEpoch(epoch),
        base_sequence: sequence,
    });
    if transactional {
        builder = builder.transactional();
    }
    for _ in 0..count {
        builder.push(NOW, None, Some(&[7; 20]), &[]).unwrap();
    }
    builder.build().unwrap()
}

/// The end of a producer's transaction.
pub(crate) fn ended((producer, epoch): (i64, i16), end: TransactionEnd) -> RecordBatch {
    let marker = EndMarker {
        end,
        coordinator_epoch: 0,
        timestamp: NOW,
    };
    marker.to_batch(ProducerId(producer), ProducerEpoch(epoch))
}

/// Appends as a client; first and last offset of each batch, and whether it was a repetition.
pub(crate) fn append(
    log: &mut Log,
    batches: Vec<RecordBatch>,
) -> Result<Vec<(i64, i64, bool)>, AppendError> {
    let appended = log.append_as_leader(batches, EPOCH, NOW)?;
    assert_eq!(appended.end, log.log_end());
    let placed = |batch: &trimaran_commit_log::AppendedBatch| {
        (batch.base.0, batch.last.0, batch.is_duplicate)
    };
    Ok(appended.batches.iter().map(placed).collect())
}

fn refusal(result: Result<Vec<(i64, i64, bool)>, AppendError>) -> (usize, ProducerRefusal) {
    match result {
        Err(AppendError::Producer { number, cause }) => (number, cause),
        other => panic!("not refused for its producer: {other:?}"),
    }
}

#[test]
fn a_repetition_is_answered_with_its_offsets_and_not_written() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let me = (1, 0);
    let first = append(&mut log, vec![batch_of(&[b"x"]), sent(me, 0, 3, false)]);
    assert_eq!(first.unwrap(), [(0, 0, false), (1, 3, false)]);
    // Not flushed yet: the caller must wait for these offsets like for any others.
    assert_eq!(log.flushed_end(), Offset(0));
    let again = append(&mut log, vec![sent(me, 0, 3, false)]);
    assert_eq!(again.unwrap(), [(1, 3, true)]);
    assert_eq!(log.log_end(), Offset(4));
    let mixed = vec![
        sent(me, 3, 2, false),
        sent(me, 0, 3, false),
        sent(me, 3, 2, false),
        batch_of(&[b"y"]),
    ];
    let placed = append(&mut log, mixed).unwrap();
    assert_eq!(
        placed,
        [(4, 5, false), (1, 3, true), (4, 5, true), (6, 6, false)]
    );
    assert_eq!(read_all(&log.reader(), 1 << 20).len(), 7);
}

/// The snapshot of the segment that retention began is lost in a power cut; an older one is there, from
/// before batches that are deleted.
#[test]
fn a_snapshot_from_before_what_was_deleted_refuses_no_producer() {
    let mut rig = Rig::new();
    rig.config.retention_bytes = Some(0);
    let mut log = rig.fresh();
    let me = (1, 0);
    append(&mut log, vec![sent(me, 0, 1, false)]).unwrap();
    let point = log.close().unwrap().0;
    let (mut log, _) = rig.open(point, true).unwrap();
    append(&mut log, vec![sent(me, 1, 1, false)]).unwrap();
    flush(&mut log);
    let end = log.log_end();
    let retained = log.retain(end, NOW).unwrap().unwrap();
    assert_eq!(retained.log_start, end);
    drop(log.delete_segments(end).unwrap());
    drop(log);
    let snapshots = segment_files(&rig.dir(), "snapshot");
    assert_eq!(
        snapshots.keys().copied().collect::<Vec<_>>(),
        [point, end.0]
    );
    fs::write(&snapshots[&end.0], []).unwrap();
    rig.log_start = Some(end);
    let (mut log, _) = rig.open(point, false).unwrap();
    log.assign_epoch(EPOCH, end).unwrap();
    let placed = append(&mut log, vec![sent(me, 2, 1, false)]).unwrap();
    assert_eq!(placed, [(end.0, end.0, false)]);
}

#[test]
fn a_refused_batch_stops_the_whole_append_before_anything_is_written() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let me = (1, 0);
    append(&mut log, vec![sent(me, 0, 3, false)]).unwrap();
    let before = fs::read(&rig.segments()[&0]).unwrap();
    let batches = vec![sent((2, 0), 0, 1, false), sent(me, 4, 1, false)];
    let groups: Vec<&[RecordBatch]> = batches.chunks(1).collect();
    let refusals = log.producer_refusals(&groups, NOW);
    assert!(refusals[0].is_none() && refusals[1].is_some());
    let (number, cause) = refusal(append(&mut log, batches));
    assert_eq!((number, Some(cause)), (1, refusals[1]));
    assert!(matches!(cause, ProducerRefusal::OutOfOrderSequence { .. }));
    assert_eq!(log.log_end(), Offset(3));
    assert_eq!(fs::read(&rig.segments()[&0]).unwrap(), before);
    // Nor does the state remember the neighbour.
    assert_eq!(
        append(&mut log, vec![sent((2, 0), 9, 1, false)]).unwrap(),
        [(3, 3, false)]
    );
}

#[test]
fn a_refused_group_leaves_its_neighbours_alone() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let me = (1, 0);
    let groups = [
        vec![sent(me, 0, 2, false)],
        vec![sent((2, 0), 0, 1, false), sent(me, 9, 1, false)],
        vec![sent(me, 2, 1, false), sent((2, 0), 5, 1, false)],
        vec![batch_of(&[b"plain"])],
    ];
    let groups: Vec<&[RecordBatch]> = groups.iter().map(Vec::as_slice).collect();
    let refused: Vec<_> = log
        .producer_refusals(&groups, NOW)
        .iter()
        .map(Option::is_some)
        .collect();
    assert_eq!(refused, [false, true, false, false]);
    assert_eq!(log.log_end(), Offset(0));
}

#[test]
fn five_batches_are_known_after_a_clean_restart_though_the_snapshot_has_one() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let me = (1, 0);
    for n in 0..7 {
        append(&mut log, vec![sent(me, n * 2, 2, false)]).unwrap();
        rig.fill(&mut log, 6, 100);
    }
    let end = log.close().unwrap();
    let (mut log, _) = rig.open(end.0, true).unwrap();
    for n in (2..7).rev() {
        let placed = append(&mut log, vec![sent(me, n * 2, 2, false)]).unwrap();
        let at = i64::from(n) * 8;
        assert_eq!(placed, [(at, at + 1, true)], "batch {n}");
    }
    let (_, cause) = refusal(append(&mut log, vec![sent(me, 2, 2, false)]));
    assert!(matches!(cause, ProducerRefusal::OutOfOrderSequence { .. }));
    assert_eq!(
        append(&mut log, vec![sent(me, 14, 1, false)]).unwrap(),
        [(56, 56, false)]
    );
}

#[test]
fn a_follower_that_becomes_leader_knows_the_same() {
    let rig = Rig::new();
    let mut leader = rig.fresh();
    let me = (1, 0);
    append(
        &mut leader,
        vec![sent(me, 5, 2, false), sent(me, 7, 1, false)],
    )
    .unwrap();
    let bytes = leader.reader().read(Offset(0), Offset(9), 1 << 20).unwrap();
    let other = Rig::new();
    let mut follower = other.fresh();
    let copied = follower.append_as_follower(bytes, NOW).unwrap();
    assert!(copied.batches.iter().all(|batch| !batch.is_duplicate));
    let again = vec![sent(me, 7, 1, false), sent(me, 5, 2, false)];
    assert_eq!(
        append(&mut follower, again).unwrap(),
        [(2, 2, true), (0, 1, true)]
    );
}

#[test]
fn a_client_cannot_write_markers() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let marker = ended((1, 0), TransactionEnd::Commit);
    let (_, cause) = refusal(append(&mut log, vec![marker.clone()]));
    assert_eq!(cause, ProducerRefusal::NotFromProducer);
    assert_eq!(cause.kafka_error().name(), "INVALID_RECORD");
    log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    assert_eq!(log.log_end(), Offset(1));
}

#[test]
fn an_idle_log_without_producers_costs_what_kafka_pays() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    rig.fill(&mut log, 40, 60);
    log.close().unwrap();
    let snapshots = segment_files(&rig.dir(), "snapshot");
    assert_eq!(snapshots.keys().copied().collect::<Vec<_>>(), [15, 30, 40]);
    for path in snapshots.values() {
        let golden = include_bytes!("../golden/00000000000000000001.snapshot");
        assert_eq!(fs::read(path).unwrap(), golden);
    }
    let (log, _) = rig.open(40, true).unwrap();
    log.close().unwrap();
    assert_eq!(segment_files(&rig.dir(), "snapshot").len(), 3);
    assert!(segment_files(&rig.dir(), "txnindex").is_empty());
}

#[test]
fn a_damaged_snapshot_is_dropped_and_an_earlier_one_used() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let me = (1, 0);
    for n in 0..60 {
        append(&mut log, vec![sent(me, n * 2, 2, false)]).unwrap();
    }
    let end = log.close().unwrap();
    let ends = rig.open(end.0, true).unwrap().0.producer_ends();
    let snapshots = segment_files(&rig.dir(), "snapshot");
    assert!(snapshots.len() > 2);
    let (_, latest) = snapshots.iter().next_back().unwrap();
    let mut bytes = fs::read(latest).unwrap();
    bytes[20] ^= 1;
    fs::write(latest, bytes).unwrap();
    let (log, _) = rig.open(end.0, true).unwrap();
    assert_eq!(log.producer_ends(), ends);
    // It was made anew.
    drop(log);
    for path in snapshots.values() {
        fs::remove_file(path).unwrap();
    }
    let (mut log, _) = rig.open(end.0, true).unwrap();
    assert_eq!(log.producer_ends(), ends);
    assert_eq!(
        append(&mut log, vec![sent(me, 118, 2, false)]).unwrap(),
        [(118, 119, true)]
    );
}

#[test]
fn snapshots_beyond_a_cut_are_removed_before_the_log_can_grow_past_them_again() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    for n in 0..60 {
        append(&mut log, vec![sent((1, 0), n, 1, false)]).unwrap();
    }
    // One more, where no segment starts.
    let end = log.close().unwrap();
    let (mut log, _) = rig.open(end.0, true).unwrap();
    let before = segment_files(&rig.dir(), "snapshot");
    assert!(before.len() > 2 && before.contains_key(&60));
    let first = *before.keys().next().unwrap();
    log.truncate_to(Offset(first + 1)).unwrap();
    let left = segment_files(&rig.dir(), "snapshot");
    assert_eq!(left.keys().copied().collect::<Vec<_>>(), [first]);
    // Another history.
    for n in 0..60 {
        append(&mut log, vec![sent((2, 0), n, 1, false)]).unwrap();
    }
    drop(log);
    let (log, _) = rig.open(first + 40, false).unwrap();
    let ends: Vec<_> = log
        .producer_ends()
        .iter()
        .map(|end| end.last_sequence.0)
        .collect();
    assert_eq!(ends, [i32::try_from(first).unwrap(), 59]);
    log.close().unwrap();
}

#[test]
fn a_torn_index_of_aborted_transactions_is_rebuilt() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    let me = (1, 0);
    for n in 0..40 {
        append(&mut log, vec![sent(me, n, 1, true)]).unwrap();
        let marker = ended(me, TransactionEnd::Abort);
        log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    }
    let end = log.close().unwrap();
    let all = |log: &Log| {
        log.reader()
            .aborted_transactions(Offset(0), Offset(i64::MAX))
            .unwrap()
    };
    let (log, _) = rig.open(end.0, true).unwrap();
    let expected = all(&log);
    assert_eq!(expected.len(), 40);
    drop(log);
    let files = segment_files(&rig.dir(), "txnindex");
    assert!(files.len() > 2);
    let bytes = fs::read(files.values().nth(1).unwrap()).unwrap();
    fs::write(files.values().nth(1).unwrap(), &bytes[..bytes.len() - 1]).unwrap();
    let (log, _) = rig.open(end.0, true).unwrap();
    assert_eq!(all(&log), expected);
    log.close().unwrap();
    let rebuilt = fs::read(files.values().nth(1).unwrap()).unwrap();
    assert_eq!(rebuilt, bytes);
}

#[test]
fn aborted_transactions_that_recovery_found_are_written_by_a_close_without_appends() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    append(&mut log, vec![sent((1, 0), 0, 2, true)]).unwrap();
    let marker = ended((1, 0), TransactionEnd::Abort);
    log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    drop(log);
    let (log, _) = rig.open(0, false).unwrap();
    let end = log.close().unwrap();
    let (log, _) = rig.open(end.0, true).unwrap();
    let aborted = log.reader().aborted_transactions(Offset(0), Offset(3));
    assert_eq!(aborted.unwrap().len(), 1);
}

#[test]
fn producers_expire_by_the_clock_of_the_log_and_not_of_their_records() {
    let rig = Rig {
        config: LogConfig {
            producer_id_expiration_ms: 3_600_000,
            ..Rig::new().config
        },
        ..Rig::new()
    };
    let mut log = rig.fresh();
    let later = |ms: i64| trimaran_types::Timestamp(NOW.0 * 2 + ms);
    let send = |log: &mut Log, producer: i64, sequence: i32, at: i64| {
        let batches = vec![sent((producer, 0), sequence, 1, false)];
        log.append_as_leader(batches, EPOCH, later(at))
            .unwrap()
            .batches[0]
            .is_duplicate
    };
    // The records are older than the period by far.
    assert!(!send(&mut log, 1, 0, 0));
    assert!(!send(&mut log, 2, 0, 3_000_000));
    assert!(send(&mut log, 1, 0, 3_500_000));
    assert!(!send(&mut log, 2, 1, 4_200_000));
    let ids: Vec<_> = log
        .producer_ends()
        .iter()
        .map(|end| end.producer.0)
        .collect();
    assert_eq!(ids, [2]);
}

#[test]
fn what_a_recovery_learns_of_aborted_transactions_is_there_after_a_clean_stop() {
    let rig = Rig::new();
    let mut log = rig.fresh();
    append(&mut log, vec![sent((1, 0), 0, 1, true)]).unwrap();
    let marker = ended((1, 0), TransactionEnd::Abort);
    log.append_as_coordinator(vec![marker], EPOCH, NOW).unwrap();
    drop(log);
    let (log, _) = rig.open(0, false).unwrap();
    let end = log.close().unwrap();
    let (log, _) = rig.open(end.0, true).unwrap();
    let found = log.reader().aborted_transactions(Offset(0), end).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_short_expiration_is_looked_at_in_time() {
    let mut rig = Rig::new();
    rig.config.producer_id_expiration_ms = 2_000;
    let mut log = rig.fresh();
    // The first look comes with the second append, the next one two seconds later.
    for (producer, sequence, at) in [(1, 0, 0), (2, 0, 1_500), (2, 1, 3_000), (2, 2, 3_600)] {
        let batches = vec![sent((producer, 0), sequence, 1, false)];
        let now = trimaran_types::Timestamp(NOW.0 + at);
        log.append_as_leader(batches, EPOCH, now).unwrap();
    }
    let ids: Vec<_> = log
        .producer_ends()
        .iter()
        .map(|end| end.producer.0)
        .collect();
    assert_eq!(ids, [2]);
}

/// Fails making the snapshot that the next segment starts with.
fn roll_without_snapshot(kind: std::io::ErrorKind) -> (Rig, Log) {
    let disk = FaultyDisk::default();
    let faults = Arc::clone(&disk.faults);
    let rig = Rig::on(Arc::new(disk));
    let mut log = rig.fresh();
    append(&mut log, vec![sent((1, 0), 0, 1, false)]).unwrap();
    *faults.snapshots.lock().unwrap() = Some(kind);
    while rig.segments().len() == 1 {
        rig.fill(&mut log, 1, 400);
    }
    (rig, log)
}

#[test]
fn a_snapshot_that_cannot_be_written_ends_the_directory_unless_the_disk_is_full() {
    let (_rig, log) = roll_without_snapshot(std::io::ErrorKind::StorageFull);
    log.close().expect("a full disk ends nothing");
    let (rig, mut log) = roll_without_snapshot(std::io::ErrorKind::Other);
    let refused = log.append_as_leader(vec![sent((1, 0), 1, 1, false)], EPOCH, NOW);
    assert!(
        matches!(refused, Err(AppendError::DirFailed(_))),
        "{refused:?}"
    );
    drop(rig);
}

#[test]
fn a_look_that_must_end_early_keeps_what_is_near() {
    let mut rig = Rig::new();
    rig.config = LogConfig {
        segment_bytes: 64 << 20,
        index_interval_bytes: 4096,
        ..rig.config
    };
    let mut log = rig.fresh();
    let me = (1, 0);
    // More batches than are looked at, and nearer ones.
    for _ in 0..50 {
        append(&mut log, vec![batch_of(&[b"x"]); 2001]).unwrap();
    }
    for n in 0..3 {
        append(&mut log, vec![sent(me, n, 1, false)]).unwrap();
        append(&mut log, vec![batch_of(&[b"x"]); 20_000]).unwrap();
    }
    let last = log.log_end().0;
    append(&mut log, vec![sent(me, 3, 1, false)]).unwrap();
    let end = log.close().unwrap();
    let (mut log, _) = rig.open(end.0, true).unwrap();
    for n in [2, 1, 0] {
        let at = last - i64::from(3 - n) * 20_001;
        let placed = append(&mut log, vec![sent(me, n, 1, false)]).unwrap();
        assert_eq!(placed, [(at, at, true)], "batch {n}");
    }
    assert_eq!(log.log_end(), end);
}

/// A snapshot has a producer's last batch; the others are looked for in the log, and are believed as little
/// as by any reader.
#[test]
fn no_repetition_is_answered_with_an_offset_that_nothing_vouches_for() {
    let me = (1, 0);
    let batch_bytes = sent(me, 0, 1, false).bytes().len();
    // The bytes from inside the front of the batch at 1 to the same place in the next one; a bit in what
    // its checksum covers.
    let damage = |bytes: &mut Vec<u8>, loses: bool| {
        if loses {
            bytes.drain(batch_bytes + 17..2 * batch_bytes + 17);
        } else {
            bytes[2 * batch_bytes + 30] ^= 1;
        }
    };
    for loses in [true, false] {
        let rig = Rig::new();
        let mut log = rig.fresh();
        for sequence in 0..4 {
            append(&mut log, vec![sent(me, sequence, 1, false)]).unwrap();
        }
        let end = log.close().unwrap();
        for is_damaged in [false, true] {
            let (mut log, _) = rig.open(end.0, true).unwrap();
            let path = &rig.segments()[&0];
            let whole = fs::read(path).unwrap();
            if is_damaged {
                let mut bytes = whole.clone();
                damage(&mut bytes, loses);
                fs::write(path, bytes).unwrap();
            }
            let again = append(&mut log, vec![sent(me, 2, 1, false)]);
            if is_damaged {
                let (_, cause) = refusal(again);
                let is_refused = matches!(cause, ProducerRefusal::OutOfOrderSequence { .. });
                assert!(is_refused, "{loses}: {cause:?}");
                fs::write(path, whole).unwrap();
            } else {
                assert_eq!(again.unwrap(), [(2, 2, true)]);
            }
        }
    }
}
