//! A compacted topic: keys are overwritten until every replica has cleaned its log; then a reader
//! finds the last value of each key at its old offset, also after every process was killed.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::until;

const TOPIC: &str = "latest";
const KEYS: usize = 10;
const ROUNDS: usize = 60;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn the_last_value_of_each_key_is_what_is_left() {
    let spec = ClusterSpec::three_and_three().broker_setting("log.cleaner.backoff.ms", 100);
    scenario(&spec, run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let configs = [
        ("cleanup.policy", "compact"),
        ("segment.bytes", "4096"),
        ("min.cleanable.dirty.ratio", "0.01"),
        ("compression.type", "lz4"),
    ];
    let admin = Admin::new(rest.clone());
    admin.create_topic(TOPIC, 1, 3, &configs).await?;
    refuse_without_key(&rest).await?;
    let mut expected = BTreeMap::new();
    for round in 0..ROUNDS {
        produce(&rest, round, &mut expected).await?;
    }
    let written = KEYS * ROUNDS;
    for broker in [1, 2, 3].map(NodeName::Broker) {
        let data = cluster.node(broker)?.data_path().to_owned();
        until("a replica is cleaned", PATIENCE, async || {
            let bytes = log_bytes(&data)?;
            ensure!(bytes < 8192, "{broker:?} has {bytes} bytes");
            Ok(Some(()))
        })
        .await?;
    }
    check(&rest, &expected, written).await?;
    cluster.kill_all()?;
    cluster.restart_all().await?;
    check(&rest, &expected, written).await
}

async fn refuse_without_key(rest: &Rest) -> Result<()> {
    let body = json!({ "records": [{ "key": "YQ==", "value": "YQ==" }, { "value": "YQ==" }] });
    let answer = rest.post(&format!("/topics/{TOPIC}"), &body).await?;
    let told = answer.to_string();
    ensure!(told.contains("has no key"), "{told}");
    Ok(())
}

async fn produce(
    rest: &Rest,
    round: usize,
    expected: &mut BTreeMap<String, (usize, String)>,
) -> Result<()> {
    let mut records = Vec::new();
    for key in 0..KEYS {
        let number = round * KEYS + key;
        // Base64 of bytes that no codec makes small, so that segments fill.
        let value: String = (0..120_usize)
            .map(|n| ALPHABET[(number * 7919 + n * n * 31) % 64] as char)
            .collect();
        let key = format!("k{key:03}");
        records.push(json!({ "key": key, "value": value }));
        expected.insert(key, (number, value));
    }
    let path = format!("/topics/{TOPIC}/partitions/0");
    let answer = rest.post(&path, &json!({ "records": records })).await?;
    ensure!(answer.is_success(), "{answer}");
    Ok(())
}

/// Reads everything in small steps and compares.
async fn check(
    rest: &Rest,
    expected: &BTreeMap<String, (usize, String)>,
    written: usize,
) -> Result<()> {
    let (mut from, mut read, mut last) = (0, 0, BTreeMap::new());
    while from < written {
        let path =
            format!("/topics/{TOPIC}/partitions/0/records?offset={from}&timeout=2000&max_bytes=1");
        let records: Vec<Value> = rest.get(&path).await?.success()?;
        ensure!(!records.is_empty(), "nothing is found at {from}");
        for record in &records {
            let offset = record["offset"].as_u64().context("an offset")?;
            let offset = usize::try_from(offset)?;
            ensure!(offset >= from, "{record} is before {from}");
            let text = |name: &str| record[name].as_str().unwrap_or_default().to_owned();
            last.insert(text("key"), (offset, text("value")));
            from = offset + 1;
            read += 1;
        }
    }
    ensure!(last == *expected, "{last:?} is not {expected:?}");
    ensure!(read < written / 2, "{read} of {written} records are left");
    Ok(())
}

/// What the segments of the partition take; the one that is being written has at most 4,096.
fn log_bytes(data: &Path) -> Result<u64> {
    let dir = data.join("logs").join(format!("{TOPIC}-0"));
    let mut bytes = 0;
    for entry in std::fs::read_dir(&dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            bytes += std::fs::metadata(&path)?.len();
        }
    }
    Ok(bytes)
}
