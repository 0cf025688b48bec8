//! A follower copies a leader whose log was compacted: one batch an answer, across every gap.

use std::sync::Arc;

use bytes::Bytes;
use trimaran_commit_log::{
    CleanControl, CleanJob, CleanedSegment, Cleaner, CleanerSettings, CompactionSettings, Log,
    LogConfig, LogContext, OpenAs, RealDisk, ReplaceError, Replaced,
};
use trimaran_types::record_batch::{BatchBuilder, TimestampType};
use trimaran_types::{LeaderEpoch, Offset, Timestamp, TopicId};

use super::fixture::{Fixture, OWN, PEER, assignment, fixture};
use crate::partition::AssignedRole;

const NOW: Timestamp = Timestamp(1_700_000_000_000);

struct Owned<'a>(&'a mut Log);

impl CleanControl for Owned<'_> {
    fn go_on_after(&mut self, _bytes: u64) -> Option<std::time::Duration> {
        Some(std::time::Duration::ZERO)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        self.0.replace_segments(&cleaned)
    }
}

fn append(log: &mut Log, key: &str, value: &str) {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
    builder.push(NOW, key, value, &[]).unwrap();
    let batches = vec![builder.build().unwrap()];
    log.append_as_leader(batches, LeaderEpoch(0), NOW).unwrap();
}

fn flush(log: &mut Log) {
    while let Some(request) = log.begin_flush() {
        let synced = request.files.iter().try_for_each(|file| file.sync_data());
        synced.unwrap();
        log.flushed(&request.token());
    }
}

fn clean(log: &mut Log) {
    let reader = log.reader();
    let settings = CompactionSettings {
        dirty_ratio_min: 0.0,
        ..CompactionSettings::default()
    };
    let limit = log.flushed_end();
    let plan = reader.plan_cleaning(limit, &settings, NOW).unwrap();
    let (config, producer_ends) = (log.config().clone(), log.producer_ends());
    let job = CleanJob {
        log: &reader,
        config: &config,
        plan,
        settings: &settings,
        producer_ends: &producer_ends,
        now: NOW,
    };
    let mut cleaner = Cleaner::new(CleanerSettings::default());
    cleaner.clean(&job, &mut Owned(log)).unwrap();
}

/// A leader's log: of 200 records few are left, with gaps in front of nearly all of them.
fn compacted(folder: &std::path::Path) -> Log {
    let context = LogContext::standalone(Arc::new(RealDisk), folder);
    let config = LogConfig {
        segment_bytes: 2048,
        compacted: true,
        tail_bytes_max: 0,
        ..LogConfig::default()
    };
    let open_as = OpenAs {
        topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(7)),
        recovery_point: Offset::ZERO,
        log_start: None,
        clean_shutdown: false,
    };
    let (mut log, _) = Log::open(&context, &folder.join("t-0"), config, open_as).unwrap();
    log.assign_epoch(LeaderEpoch(0), Offset::ZERO).unwrap();
    for number in 0..200 {
        append(
            &mut log,
            ["a", "b", "c", "d"][number / 7 % 4],
            &number.to_string(),
        );
    }
    flush(&mut log);
    clean(&mut log);
    log
}

fn all(log: &trimaran_commit_log::LogReader) -> Bytes {
    let (mut bytes, mut from) = (Vec::new(), log.log_start());
    while from < log.log_end() {
        let read = log.read(from, Offset(i64::MAX), 1).unwrap();
        let header = trimaran_types::record_batch::BatchHeader::parse(&read).unwrap();
        from = header.next_offset();
        bytes.extend_from_slice(&read);
    }
    bytes.into()
}

/// Fetches from the leader, one batch an answer, until the follower has all of it. Tells how many
/// answers began behind a gap.
async fn copy(follower: &Fixture, leader: &Log) -> usize {
    let (reader, end) = (leader.reader(), leader.log_end());
    let mut gaps = 0;
    let mut position = follower.position().await;
    while position.fetch_offset < end {
        let bytes = reader.read(position.fetch_offset, end, 1).unwrap();
        let header = trimaran_types::record_batch::BatchHeader::parse(&bytes).unwrap();
        gaps += usize::from(header.base_offset > position.fetch_offset);
        let next = follower
            .fetched(position, follower.result(end.0, bytes))
            .await;
        assert!(!next.pause, "at {}", position.fetch_offset);
        position = next.position.unwrap();
        assert_eq!(position.fetch_offset, header.next_offset());
    }
    gaps
}

#[tokio::test]
async fn a_new_replica_copies_a_cleaned_log_across_its_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let leader = compacted(folder.path());
    // The topic is compacted no more: only what the leader sends tells of gaps.
    let follower = fixture();
    let role = AssignedRole::Follower { leader: PEER };
    follower
        .handle
        .assign(assignment(role, &[PEER, OWN], 0, 1))
        .await;
    let gaps = copy(&follower, &leader).await;
    assert!(gaps > 3, "{gaps}");
    let copied = all(follower.handle.reader());
    assert!(copied == all(&leader.reader()), "the same batches");
    assert!(
        follower
            .folder
            .path()
            .join("flights-0/gaps-allowed")
            .exists()
    );
    let status = follower
        .until(|status| status.high_watermark == leader.log_end())
        .await;
    assert_eq!(status.log_end, leader.log_end());
}

#[tokio::test]
async fn a_replica_that_was_down_while_the_leader_cleaned_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let mut leader = compacted(folder.path());
    let follower = fixture();
    let role = AssignedRole::Follower { leader: PEER };
    follower
        .handle
        .assign(assignment(role, &[PEER, OWN], 0, 1))
        .await;
    copy(&follower, &leader).await;
    let was_at = follower.position().await.fetch_offset;
    for number in 200..400 {
        append(&mut leader, ["a", "b"][number / 7 % 2], &number.to_string());
    }
    flush(&mut leader);
    clean(&mut leader);
    let next = leader.reader().read(was_at, leader.log_end(), 1).unwrap();
    let header = trimaran_types::record_batch::BatchHeader::parse(&next).unwrap();
    assert!(
        header.base_offset > was_at,
        "the next answer begins behind a gap"
    );
    copy(&follower, &leader).await;
    assert_eq!(follower.position().await.fetch_offset, leader.log_end());
}
