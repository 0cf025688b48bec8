//! The cleaner over the logs of a broker: one that cannot be cleaned holds no other back, what rots is
//! told and healed, and nobody waits for its pauses.

use std::sync::Arc;
use std::time::Duration;

use trimaran_api::replica::RequiredAcks;
use trimaran_types::record_batch::{BatchBuilder, BatchProducer, RecordBatch, TimestampType};
use trimaran_types::{BrokerId, Offset, ProducerEpoch, ProducerId, Timestamp, TopicIdPartition};

use super::pair::{ONE, Pair, TWO};
use crate::log_cleaner::{LogCleaner, LogCleanerConfig};
use crate::partition::{Closing, PartitionHandle};

const LONG: Duration = Duration::from_secs(20);

/// One thread that looks again at once.
const FAST: LogCleanerConfig = LogCleanerConfig {
    is_enabled: true,
    threads: 1,
    dedupe_bytes_max: 1 << 20,
    io_bytes: 64 << 10,
    io_bytes_per_second_max: None,
    backoff: Duration::from_millis(20),
};

fn cleaner(pair: &Pair, at: BrokerId, config: LogCleanerConfig) -> Arc<LogCleaner> {
    LogCleaner::start(Arc::clone(&pair.broker(at).replicas), config).unwrap()
}

async fn stop(cleaner: Arc<LogCleaner>) {
    let stopped = tokio::task::spawn_blocking(move || cleaner.stop());
    let in_time = tokio::time::timeout(LONG, stopped).await;
    in_time.expect("stopped in time").unwrap();
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let reached = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let in_time = tokio::time::timeout(LONG, reached).await;
    assert!(in_time.is_ok(), "{what}: not in time");
}

/// What the metrics page says.
fn shown(cleaner: &LogCleaner, name: &str) -> u64 {
    let shown = cleaner.stats().observations(0);
    let found = shown.iter().find(|it| it.0 == name);
    found.expect("shown").2
}

fn handle(pair: &Pair, at: BrokerId, id: TopicIdPartition) -> PartitionHandle {
    pair.broker(at).replicas.get(id).unwrap()
}

fn keyed(producer: Option<BatchProducer>, key: &str, value: &str) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    if let Some(producer) = producer {
        builder = builder.producer(producer).transactional();
    }
    let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
    builder.push(Timestamp(1), key, value, &[]).unwrap();
    builder.build().unwrap()
}

async fn append(pair: &Pair, id: TopicIdPartition, batch: RecordBatch) {
    let replicas = &pair.broker(ONE).replicas;
    let appended = replicas.append(id, vec![batch], RequiredAcks::All, LONG);
    appended.await.unwrap();
}

/// Finishes some segments of superseded records.
async fn fill(pair: &Pair, id: TopicIdPartition) {
    let before = handle(pair, ONE, id).reader().finished_segments().len();
    let value = "x".repeat(200);
    while handle(pair, ONE, id).reader().finished_segments().len() < before + 3 {
        append(pair, id, keyed(None, "k", &value)).await;
    }
}

/// A compacted topic that broker 1 leads.
async fn compacted(pair: &Pair, name: &str, replicas: &[BrokerId]) -> TopicIdPartition {
    let id = pair.create(name, replicas, replicas).await;
    for (name, value) in [
        ("segment.bytes", "1024"),
        ("min.insync.replicas", "1"),
        ("min.cleanable.dirty.ratio", "0"),
        ("cleanup.policy", "compact"),
    ] {
        pair.set_config(id, name, value);
    }
    for at in replicas {
        pair.until(*at, id, |status| status.needs_keys).await;
    }
    id
}

