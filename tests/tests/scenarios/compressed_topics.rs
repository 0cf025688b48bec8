//! A topic for each codec: what is produced is read back through every broker, and lies compressed in
//! the files of all replicas, the same bytes in each. And one whose records get the leader's time.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_types::record_batch::{RecordBatch, TimestampType};

const CODECS: [&str; 5] = ["producer", "gzip", "snappy", "lz4", "zstd"];
const REQUESTS: usize = 4;
const RECORDS: usize = 100;
const BROKERS: [NodeName; 3] = [
    NodeName::Broker(1),
    NodeName::Broker(2),
    NodeName::Broker(3),
];

#[test]
fn every_codec_keeps_every_record_on_every_replica() {
    scenario(&ClusterSpec::three_and_three(), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    let mut plain_bytes = 0;
    for codec in CODECS {
        let configs = [
            ("compression.type", codec),
            ("message.timestamp.type", "LogAppendTime"),
        ];
        admin.create_topic(codec, 1, 3, &configs).await?;
        for request in 0..REQUESTS {
            produce(&rest, codec, request).await?;
        }
        for broker in rest.brokers() {
            consume(&rest, broker, codec).await?;
        }
        let stored = cluster.stored_batches(codec, 0, BROKERS[0])?;
        check_stored(&stored, codec)?;
        let bytes: usize = stored.iter().map(|batch| batch.bytes().len()).sum();
        if codec == "producer" {
            plain_bytes = bytes;
        } else {
            ensure!(bytes < plain_bytes / 2, "{codec}: {bytes} of {plain_bytes}");
        }
        let compared = cluster.compare_replicas(codec, 1, &BROKERS)?;
        ensure!(compared == stored.len(), "only {compared} were compared");
    }
    refused(&admin).await
}

/// Four characters of base64 that say which one it is, and many that compress.
fn value(number: usize) -> String {
    format!("{number:04}{}", "QUJD".repeat(60))
}

async fn produce(rest: &Rest, topic: &str, request: usize) -> Result<()> {
    let first = request * RECORDS;
    let records: Vec<Value> = (first..first + RECORDS)
        .map(|number| json!({ "value": value(number), "timestamp": 5 }))
        .collect();
    let body = json!({ "records": records });
    let path = format!("/topics/{topic}/partitions/0");
    let answer = rest.post(&path, &body).await?;
    ensure!(answer.is_success(), "{answer}");
    Ok(())
}

async fn consume(rest: &Rest, broker: &str, topic: &str) -> Result<()> {
    let mut read = 0;
    while read < REQUESTS * RECORDS {
        let path = format!("/topics/{topic}/partitions/0/records?offset={read}&timeout=2000");
        let records: Vec<Value> = rest.get_at(broker, &path).await?.success()?;
        ensure!(!records.is_empty(), "{topic} ends at {read} at {broker}");
        for record in &records {
            ensure!(record["offset"] == read, "{record} is not at {read}");
            ensure!(record["value"] == value(read), "{record} is not {read}");
            let timestamp = record["timestamp"].as_i64();
            ensure!(
                timestamp > Some(1_700_000_000_000),
                "{record} has no leader's time"
            );
            read += 1;
        }
    }
    Ok(())
}

fn check_stored(batches: &[RecordBatch], codec: &str) -> Result<()> {
    let expected = if codec == "producer" { "none" } else { codec };
    ensure!(!batches.is_empty(), "no batch of {codec} is stored");
    for batch in batches {
        let attributes = batch.header().attributes;
        let found = attributes.compression().name();
        ensure!(found == expected, "{codec}: a batch is stored as {found}");
        ensure!(attributes.timestamp_type() == TimestampType::LogAppendTime);
    }
    Ok(())
}

async fn refused(admin: &Admin) -> Result<()> {
    let cluster_id = admin.cluster_id().await?;
    let configs = [("compression.type", "brotli")];
    let answer = admin.try_create(&cluster_id, "odd", 1, 3, &configs).await?;
    ensure!(!answer.is_success(), "{answer}");
    ensure!(
        answer.message().contains("compression.type is 'brotli'"),
        "{answer}"
    );
    Ok(())
}
