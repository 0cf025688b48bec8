//! Changes survive the loss of controllers.

use serde_json::json;

use crate::support::{Cluster, addresses, eventually, listeners};

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_leaders_and_restarts() {
    let mut cluster = Cluster::start(3, "broker.session.timeout.ms = 60000").await;
    let doors = listeners(3).await;
    let doors = addresses(&doors);
    let follower = cluster.follower().await;
    for broker in 1..=3 {
        cluster
            .join(follower, broker, doors[broker as usize - 1])
            .await;
    }
    let (status, created) = cluster.create_topic(follower, "first").await;
    assert_eq!(status, 200, "{created}");
    assert_eq!(created["partitions"].as_array().unwrap().len(), 2);
    let (status, again) = cluster.create_topic(follower, "first").await;
    assert_eq!(
        (status, &again["kafka_error"]),
        (400, &json!("TOPIC_ALREADY_EXISTS")),
        "{again}"
    );

    let leader = cluster.leader().await;
    cluster.kill(leader).await;
    let second = cluster.follower().await;
    let (status, created) = cluster.create_topic(second, "second").await;
    assert_eq!(status, 200, "{created}");
    cluster.restart(leader).await;

    // A leader that is asked to stop hands over; the change is not lost either.
    let leader = cluster.leader().await;
    cluster.stop(leader).await;
    let third = cluster.follower().await;
    let (status, created) = cluster.create_topic(third, "third").await;
    assert_eq!(status, 200, "{created}");
    let (status, deleted) = cluster.delete(third, "/v1/topics/first").await;
    assert_eq!(status, 200, "{deleted}");
    cluster.restart(leader).await;

    for place in 0..3 {
        cluster.kill(place).await;
    }
    for place in 0..3 {
        cluster.restart(place).await;
    }
    cluster.leader().await;
    for place in 0..3 {
        eventually("every controller has applied every change", || async {
            (cluster.applied_topics(place).await == ["second", "third"]).then_some(())
        })
        .await;
    }
    // At one index all of them hold the same image.
    let mut trees = Vec::new();
    for place in 0..3 {
        trees.push(cluster.get(place, "/v1/metadata/get").await.1);
    }
    assert_eq!(trees[0]["topics"], trees[1]["topics"]);
    assert_eq!(trees[0]["topics"], trees[2]["topics"]);
    assert_eq!(trees[0]["brokers"], trees[2]["brokers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_the_answer_names_who_is_there() {
    let mut cluster = Cluster::start(3, "controller.request.timeout.ms = 1000").await;
    let leader = cluster.leader().await;
    let rest: Vec<usize> = (0..3).filter(|place| *place != leader).collect();
    cluster.kill(leader).await;
    cluster.kill(rest[0]).await;
    let last = rest[1];
    eventually("it has lost its leader", || async {
        (cluster.get(last, "/readyz").await.0 == 503).then_some(())
    })
    .await;
    let (status, body) = cluster.create_topic(last, "never").await;
    assert_eq!(status, 503, "{body}");
    assert_eq!(body["kafka_error"], json!("NOT_CONTROLLER"));
    assert_eq!(body["retriable"], json!(true));
    assert_eq!(body["details"]["reachable"], json!([last + 1]));
    assert_eq!(body["details"]["unreachable"].as_array().unwrap().len(), 2);
    // What it knows it still tells.
    assert_eq!(cluster.get(last, "/v1/topics").await.0, 200);
    assert_eq!(cluster.get(last, "/v1/metadata/get/brokers").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_cut_off_from_the_others_confirms_nothing() {
    let mut cluster = Cluster::start(3, "controller.request.timeout.ms = 1000").await;
    let leader = cluster.leader().await;
    let doors = addresses(&listeners(1).await);
    let epoch = cluster.join(leader, 2, doors[0]).await;
    let known = cluster.get(leader, "/v1/metadata/get/brokers").await.1;
    for place in (0..3).filter(|place| *place != leader) {
        cluster.kill(place).await;
    }
    let doors = addresses(&listeners(1).await);
    let registration = crate::support::registration(1, doors[0]);
    let (status, body) = cluster.post(leader, "/v1/brokers", &registration).await;
    assert!(status >= 500, "{status} {body}");
    assert_eq!(body["retriable"], json!(true), "{body}");
    let applied = cluster.get(leader, "/v1/metadata/get/brokers").await.1;
    assert_eq!(applied, known, "nothing unconfirmed is visible");

    // It notices, and sends its brokers away.
    eventually("it leads in vain", || async {
        let (status, quorum) = cluster.get(leader, "/v1/quorum").await;
        (status == 200 && quorum["leader_id"].is_null()).then_some(())
    })
    .await;
    let session = format!("/v1/brokers/2/session?broker_epoch={epoch}");
    for (status, body) in [
        cluster.beat(leader, 2, epoch).await,
        cluster.get(leader, &session).await,
    ] {
        assert_eq!(
            (status, &body["kafka_error"], &body["retriable"]),
            (503, &json!("NOT_CONTROLLER"), &json!(true)),
            "{body}"
        );
    }
}
