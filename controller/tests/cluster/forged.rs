//! Raft calls that no controller can have sent.

use serde_json::{Value, json};
use trimaran_api::body::to_msgpack;

use crate::support::{Answer, Cluster, answer};

impl Cluster {
    /// A raft call that names its target rightly.
    async fn raft(&self, place: usize, path: &str, body: &Value) -> Answer {
        let property = |name: &str| self.property(place, name).unwrap();
        let request = self
            .http
            .post(format!("http://{}{path}", self.addresses[place]))
            .header("trimaran-cluster-id", property("cluster.id"))
            .header("trimaran-source-node", "controller-9")
            .header("trimaran-target-node", format!("controller-{}", place + 1))
            .header("trimaran-target-directory", property("directory.id"))
            .header("trimaran-raft-format", "1")
            .body(to_msgpack(body).unwrap());
        answer(request).await
    }
}

#[tokio::test]
async fn a_forged_term_or_index_never_reaches_raft() {
    let cluster = Cluster::start(3, "").await;
    let follower = cluster.follower().await;
    let (_, quorum) = cluster.get(follower, "/v1/quorum").await;
    let term = quorum["leader_epoch"].as_u64().unwrap();
    let vote = |term: u64, committed: bool| json!({"leader_id": {"term": term, "voted_for": 1}, "committed": committed});
    let log_id = |term: u64, index: u64| json!({"leader_id": term, "index": index});
    let append = |term: u64, prev: Value| json!({"vote": vote(term, true), "prev_log_id": prev, "entries": [], "leader_commit": null});
    let candidate =
        |term: u64, last: Value| json!({"vote": vote(term, false), "last_log_id": last});
    let calls = [
        ("/raft/vote", candidate(u64::MAX, Value::Null)),
        (
            "/raft/vote",
            candidate(u64::MAX, log_id(u64::MAX, u64::MAX)),
        ),
        ("/raft/vote", candidate(term, log_id(term, u64::MAX))),
        ("/raft/pre-vote", candidate(u64::MAX, Value::Null)),
        ("/raft/append", append(u64::MAX, Value::Null)),
        ("/raft/append", append(term, log_id(term, u64::MAX))),
        (
            "/raft/transfer-leader",
            json!({"from_leader": vote(u64::MAX, true), "to_node_id": follower + 1, "last_log_id": null}),
        ),
    ];
    for (path, body) in calls {
        let (status, refused) = cluster.raft(follower, path, &body).await;
        assert_eq!(status, 400, "{path} {body}: {refused}");
        let message = refused["message"].as_str().unwrap();
        assert!(message.contains("too far above"), "{message}");
    }
    // A vote within reach is judged by raft, so the calls above were well-formed.
    let (status, judged) = cluster
        .raft(follower, "/raft/vote", &candidate(1, Value::Null))
        .await;
    assert_eq!(status, 200, "{judged}");
    let leader = cluster.leader().await;
    let door = std::net::SocketAddr::from(([127, 0, 0, 1], 1));
    cluster.join(leader, 1, door).await;
    assert_eq!(cluster.create_topic(leader, "after").await.0, 200);
}

#[tokio::test]
async fn who_names_another_cluster_or_controller_is_refused_everywhere() {
    let cluster = Cluster::start(3, "").await;
    let leader = cluster.leader().await;
    let call = |place: usize, method: &str, path: &str| {
        let url = format!("http://{}{path}", cluster.addresses[place]);
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        cluster.http.request(method, url).json(&json!({}))
    };
    let routes = [
        ("POST", "/v1/brokers"),
        ("POST", "/v1/brokers/heartbeat"),
        ("GET", "/v1/brokers/1/session?broker_epoch=1"),
        ("POST", "/v1/partitions/alter"),
        ("POST", "/v1/topics"),
        ("DELETE", "/v1/topics/a"),
        ("GET", "/v1/metadata/log"),
    ];
    let own = cluster.property(leader, "cluster.id").unwrap();
    for (method, path) in routes {
        let foreign =
            call(leader, method, path).header("trimaran-cluster-id", "AAAAAAAAAAAAAAAAAAAAAA");
        let (status, refused) = answer(foreign).await;
        assert_eq!(status, 409, "{path}: {refused}");
        assert_eq!(
            refused["kafka_error"],
            json!("INCONSISTENT_CLUSTER_ID"),
            "{path}"
        );
        let other = call(leader, method, path)
            .header("trimaran-cluster-id", &own)
            .header("trimaran-target-node", "controller-9");
        let (status, refused) = answer(other).await;
        assert_eq!(status, 409, "{path}: {refused}");
    }
    // Who is a broker must say of which cluster; who is not need not.
    for (method, path) in &routes[1..4] {
        assert_eq!(answer(call(leader, method, path)).await.0, 409, "{path}");
    }
    assert_eq!(answer(call(leader, "GET", "/v1/topics")).await.0, 200);
    // By way of a follower the cluster is still named.
    let door = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let epoch = cluster.join(leader, 1, door.local_addr().unwrap()).await;
    let follower = cluster.follower().await;
    let (status, beaten) = cluster.beat(follower, 1, epoch).await;
    assert_eq!(status, 200, "{beaten}");
    // More than the controllers have is not believed.
    let (_, position) = cluster.get(leader, "/v1/metadata/get/position").await;
    let (_, brokers) = cluster.get(leader, "/v1/brokers").await;
    let claimed = brokers["brokers"][0]["metadata_end"].as_u64().unwrap();
    assert!(
        claimed <= position["next_offset"].as_u64().unwrap(),
        "{brokers}"
    );
}
