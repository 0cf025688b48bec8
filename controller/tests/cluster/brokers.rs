//! Brokers live, fall silent, die and leave.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Cluster, addresses, eventually, listeners, registration};

async fn broker_state(cluster: &Cluster, place: usize, broker: u32) -> Option<(String, String)> {
    let (_, body) = cluster.get(place, "/v1/brokers").await;
    let found = body["brokers"]
        .as_array()?
        .iter()
        .find(|found| found["broker_id"] == broker)?;
    Some((
        found["state"].as_str()?.to_owned(),
        found["reason"].as_str()?.to_owned(),
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_broker_is_fenced_and_comes_back() {
    let cluster = Cluster::start(3, "broker.session.timeout.ms = 400").await;
    let doors = addresses(&listeners(2).await);
    let leader = cluster.leader().await;
    let first = cluster.join(leader, 1, doors[0]).await;
    let second = cluster.join(leader, 2, doors[1]).await;
    let body = json!({"name": "t", "partitions": 4, "replication_factor": 2});
    assert_eq!(cluster.post(leader, "/v1/topics", &body).await.0, 200);
    eventually("the silent one is fenced", || async {
        assert_eq!(cluster.beat(leader, 1, first).await.0, 200);
        let state = broker_state(&cluster, leader, 2).await?;
        (state == ("fenced".to_owned(), "session-timeout".to_owned())).then_some(())
    })
    .await;
    let alive = broker_state(&cluster, leader, 1).await.unwrap();
    assert_eq!(alive.0, "active", "{alive:?}");
    let (_, topic) = cluster.get(leader, "/v1/topics/t").await;
    for partition in topic["partitions"].as_array().unwrap() {
        assert_eq!(partition["leader"], json!(1), "{partition}");
        assert_eq!(partition["isr"], json!([1]), "{partition}");
    }
    // The same registration comes back with a heartbeat.
    let (status, beaten) = cluster.beat(leader, 2, second).await;
    assert_eq!(
        (status, &beaten["is_fenced"]),
        (200, &json!(false)),
        "{beaten}"
    );
    let (status, stale) = cluster.beat(leader, 2, second - 1).await;
    assert_eq!(
        (status, &stale["kafka_error"]),
        (409, &json!("STALE_BROKER_EPOCH")),
        "{stale}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_death_that_can_be_seen_is_acted_on_at_once() {
    let cluster = Cluster::start(3, "broker.session.timeout.ms = 60000").await;
    let leader = cluster.leader().await;
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let epoch = cluster.join(leader, 7, address).await;
    let path = format!("/v1/brokers/7/session?broker_epoch={epoch}");
    let url = format!("http://{}{path}", cluster.addresses[leader]);

    // A follower sends the broker to the active controller.
    let follower = cluster.follower().await;
    let (status, body) = cluster.get(follower, &path).await;
    assert_eq!(
        (status, &body["kafka_error"]),
        (503, &json!("NOT_CONTROLLER")),
        "{body}"
    );

    // A connection that breaks while the broker still listens proves nothing.
    let session = cluster
        .named(crate::support::http().get(&url))
        .send()
        .await
        .unwrap();
    assert_eq!(session.status(), 200);
    let mut lines = session.bytes_stream();
    assert_eq!(lines.next().await.unwrap().unwrap(), "\n");
    drop(lines);
    let knocked = tokio::time::timeout(Duration::from_secs(10), door.accept()).await;
    knocked.expect("the controller knocks").unwrap();
    assert_eq!(broker_state(&cluster, leader, 7).await.unwrap().0, "active");

    let mut lines = cluster
        .named(crate::support::http().get(&url))
        .send()
        .await
        .unwrap()
        .bytes_stream();
    assert_eq!(lines.next().await.unwrap().unwrap(), "\n");
    drop(door);
    let began = Instant::now();
    drop(lines);
    eventually("it is fenced at once", || async {
        let state = broker_state(&cluster, leader, 7).await?;
        (state == ("fenced".to_owned(), "connection-refused".to_owned())).then_some(())
    })
    .await;
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_restarted_at_once_need_not_wait_for_its_past() {
    let cluster = Cluster::start(1, "broker.session.timeout.ms = 60000").await;
    let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = door.local_addr().unwrap();
    let epoch = cluster.join(0, 1, address).await;
    let mut other_run = registration(1, address);
    other_run["incarnation_id"] = json!("AAAAAAAAAAAAAAAAAAAACQ");
    let open = || async {
        let path = format!("/v1/brokers/1/session?broker_epoch={epoch}");
        let url = format!("http://{}{path}", cluster.addresses[0]);
        let request = cluster.named(crate::support::http().get(url)).send();
        let mut lines = request.await.unwrap().bytes_stream();
        assert_eq!(lines.next().await.unwrap().unwrap(), "\n");
        lines
    };
    let lines = open().await;
    let (status, body) = cluster.post(0, "/v1/brokers", &other_run).await;
    assert_eq!(status, 409, "it lives: {body}");

    // The listener stays, as that of the next process would: nobody is fenced.
    drop(lines);
    let registered = eventually("another run takes its place", || async {
        let (status, body) = cluster.post(0, "/v1/brokers", &other_run).await;
        (status == 200).then_some(body)
    })
    .await;
    assert!(registered["broker_epoch"].as_u64().unwrap() > epoch);
    let (status, body) = cluster.beat(0, 1, epoch).await;
    assert_eq!(status, 409, "the run before is no more: {body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_active_controller_gives_everybody_a_fresh_session() {
    let mut cluster = Cluster::start(3, "broker.session.timeout.ms = 2500").await;
    let leader = cluster.leader().await;
    let doors = addresses(&listeners(1).await);
    let epoch = cluster.join(leader, 1, doors[0]).await;
    cluster.kill(leader).await;
    let next = cluster.leader().await;
    assert_eq!(broker_state(&cluster, next, 1).await.unwrap().0, "active");
    let (status, beaten) = cluster.beat(next, 1, epoch).await;
    assert_eq!(
        (status, &beaten["is_fenced"]),
        (200, &json!(false)),
        "{beaten}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn registrations_and_isr_changes_are_judged() {
    let cluster = Cluster::start(1, "broker.session.timeout.ms = 60000").await;
    let doors = addresses(&listeners(2).await);
    let epoch = cluster.join(0, 1, doors[0]).await;
    cluster.join(0, 2, doors[1]).await;
    let mut other_run = registration(1, doors[0]);
    other_run["incarnation_id"] = json!("AAAAAAAAAAAAAAAAAAAACQ");
    let (status, body) = cluster.post(0, "/v1/brokers", &other_run).await;
    assert_eq!(status, 409, "{body}");
    assert_eq!(body["kafka_error"], json!("DUPLICATE_BROKER_REGISTRATION"));

    let create = json!({"name": "t", "assignments": {"0": [1, 2]}});
    let (status, topic) = cluster.post(0, "/v1/topics", &create).await;
    assert_eq!(status, 200, "{topic}");
    let partition = &topic["partitions"][0];
    let change = |isr: serde_json::Value, partition_epoch: &serde_json::Value| {
        json!({"broker_id": 1, "broker_epoch": epoch, "partitions": [{
            "partition": {"topic_id": topic["topic_id"], "partition": 0},
            "leader_epoch": partition["leader_epoch"], "partition_epoch": partition_epoch,
            "new_isr": isr,
        }]})
    };
    let shrunk = json!([{"broker_id": 1, "broker_epoch": epoch}]);
    let body = change(shrunk.clone(), &partition["partition_epoch"]);
    let (status, altered) = cluster.post(0, "/v1/partitions/alter", &body).await;
    assert_eq!(status, 200, "{altered}");
    assert_eq!(altered["partitions"][0]["isr"], json!([1]), "{altered}");
    // Based on what is no more.
    let (_, altered) = cluster.post(0, "/v1/partitions/alter", &body).await;
    assert_eq!(
        altered["partitions"][0]["error"],
        json!("INVALID_UPDATE_VERSION"),
        "{altered}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_told_what_is_wrong() {
    let cluster = Cluster::start(1, "").await;
    for (path, body, status, text) in [
        (
            "/v1/topics",
            json!({"partitions": 1}),
            400,
            "missing field `name`",
        ),
        (
            "/v1/topics",
            json!({"name": "a/b"}),
            400,
            "the character '/'",
        ),
        ("/v1/brokers", json!("x"), 400, "malformed body"),
        ("/v1/nothing", json!({}), 404, "no such path"),
        ("/v1/quorum", json!({}), 405, "not possible"),
    ] {
        let (found, answered) = cluster.post(0, path, &body).await;
        assert_eq!(found, status, "{path}: {answered}");
        assert!(
            answered["message"].as_str().unwrap().contains(text),
            "{path}: {answered}"
        );
    }
    let huge = vec![b' '; 9 * 1024 * 1024];
    let url = format!("http://{}/v1/topics", cluster.addresses[0]);
    let response = cluster.http.post(url).body(huge).send().await;
    assert!(response.is_err() || response.is_ok_and(|response| response.status() == 413));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_changes_at_once_are_all_answered() {
    let cluster = Cluster::start(3, "broker.session.timeout.ms = 60000").await;
    let doors = addresses(&listeners(1).await);
    let place = cluster.follower().await;
    cluster.join(place, 1, doors[0]).await;
    let creations = (0..200).map(|number| {
        let cluster = &cluster;
        async move {
            let body =
                json!({"name": format!("t{number}"), "partitions": 3, "replication_factor": 1});
            cluster.post(number % 3, "/v1/topics", &body).await
        }
    });
    for (status, body) in futures_util::future::join_all(creations).await {
        assert_eq!(status, 200, "{body}");
    }
    let (_, topics) = cluster.get(place, "/v1/topics").await;
    assert_eq!(topics["topics"].as_array().unwrap().len(), 200);
}
