//! Compressed topics through the client listener, over partitions in memory.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use trimaran_api::replica::RequiredAcks;
use trimaran_commit_log::Codec;
use trimaran_types::record_batch::{
    BatchBuilder, BatchHeader, Compression, RecordBatch, TimestampType,
};
use trimaran_types::{Offset, Timestamp};

use super::test_client::TestBroker;
use crate::routing::LocalPartitions as _;
use crate::routing::fake::{image_with, partition};

const JSON: &str = "application/vnd.kafka.json.v2+json";
const CODECS: [Compression; 4] = [
    Compression::Gzip,
    Compression::Snappy,
    Compression::Lz4,
    Compression::Zstd,
];

fn serving(configs: &[(&str, &str)]) -> TestBroker {
    let broker = TestBroker::serving();
    let image = image_with("t", &[Some(1), Some(1), None], configs);
    broker.images.send_replace(Arc::new(image));
    broker
}

async fn read(broker: &TestBroker, offset: i64) -> (u16, Value) {
    let path =
        format!("/topics/t/partitions/0/records?offset={offset}&timeout=0&max_bytes=8000000");
    let request = Request::get(path)
        .header("accept", JSON)
        .body(Body::empty())
        .unwrap();
    let answer = broker.ask(request).await;
    (answer.status.as_u16(), answer.json())
}

/// Small ones are compressed where the request is, large ones elsewhere.
fn bodies() -> [Vec<Value>; 2] {
    [3, 2_000].map(|count| {
        let record = |n| json!({"key": n, "value": {"n": n, "text": "and again ".repeat(20)}});
        (0..count).map(record).collect()
    })
}

#[tokio::test]
async fn what_is_produced_is_stored_compressed_and_read_back() {
    for codec in CODECS {
        for records in bodies() {
            let broker = serving(&[("compression.type", codec.name())]);
            let body = json!({ "records": records }).to_string();
            let answer = broker.post("/topics/t/partitions/0", JSON, &body).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let stored = broker.partitions.stored(partition(1, 0));
            assert!(!stored.is_empty());
            for batch in &stored {
                assert_eq!(batch.header().attributes.compression(), codec);
                assert!(batch.bytes().len() < body.len());
            }
            let (status, shown) = read(&broker, 0).await;
            assert_eq!(status, 200, "{shown}");
            let shown = shown.as_array().unwrap();
            assert_eq!(shown.len(), records.len());
            for (number, (shown, sent)) in shown.iter().zip(&records).enumerate() {
                assert_eq!(shown["offset"], number);
                assert_eq!(shown["key"], sent["key"]);
                assert_eq!(shown["value"], sent["value"]);
            }
            // From the middle of the batch.
            let (_, rest) = read(&broker, 2).await;
            assert_eq!(rest[0]["offset"], 2);
        }
    }
}

#[tokio::test]
async fn a_stream_s_records_are_compressed_too() {
    let broker = serving(&[("compression.type", "zstd")]);
    let cluster = super::test_client::cluster_id();
    let record = json!({"partition_id": 0, "value": {"type": "JSON", "data": "x".repeat(500)}});
    let path = format!("/v3/clusters/{cluster}/topics/t/records");
    let answer = broker
        .post(&path, "application/json", &record.to_string())
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let stored = broker.partitions.stored(partition(1, 0));
    assert_eq!(stored.len(), 1);
    let compression = stored[0].header().attributes.compression();
    assert_eq!(compression, Compression::Zstd);
}

#[tokio::test]
async fn without_a_codec_of_the_topic_records_are_stored_as_they_were_built() {
    for configs in [
        &[][..],
        &[("compression.type", "producer")],
        &[("compression.type", "uncompressed")],
    ] {
        let broker = serving(configs);
        let body = json!({"records": [{"value": "x".repeat(500)}]}).to_string();
        broker.post("/topics/t/partitions/0", JSON, &body).await;
        let stored = broker.partitions.stored(partition(1, 0));
        assert_eq!(
            stored[0].header().attributes.compression(),
            Compression::None
        );
    }
}

fn plain(value: &[u8]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    builder.push(Timestamp(1), None, Some(value), &[]).unwrap();
    builder.build().unwrap()
}

/// A batch whose header says gzip over this block.
fn forged(block: &[u8]) -> RecordBatch {
    let mut header: BatchHeader = *plain(b"1").header();
    header.attributes = header.attributes.with_compression(Compression::Gzip);
    RecordBatch::assemble(&header, block).unwrap()
}

async fn holding(batches: Vec<RecordBatch>) -> TestBroker {
    let broker = serving(&[]);
    let appended = broker.partitions.append(
        partition(1, 0),
        batches,
        RequiredAcks::All,
        Duration::from_secs(1),
    );
    assert_eq!(appended.await.unwrap().base_offset, Some(Offset(0)));
    broker
}

#[tokio::test]
async fn a_bomb_in_the_log_is_named_and_can_be_passed() {
    let zeros = vec![0; 12 * 1024 * 1024];
    let bomb = Codec::Gzip { level: 6 }.compress_bytes(&zeros).unwrap();
    let broker = holding(vec![plain(b"1"), forged(&bomb), plain(b"3")]).await;
    let (status, before) = read(&broker, 0).await;
    assert_eq!((status, before.as_array().unwrap().len()), (200, 1));
    let (status, refusal) = read(&broker, 1).await;
    assert_eq!(status, 422);
    assert_eq!(refusal["error_code"], 42203);
    assert_eq!(refusal["kafka_error"], "MESSAGE_TOO_LARGE");
    assert_eq!(refusal["details"], json!({"offset": 1, "next_offset": 2}));
    let (status, after) = read(&broker, 2).await;
    assert_eq!((status, &after[0]["value"]), (200, &json!(3)));
}

#[tokio::test]
async fn a_block_that_nobody_can_open_is_named_and_can_be_passed() {
    let poison = forged(b"this was never gzip");
    let broker = holding(vec![plain(b"1"), poison, plain(b"3")]).await;
    let (status, before) = read(&broker, 0).await;
    assert_eq!((status, before.as_array().unwrap().len()), (200, 1));
    let (status, refusal) = read(&broker, 1).await;
    assert_eq!((status, &refusal["retriable"]), (422, &json!(false)));
    assert_eq!(refusal["kafka_error"], "CORRUPT_MESSAGE");
    assert_eq!(refusal["details"], json!({"offset": 1, "next_offset": 2}));
    let (status, after) = read(&broker, 2).await;
    assert_eq!((status, &after[0]["value"]), (200, &json!(3)));
}