/// The offsets of the finished part of a log that still have a record.
fn finished_records(handle: &PartitionHandle) -> usize {
    let reader = handle.reader();
    let segments = reader.finished_segments();
    let end = Offset(segments.last().map_or(0, |last| last.base.0));
    let (mut from, mut records) = (Offset(0), 0);
    while from < end {
        let bytes = reader.read(from, end, 1).unwrap();
        if bytes.is_empty() {
            break;
        }
        let header = trimaran_types::record_batch::BatchHeader::parse(&bytes).unwrap();
        records += header.record_count as usize;
        from = header.next_offset();
    }
    records
}

#[tokio::test]
async fn a_log_that_an_open_transaction_holds_back_holds_no_other_back() {
    let pair = Pair::start().await;
    let other = compacted(&pair, "other", &[ONE]).await;
    fill(&pair, other).await;
    let first = cleaner(&pair, ONE, FAST);
    until("the first pass", || shown(&first, "log_cleaner_passes") > 0).await;
    assert!(finished_records(&handle(&pair, ONE, other)) < 3);
    stop(first).await;
    // Dirty again, but less than one that was never cleaned.
    fill(&pair, other).await;
    let before = finished_records(&handle(&pair, ONE, other));
    assert!(before > 5, "{before}");
    let held = compacted(&pair, "held", &[ONE]).await;
    let producer = BatchProducer {
        id: ProducerId(5),
        epoch: ProducerEpoch(0),
        base_sequence: 0,
    };
    append(&pair, held, keyed(Some(producer), "t", "1")).await;
    fill(&pair, held).await;
    let second = cleaner(&pair, ONE, FAST);
    until("the other log", || {
        finished_records(&handle(&pair, ONE, other)) < 3
    })
    .await;
    stop(second).await;
}

#[tokio::test]
async fn what_the_cleaner_finds_damaged_is_fetched_anew_and_cleaned() {
    let mut pair = Pair::start().await;
    let id = compacted(&pair, "flights", &[ONE, TWO]).await;
    fill(&pair, id).await;
    let end = handle(&pair, ONE, id).status().log_end;
    pair.until(TWO, id, |status| status.high_watermark == end)
        .await;
    pair.hear(TWO);
    let path = pair
        .log_dir(TWO, "flights-0")
        .join("00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[70] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let cleaner = cleaner(&pair, TWO, FAST);
    let replicas = Arc::clone(&pair.broker(TWO).replicas);
    until("the replica to be begun anew", || {
        replicas.replicas_begun_anew() == 1
    })
    .await;
    pair.until_isr(id, &[ONE, TWO]).await;
    until("the new one to be cleaned", || {
        replicas.get(id).is_some_and(|handle| {
            handle.reader().finished_segments().len() > 1 && finished_records(&handle) < 3
        })
    })
    .await;
    assert_eq!(cleaner.uncleanable(), 0);
    assert_eq!(replicas.damaged_logs_kept(), 1);
    stop(cleaner).await;
}

#[tokio::test]
async fn nobody_waits_for_a_pause_of_the_cleaner() {
    for ends_log in [true, false] {
        let pair = Pair::start().await;
        let id = compacted(&pair, "flights", &[ONE]).await;
        pair.set_config(id, "segment.bytes", "262144");
        pair.until(ONE, id, |status| status.batch_bytes_max > 100_000)
            .await;
        let value = "x".repeat(60_000);
        while handle(&pair, ONE, id)
            .reader()
            .finished_segments()
            .is_empty()
        {
            append(&pair, id, keyed(None, "k", &value)).await;
        }
        // A minute for each read.
        let slow = LogCleanerConfig {
            io_bytes_per_second_max: Some(1024),
            ..FAST
        };
        let cleaner = cleaner(&pair, ONE, slow);
        until("a first read", || {
            shown(&cleaner, "log_cleaner_io_bytes") > 0
        })
        .await;
        if ends_log {
            let handle = handle(&pair, ONE, id);
            let closed = tokio::time::timeout(LONG, handle.close(Closing::Discard)).await;
            closed.expect("closed in time").unwrap();
        }
        stop(cleaner).await;
    }
}
