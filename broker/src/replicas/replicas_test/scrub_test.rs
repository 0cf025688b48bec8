//! The scrub finds what rots in a replica that serves, and never accuses one that is well.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use trimaran_types::{BrokerId, TopicIdPartition};

use super::pair::{ONE, Pair, TWO, read_all};
use crate::log_scrub::{LogScrub, LogScrubConfig};
use crate::partition::PartitionRole;
use crate::replicas::Suspected;

const NAME: &str = "flights-0";

/// Round after round, as fast as it goes.
const FAST: LogScrubConfig = LogScrubConfig {
    bytes_per_second_max: 1 << 30,
    interval: Duration::from_millis(100),
};

fn scrub(pair: &Pair, at: BrokerId) -> Arc<LogScrub> {
    let replicas = Arc::clone(&pair.broker(at).replicas);
    LogScrub::start(replicas, FAST, Duration::ZERO, 7).unwrap()
}

/// A partition led by broker 1, with finished segments on each of `replicas`.
async fn with_finished_segments(
    pair: &Pair,
    replicas: &[BrokerId],
    isr: &[BrokerId],
) -> (TopicIdPartition, Vec<String>) {
    let id = pair.create("flights", replicas, isr).await;
    pair.set_config(id, "segment.bytes", "1024");
    pair.set_config(id, "min.insync.replicas", "1");
    let mut texts = Vec::new();
    let has_some = |at: &BrokerId| {
        let handle = pair.broker(*at).replicas.get(id).unwrap();
        handle.reader().finished_segments().len() > 2
    };
    while !replicas.iter().all(has_some) {
        let text = format!("{}-{}", texts.len(), "x".repeat(200));
        pair.append(ONE, id, &text).await.unwrap();
        texts.push(text);
    }
    (id, texts)
}

/// Flips a bit of the first record in the first segment, in place, under a running broker.
fn rot(pair: &Pair, at: BrokerId) {
    let path = pair.log_dir(at, NAME).join("00000000000000000000.log");
    let mut options = std::fs::OpenOptions::new();
    let file = options.read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 70).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 70).unwrap();
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(20), reached).await;
    assert!(in_time.is_ok(), "{what}: not in time");
}

async fn some_more_rounds(scrub: &LogScrub) {
    let before = scrub.stats().logs();
    until("more rounds", || scrub.stats().logs() > before + 3).await;
}

/// The replica is condemned once, set aside, fetched anew and in sync again, while rounds go on.
async fn found_and_healed(at: BrokerId) {
    let mut pair = Pair::start().await;
    let (id, texts) = with_finished_segments(&pair, &[ONE, TWO], &[ONE, TWO]).await;
    pair.hear(at);
    let scrub = scrub(&pair, at);
    some_more_rounds(&scrub).await;
    assert_eq!(scrub.stats().damaged_logs(), 0);
    rot(&pair, at);
    until("damage", || scrub.stats().damaged_logs() > 0).await;
    let other = if at == ONE { TWO } else { ONE };
    pair.until(other, id, |status| status.role == PartitionRole::Leader)
        .await;
    pair.until_isr(id, &[other, at]).await;
    some_more_rounds(&scrub).await;
    let replicas = &pair.broker(at).replicas;
    assert_eq!(read_all(&replicas.get(id).unwrap()), texts);
    assert_eq!(scrub.stats().damaged_logs(), 1, "once");
    assert_eq!(
        (replicas.damaged_logs_kept(), replicas.replicas_begun_anew()),
        (1, 1)
    );
    assert!(replicas.out_of_service().is_empty());
    scrub.stop();
}

#[tokio::test]
async fn a_flipped_bit_in_a_follower_is_found_and_healed() {
    found_and_healed(TWO).await;
}

#[tokio::test]
async fn a_flipped_bit_in_a_leader_is_found_and_healed() {
    found_and_healed(ONE).await;
}

#[tokio::test]
async fn the_last_in_sync_serves_on_until_another_one_is() {
    let mut pair = Pair::start().await;
    let (id, texts) = with_finished_segments(&pair, &[ONE, TWO], &[ONE, TWO]).await;
    pair.hear(ONE);
    pair.crash(TWO).await;
    pair.shrink_isr(id, &[ONE]);
    pair.append(ONE, id, "alone").await.unwrap();
    rot(&pair, ONE);
    let scrub = scrub(&pair, ONE);
    until("damage", || scrub.stats().damaged_logs() > 0).await;
    let kept = || {
        let shown = scrub.stats().observations();
        let found = shown.iter().find(|it| it.0.ends_with("last_in_sync"));
        found.map(|it| it.2)
    };
    until("it to be kept", || kept() == Some(1)).await;
    pair.append(ONE, id, "more").await.unwrap();
    until("a second look at it", || kept() == Some(1)).await;
    let handle = pair.broker(ONE).replicas.get(id).unwrap();
    assert_eq!(handle.status().role, PartitionRole::Leader);
    assert_eq!(scrub.stats().damaged_logs(), 1, "told once");
    // Another one is in sync, as far as the metadata says.
    pair.shrink_isr(id, &[ONE, TWO]);
    until("it to be condemned", || kept() == Some(0)).await;
    pair.until_out_of_service(ONE, &[NAME]).await;
    assert!(texts.len() > 3);
    scrub.stop();
}

#[tokio::test]
async fn who_has_read_the_files_of_a_successor_accuses_nobody() {
    let mut pair = Pair::start().await;
    let (id, texts) = with_finished_segments(&pair, &[ONE, TWO], &[ONE, TWO]).await;
    pair.hear(TWO);
    let replicas = Arc::clone(&pair.broker(TWO).replicas);
    let before = replicas.get(id).unwrap();
    assert!(
        replicas
            .condemn(id, trimaran_api::controller::DamageCause::Corrupt)
            .await
    );
    pair.until(TWO, id, |status| status.role == PartitionRole::Follower)
        .await;
    pair.until_isr(id, &[ONE, TWO]).await;
    // Whatever the old one finds from now on, it finds in the new one's files.
    assert_eq!(replicas.suspect(&before), Suspected::Gone);
    let now = replicas.get(id).unwrap();
    assert!(!before.is_same(&now));
    pair.append(ONE, id, "more").await.unwrap();
    let status = now.status();
    assert_eq!(status.role, PartitionRole::Follower);
    assert_eq!(read_all(&now).len(), texts.len() + 1);
    assert_eq!(replicas.replicas_begun_anew(), 1);
    // One that is in service is condemned.
    assert_eq!(replicas.suspect(&now), Suspected::Condemned);
    until("it to be condemned", || {
        replicas.get(id).is_none_or(|handle| !handle.is_same(&now))
    })
    .await;
}

#[tokio::test]
async fn a_scrub_that_waits_for_a_year_ends_at_once_and_one_that_is_off_does_nothing() {
    let pair = Pair::start().await;
    with_finished_segments(&pair, &[ONE], &[ONE]).await;
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    let slow = LogScrubConfig {
        interval: Duration::from_secs(365 * 24 * 3600),
        ..FAST
    };
    let scrub = LogScrub::start(Arc::clone(&replicas), slow, Duration::ZERO, 1).unwrap();
    until("the first read", || scrub.stats().bytes() > 0).await;
    scrub.stop();
    let off = LogScrubConfig {
        bytes_per_second_max: 0,
        ..FAST
    };
    rot(&pair, ONE);
    let scrub = LogScrub::start(replicas, off, Duration::ZERO, 1).unwrap();
    scrub.stop();
    assert_eq!(
        (scrub.stats().bytes(), scrub.stats().damaged_logs()),
        (0, 0)
    );
}
