//! A quorum comes to be; what does not belong to it is refused.

use serde_json::json;
use trimaran_controller::Controller;

use crate::support::{Cluster, addresses, answer, config, eventually, http, listeners, log};

#[tokio::test(flavor = "multi_thread")]
async fn three_empty_directories_become_one_cluster() {
    let cluster = Cluster::start(3, "").await;
    let mut ids = Vec::new();
    for place in 0..3 {
        let (status, body) = cluster.get(place, "/v1/cluster").await;
        assert_eq!(status, 200);
        assert_eq!(body["node"], json!(format!("controller-{}", place + 1)));
        ids.push(body["cluster_id"].as_str().unwrap().to_owned());
        assert_eq!(cluster.get(place, "/healthz").await.0, 200);
        eventually("it knows the voters", || async {
            let (_, quorum) = cluster.get(place, "/v1/quorum").await;
            (quorum["voters"].as_array()?.len() == 3).then_some(())
        })
        .await;
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    let leader = cluster.leader().await;
    let (_, quorum) = cluster.get(leader, "/v1/quorum").await;
    let lag = |voter: &serde_json::Value| voter["lag"].as_u64();
    eventually("the leader knows where the others are", || async {
        let (_, quorum) = cluster.get(leader, "/v1/quorum").await;
        quorum["voters"]
            .as_array()?
            .iter()
            .all(|voter| lag(voter) == Some(0))
            .then_some(())
    })
    .await;
    assert_eq!(quorum["observed_by"], json!(leader + 1));
    let metrics = cluster
        .http
        .get(format!("http://{}/metrics", cluster.addresses[leader]));
    let text = metrics.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("trimaran_controller_active 1"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_voter_is_a_quorum_and_a_lone_one_of_two_waits() {
    let cluster = Cluster::start(1, "cluster.id = 'AAAAAAAAAAAAAAAAAAAABQ'").await;
    let (_, body) = cluster.get(0, "/v1/cluster").await;
    assert_eq!(body["cluster_id"], json!("AAAAAAAAAAAAAAAAAAAABQ"));

    let listeners = listeners(2).await;
    let addresses = addresses(&listeners);
    let folder = tempfile::tempdir().unwrap();
    let lone = config(0, &addresses, folder.path(), "");
    let listener = listeners.into_iter().next().unwrap();
    let lone = Controller::start_on(lone, listener).await.unwrap();
    let expected = format!("it waits for controllers 2 at {} to answer", addresses[1]);
    eventually("it says what it waits for", || async {
        let url = format!("http://{}/readyz", addresses[0]);
        let (status, body) = answer(http().get(url)).await;
        (status == 503 && body.to_string().contains(&expected)).then_some(())
    })
    .await;
    let (status, body) = answer(http().get(format!("http://{}/v1/quorum", addresses[0]))).await;
    assert_eq!(
        (status, body["retriable"].as_bool()),
        (503, Some(true)),
        "{body}"
    );
    lone.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_disk_is_refused() {
    let mut cluster = Cluster::start(3, "").await;
    let victim = cluster.follower().await;
    cluster.stop(victim).await;
    std::fs::remove_dir_all(cluster.directory(victim)).unwrap();
    cluster.restart(victim).await;
    let error = cluster.controllers[victim]
        .as_mut()
        .unwrap()
        .ended()
        .await
        .unwrap_err();
    assert_eq!(error.exit_status(), 2);
    let expected = format!("the disk of controller {} was replaced", victim + 1);
    assert!(error.to_string().contains(&expected), "{error}");
    cluster.controllers[victim] = None;

    // A vanished log under a known identity is no better.
    let other = (0..3).find(|place| *place != victim).unwrap();
    cluster.kill(other).await;
    std::fs::remove_dir_all(cluster.directory(other).join("raft")).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let error = Controller::start_on(cluster.config(other), listener)
        .await
        .err()
        .unwrap();
    assert!(
        error.to_string().contains("has lost its metadata log"),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn controllers_of_two_clusters_refuse_each_other() {
    log();
    let first = Cluster::start(1, "").await;
    let second = Cluster::start(1, "").await;
    // A third controller whose configuration names one of each.
    let listeners = listeners(1).await;
    let mut mixed = vec![first.addresses[0], second.addresses[0]];
    mixed.extend(addresses(&listeners));
    let folder = tempfile::tempdir().unwrap();
    let lost = config(2, &mixed, folder.path(), "");
    let listener = listeners.into_iter().next().unwrap();
    let mut lost = Controller::start_on(lost, listener).await.unwrap();
    let error = lost.ended().await.unwrap_err().to_string();
    assert!(
        error.contains("belongs to cluster") || error.contains("was replaced"),
        "{error}"
    );

    // A raft call with another cluster's id changes nothing and says why.
    let url = format!("http://{}/raft/vote", first.addresses[0]);
    let request = http()
        .post(url)
        .header("trimaran-cluster-id", "AAAAAAAAAAAAAAAAAAAABQ");
    let (status, body) = answer(request.header("trimaran-raft-format", "1")).await;
    assert_eq!(status, 409, "{body}");
    assert_eq!(body["kafka_error"], json!("INCONSISTENT_CLUSTER_ID"));
}
