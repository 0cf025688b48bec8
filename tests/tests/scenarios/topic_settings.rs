//! A topic's settings, changed over HTTP: they are read back as set, on every broker, and undone.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use trimaran_tests::client::{Admin, Rest};
use trimaran_tests::cluster::{Cluster, ClusterSpec, scenario};

const TOPIC: &str = "settings";

#[test]
fn settings_are_changed_all_or_none_and_read_back_with_their_source() {
    scenario(&ClusterSpec::new(1, 1), run);
}

async fn run(cluster: &mut Cluster) -> Result<()> {
    let rest = Rest::new(cluster.http().clone(), cluster.broker_addresses(), 1)?;
    let admin = Admin::new(rest.clone());
    admin
        .create_topic(TOPIC, 1, 1, &[("flush.ms", "7")])
        .await?;
    let base = format!(
        "/v3/clusters/{}/topics/{TOPIC}/configs",
        admin.cluster_id().await?
    );
    expect(&rest, &base, "flush.ms", json!("7"), "DYNAMIC_TOPIC_CONFIG").await?;

    let alter = format!("{base}:alter");
    let entry = |name: &str, value: &str| json!({ "name": name, "value": value });
    let wrong = json!({ "data": [entry("retention.ms", "5"), entry("segment.ms", "0")] });
    let refused = rest.post(&alter, &wrong).await?;
    ensure!(refused.error_code() == Some(40002), "{refused}");
    let checked = json!({ "data": [entry("retention.ms", "5")], "validate_only": true });
    ensure!(rest.post(&alter, &checked).await?.status == 204);
    let week = json!("604800000");
    expect(&rest, &base, "retention.ms", week, "DEFAULT_CONFIG").await?;

    let right = json!({
        "data": [entry("retention.ms", "5"), { "name": "flush.ms", "operation": "DELETE" }]
    });
    let altered = rest.post(&alter, &right).await?;
    ensure!(altered.status == 204, "{altered}");
    expect(
        &rest,
        &base,
        "retention.ms",
        json!("5"),
        "DYNAMIC_TOPIC_CONFIG",
    )
    .await?;
    expect(&rest, &base, "flush.ms", Value::Null, "DEFAULT_CONFIG").await?;
    let reset = rest.delete(&format!("{base}/retention.ms")).await?;
    ensure!(reset.status == 204, "{reset}");
    let week = json!("604800000");
    expect(&rest, &base, "retention.ms", week, "DEFAULT_CONFIG").await
}

/// The answer to a change comes when the broker that answered knows of it.
async fn expect(rest: &Rest, base: &str, name: &str, value: Value, source: &str) -> Result<()> {
    let answer = rest.get(&format!("{base}/{name}")).await?;
    ensure!(
        answer.body["value"] == value && answer.body["source"] == source,
        "{name} should be {value} from {source}: {answer}"
    );
    Ok(())
}
