//! A controller that missed more than the log keeps catches up by snapshot.

use serde_json::json;

use crate::support::{Cluster, addresses, eventually, listeners};

#[tokio::test(flavor = "multi_thread")]
async fn a_late_controller_gets_a_snapshot() {
    let settings = "broker.session.timeout.ms = 60000\n\
        metadata.log.entries.between.snapshots = 50\nmetadata.log.entries.kept = 10";
    let mut cluster = Cluster::start(3, settings).await;
    let doors = addresses(&listeners(1).await);
    let late = cluster.follower().await;
    cluster.kill(late).await;
    let leader = cluster.leader().await;
    cluster.join(leader, 1, doors[0]).await;
    for round in 0..150 {
        let body = json!({"name": format!("t{round}"), "partitions": 1, "replication_factor": 1});
        let (status, created) = cluster.post(leader, "/v1/topics", &body).await;
        assert_eq!(status, 200, "{created}");
    }
    eventually("the log is cut", || async {
        let (_, quorum) = cluster.get(leader, "/v1/quorum").await;
        (quorum["log_start"].as_u64()? > 20 && quorum["snapshot_index"].is_u64()).then_some(())
    })
    .await;

    // Who follows the feed from too early a point is told where to begin.
    let (_, page) = cluster.get(leader, "/v1/metadata/log?from=1").await;
    if page["snapshot"].is_object() {
        let path = page["snapshot"]["path"].as_str().unwrap();
        let (status, snapshot) = cluster.get(leader, path).await;
        assert_eq!(status, 200);
        assert_eq!(
            page["next"].as_u64(),
            snapshot["snapshot"]["position"]["index"]
                .as_u64()
                .map(|index| index + 1)
        );
    }

    cluster.restart(late).await;
    eventually("the late one has everything", || async {
        (cluster.applied_topics(late).await.len() == 150).then_some(())
    })
    .await;
    let (_, quorum) = cluster.get(late, "/v1/quorum").await;
    assert!(
        quorum["snapshot_index"].is_u64(),
        "it came by snapshot: {quorum}"
    );
    let (_, page) = cluster.get(late, "/v1/metadata/log?from=1").await;
    assert!(
        page["snapshot"].is_object(),
        "it never had the beginning: {page}"
    );

    // And it is a full member: alone with one other it forms a quorum, and so after a restart.
    cluster.kill(late).await;
    cluster.restart(late).await;
    let leader = cluster.leader().await;
    let other = (0..3).find(|place| *place != leader && *place != late);
    if let Some(other) = other {
        cluster.kill(other).await;
    }
    let place = cluster.leader().await;
    let body = json!({"name": "last", "partitions": 1, "replication_factor": 1});
    let (status, created) = cluster.post(place, "/v1/topics", &body).await;
    assert_eq!(status, 200, "{created}");
}
