//! The streamed produce of v3: a bad record costs itself, a bad stream ends, what was answered holds.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimaran_tests::client::{Admin, Answer, Rest, end_offset};
use trimaran_tests::cluster::{Cluster, ClusterSpec, scenario};
use trimaran_types::PartitionIndex;

const GOOD: &str = r#"{"partition_id":0,"value":{"type":"JSON","data":1}}"#;
const BAD_BASE64: &str = r#"{"partition_id":0,"value":{"type":"BINARY","data":"!!"}}"#;
const BAD_PARTITION: &str = r#"{"partition_id":7,"value":{"type":"JSON","data":1}}"#;
const BAD_TYPE: &str = r#"{"partition_id":0,"value":{"type":"PICTURE","data":1}}"#;

#[test]
fn a_bad_record_in_a_stream_costs_only_itself_and_broken_json_ends_it() {
    scenario(&ClusterSpec::new(1, 2), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    admin.create_topic("stream", 1, 2, &[]).await?;
    let cluster_id = admin.cluster_id().await?;
    let path = format!("/v3/clusters/{cluster_id}/topics/stream/records");
    let too_large = format!(
        r#"{{"partition_id":0,"value":{{"type":"STRING","data":"{}"}}}}"#,
        "x".repeat(1024 * 1024 + 1)
    );
    // The stream, the codes of its answers, and how many records it adds.
    let streams = [
        (format!("{GOOD}{GOOD}"), vec![200, 200], 2),
        (
            format!("{GOOD}\n{BAD_BASE64} {GOOD}"),
            vec![200, 400, 200],
            2,
        ),
        (format!("{BAD_TYPE}{GOOD}"), vec![400, 200], 1),
        (format!("{BAD_PARTITION}{GOOD}"), vec![40402, 200], 1),
        (format!("{GOOD} this is no JSON {GOOD}"), vec![200, 400], 1),
        (format!("{GOOD}{}", &GOOD[..20]), vec![200, 400], 1),
        (format!("{GOOD}{too_large}"), vec![200, 413], 1),
    ];
    for broker in rest.brokers() {
        for (body, expected, adds) in &streams {
            let before = end(&rest, broker).await?;
            let told: String = body.chars().take(200).collect();
            let codes = produce(&rest, broker, &path, body)
                .await
                .with_context(|| told.clone())?;
            ensure!(
                codes == *expected,
                "{told}: expected {expected:?}, got {codes:?}"
            );
            let added = end(&rest, broker).await? - before;
            ensure!(
                added == *adds,
                "{told}: {added} records were added, not {adds}"
            );
        }
        whole_refusals(&rest, broker, &cluster_id).await?;
    }
    Ok(())
}

async fn end(rest: &Rest, broker: &str) -> Result<i64> {
    let offsets = end_offset(rest, broker, "stream", PartitionIndex(0)).await?;
    Ok(offsets.end_offset.0)
}

/// The `error_code` of each answer in the stream.
async fn produce(rest: &Rest, broker: &str, path: &str, body: &str) -> Result<Vec<u64>> {
    let request = rest.http().post(format!("http://{broker}{path}"));
    let request = request
        .header("content-type", "application/json")
        .body(body.to_owned());
    let answer = request.send().await?;
    ensure!(answer.status() == 200, "status {}", answer.status());
    let bytes = answer.bytes().await?;
    let answers = serde_json::Deserializer::from_slice(&bytes).into_iter::<Value>();
    let code = |answer: Value| answer.get("error_code").and_then(Value::as_u64);
    answers
        .map(|answer| code(answer?).context("an answer without error_code"))
        .collect()
}

/// What is refused before the stream begins.
async fn whole_refusals(rest: &Rest, broker: &str, cluster_id: &str) -> Result<()> {
    let rows = [
        ("nowhere", GOOD, (404, 40401)),
        ("a%20b", GOOD, (422, 40002)),
        ("stream", "", (422, 42206)),
    ];
    for (topic, body, (status, code)) in rows {
        let url = format!("http://{broker}/v3/clusters/{cluster_id}/topics/{topic}/records");
        let request = rest
            .http()
            .post(url)
            .header("content-type", "application/json");
        let response = request.body(body).send().await?;
        let status_told = response.status().as_u16();
        let body = serde_json::from_slice(&response.bytes().await?).unwrap_or(Value::Null);
        let answer = Answer {
            status: status_told,
            body,
        };
        ensure!(
            answer.status == status && answer.error_code() == Some(code),
            "{topic}: expected {status} {code}, got {answer}"
        );
    }
    Ok(())
}
