//! The client listener, over partitions in memory.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use trimaran_api::ApiError;
use trimaran_types::KafkaError;

use super::Refusal;
use super::test_client::{TestBroker, cluster_id};
use crate::routing::fake::partition;
use crate::routing::{unknown_outcome, with_outcome};

const JSON: &str = "application/vnd.kafka.json.v2+json";
const BINARY: &str = "application/vnd.kafka.binary.v2+json";

fn records(broker_path: &str) -> String {
    format!("{broker_path}/records?offset=0&timeout=0&max_bytes=100000")
}

#[tokio::test]
async fn what_is_produced_can_be_read_in_every_format() {
    let broker = TestBroker::serving();
    let body = r#"{"records":[{"key":"k","value":{"a": 1.0},"partition":1,"timestamp":5},
        {"value":null,"partition":1}]}"#;
    let answer = broker.post("/topics/t", JSON, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(
        answer.json(),
        json!({"offsets":[
            {"partition":1,"offset":0,"error_code":null,"error":null},
            {"partition":1,"offset":1,"error_code":null,"error":null}],
            "key_schema_id":null,"value_schema_id":null})
    );
    assert_eq!(
        answer.headers["content-type"],
        "application/vnd.kafka.v2+json"
    );
    let request = Request::get(records("/topics/t/partitions/1"))
        .header("accept", JSON)
        .body(Body::empty())
        .unwrap();
    let read = broker.ask(request).await;
    assert!(read.text.starts_with(
        r#"[{"topic":"t","key":"k","value":{"a": 1.0},"partition":1,"offset":0,"timestamp":5}"#
    ));
    assert_eq!(read.headers["content-type"], JSON);
    let read = broker.get(&records("/topics/t/partitions/1")).await.json();
    assert_eq!(read[0]["key"], "Imsi");
    assert_eq!(read[1]["value"], Value::Null);
    let offsets = broker.get("/topics/t/partitions/1/offsets").await.json();
    assert_eq!(offsets, json!({"beginning_offset":0,"end_offset":2}));
    let tail = broker
        .get("/topics/t/partitions/1/records?offset=latest&timeout=0")
        .await;
    assert_eq!(tail.text, "[]");
}

#[tokio::test]
async fn one_bad_record_refuses_all_and_writes_nothing() {
    let broker = TestBroker::serving();
    for (path, kind, body, code) in [
        (
            "/topics/t",
            JSON,
            r#"{"records":[{"value":1,"partition":0},{"value":1,"partition":9}]}"#,
            40402,
        ),
        (
            "/topics/t/partitions/0",
            BINARY,
            r#"{"records":[{"value":"AAAA"},{"value":"!!"}]}"#,
            400,
        ),
        (
            "/topics/t/partitions/9",
            JSON,
            r#"{"records":[{"value":1}]}"#,
            40402,
        ),
        (
            "/topics/t/partitions/x",
            JSON,
            r#"{"records":[{"value":1}]}"#,
            404,
        ),
        (
            "/topics/nowhere",
            JSON,
            r#"{"records":[{"value":1}]}"#,
            40401,
        ),
        ("/topics/a%2fb", JSON, r#"{"records":[{"value":1}]}"#, 40002),
        (
            "/topics/%2e%2e",
            JSON,
            r#"{"records":[{"value":1}]}"#,
            40002,
        ),
        ("/topics/%ff", JSON, r#"{"records":[{"value":1}]}"#, 400),
        (
            "/topics/t",
            "text/html",
            r#"{"records":[{"value":1}]}"#,
            415,
        ),
        ("/topics/t", JSON, "", 400),
    ] {
        let answer = broker.post(path, kind, body).await;
        assert_eq!(answer.error_code(), code, "{path} {body}: {answer:?}");
        // No controller says that there is no such topic.
        assert_eq!(answer.json()["retriable"], code == 40401, "{path} {body}");
    }
    for number in 0..2 {
        let path = format!("/topics/t/partitions/{number}/offsets");
        assert_eq!(broker.get(&path).await.json()["end_offset"], 0);
    }
}

#[tokio::test]
async fn a_refused_write_says_in_its_status_that_nothing_was_written() {
    let broker = TestBroker::serving();
    let body = r#"{"records":[{"value":1}]}"#;
    // Nobody leads partition 2.
    let answer = broker.post("/topics/t/partitions/2", JSON, body).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (503, 50302));
    assert_eq!(answer.json()["kafka_error"], "LEADER_NOT_AVAILABLE");
    assert_eq!(answer.json()["details"]["outcome"], "nothing-written");
    assert_eq!(answer.headers["retry-after"], "1");
    let too_few = ApiError::kafka(KafkaError::NotEnoughReplicas, "too few in-sync replicas");
    broker.partitions.refuse(partition(1, 0), too_few);
    let answer = broker.post("/topics/t/partitions/0", JSON, body).await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (503, 50302));
    // One partition took its record, so the request succeeded in part.
    let body = r#"{"records":[{"value":1,"partition":0},{"value":1,"partition":1}]}"#;
    let answer = broker.post("/topics/t", JSON, body).await;
    assert_eq!(answer.status, 200);
    let entries = &answer.json()["offsets"];
    assert_eq!(entries[0]["error_code"], 50003);
    assert_eq!(entries[0]["outcome"], "nothing-written");
    assert_eq!(entries[1]["offset"], 0);
}

#[tokio::test]
async fn an_unknown_outcome_is_told_record_by_record() {
    let broker = TestBroker::serving();
    let unknown = unknown_outcome(KafkaError::RequestTimedOut, "no answer in time");
    broker.partitions.refuse(partition(1, 0), unknown);
    let body = r#"{"records":[{"value":1},{"value":2}]}"#;
    let answer = broker.post("/topics/t/partitions/0", JSON, body).await;
    assert_eq!(answer.status, 200);
    for entry in answer.json()["offsets"].as_array().unwrap() {
        assert_eq!(entry["error_code"], 50003);
        assert_eq!(entry["outcome"], "unknown");
        assert!(
            entry["error"]
                .as_str()
                .unwrap()
                .contains("may have been written")
        );
    }
    let deposed = ApiError::kafka(KafkaError::NotLeaderOrFollower, "deposed");
    let deposed = with_outcome(deposed, trimaran_api::rest::WriteOutcome::Unknown);
    broker.partitions.refuse(partition(1, 0), deposed);
    let answer = broker.post("/topics/t/partitions/0", JSON, body).await;
    assert_eq!(answer.json()["offsets"][0]["outcome"], "unknown");
}

#[tokio::test]
async fn metadata_stands_in_the_field_s_own_shapes() {
    let broker = TestBroker::serving();
    assert_eq!(broker.get("/").await.json(), json!({}));
    assert_eq!(broker.get("/topics/").await.json(), json!(["t"]));
    assert_eq!(
        broker.get("/brokers").await.json(),
        json!({"brokers":[1,2,3]})
    );
    let topic = broker.get("/topics/t").await.json();
    assert_eq!(topic["name"], "t");
    assert_eq!(topic["configs"]["cleanup.policy"], "delete");
    assert_eq!(
        topic["partitions"][0],
        json!({"partition":0,"leader":1,"replicas":[
            {"broker":1,"leader":true,"in_sync":true},
            {"broker":2,"leader":false,"in_sync":true},
            {"broker":3,"leader":false,"in_sync":true}]})
    );
    let partition = broker.get("/topics/t/partitions/2").await.json();
    assert_eq!(partition["leader"], -1);
    let partitions = broker.get("/topics/t/partitions").await.json();
    assert_eq!(partitions.as_array().unwrap().len(), 3);
    for base in ["/v3", "/kafka/v3"] {
        let clusters = broker.get(&format!("{base}/clusters")).await.json();
        assert_eq!(clusters["kind"], "KafkaClusterList");
        assert_eq!(clusters["metadata"]["next"], Value::Null);
        assert_eq!(clusters["data"][0]["cluster_id"], cluster_id().to_string());
    }
    let path = format!("/v3/clusters/{}/topics/t", cluster_id());
    let topic = broker.get(&path).await.json();
    assert_eq!(topic["partitions_count"], 3);
    assert_eq!(topic["replication_factor"], 3);
    assert_eq!(
        topic["metadata"]["self"],
        format!("http://127.0.0.1:8082{path}")
    );
    let path = format!("/v3/clusters/{}/brokers/2", cluster_id());
    assert_eq!(broker.get(&path).await.json()["port"], 2);
}

#[tokio::test]
async fn what_is_not_there_has_its_code() {
    let broker = TestBroker::serving();
    for (path, status, code) in [
        ("/topics/nowhere", 404, 40403),
        ("/topics/nowhere/partitions", 404, 40403),
        ("/topics/t/partitions/7", 404, 40402),
        ("/topics/t/partitions/7/offsets", 404, 40402),
        ("/topics/t/partitions/x", 404, 404),
        ("/nothing/here", 404, 404),
        ("/v3/clusters/nobody", 404, 404),
        ("/v3/clusters/nobody/topics", 404, 404),
        ("/v1/replica/fetch", 404, 404),
        ("/v1/metadata/snapshot", 404, 404),
        ("/v1/metadata/get/a/%2e%2e/b", 404, 404),
        ("/v1/quorum", 503, 50302),
        (
            "/topics/t/partitions/0/records?timeout=0&max_bytes=9",
            400,
            40002,
        ),
        ("/topics/t/partitions/0/records?offset=-5", 400, 40002),
        (
            "/topics/t/partitions/0/records?offset=0&timeout=soon",
            400,
            40002,
        ),
        (
            "/topics/t/partitions/0/records?offset=9&timeout=0",
            400,
            40002,
        ),
    ] {
        let answer = broker.get(path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error_code()),
            (status, code),
            "{path}: {answer:?}"
        );
    }
    for (method, path) in [
        ("DELETE", "/topics/t"),
        ("PATCH", "/topics"),
        ("POST", "/v1/topics"),
        ("DELETE", "/v1/topics/t"),
        ("POST", "/v1/brokers"),
    ] {
        let request = Request::builder().method(method).uri(path);
        let answer = broker.ask(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.error_code(), 405, "{method} {path}");
        assert!(answer.text.contains(method));
    }
}

#[tokio::test]
async fn admin_requests_are_checked_here_and_need_the_controllers() {
    let broker = TestBroker::serving();
    let path = format!("/v3/clusters/{}/topics", cluster_id());
    for (body, status, code) in [
        ("{", 400, 400),
        ("[]", 400, 400),
        ("{}", 400, 400),
        (r#"{"topic_name":"a b"}"#, 422, 42206),
        (r#"{"topic_name":""}"#, 422, 42206),
        (r#"{"topic_name":"a","colour":1}"#, 422, 422),
        (r#"{"topic_name":"a","partitions_count":"many"}"#, 400, 400),
        (
            r#"{"topic_name":"a","replicas_assignments":{"x":[1]}}"#,
            400,
            40002,
        ),
        (r#"{"topic_name":"a","partitions_count":"3"}"#, 503, 50302),
        (r#"{"topic_name":"a"}"#, 503, 50302),
    ] {
        let answer = broker.post(&path, "application/json", body).await;
        assert_eq!(
            (answer.status.as_u16(), answer.error_code()),
            (status, code),
            "{body}: {answer:?}"
        );
    }
    let answer = broker.post(&path, "text/xml", "{}").await;
    assert_eq!(answer.error_code(), 415);
}

#[tokio::test]
async fn what_a_v3_topic_links_to_is_there() {
    let broker = TestBroker::serving();
    let base = format!("/v3/clusters/{}/topics/t", cluster_id());
    let url = |path: &str| format!("http://127.0.0.1:8082{base}{path}");
    let partitions = broker.get(&format!("{base}/partitions")).await.json();
    assert_eq!(partitions["kind"], "KafkaPartitionList");
    assert_eq!(
        partitions["metadata"],
        json!({"self": url("/partitions"), "next": null})
    );
    assert_eq!(partitions["data"].as_array().unwrap().len(), 3);
    let partition = broker.get(&format!("{base}/partitions/1")).await.json();
    assert_eq!(partitions["data"][1], partition);
    let crn = format!("crn:///kafka={}/topic=t/partition=1", cluster_id());
    assert_eq!(
        partition,
        json!({"kind": "KafkaPartition",
            "metadata": {"self": url("/partitions/1"), "resource_name": crn},
            "cluster_id": cluster_id(), "topic_name": "t", "partition_id": 1,
            "leader": {"related": url("/partitions/1/replicas/1")},
            "replicas": {"related": url("/partitions/1/replicas")},
            "reassignment": {"related": url("/partitions/1/reassignment")}})
    );
    let leaderless = broker.get(&format!("{base}/partitions/2")).await.json();
    assert_eq!(leaderless.get("leader"), None);
    let replicas = broker.get(&format!("{base}/partitions/1/replicas")).await;
    assert_eq!(replicas.json()["kind"], "KafkaReplicaList");
    let replica = broker
        .get(&format!("{base}/partitions/1/replicas/1"))
        .await
        .json();
    assert_eq!(replicas.json()["data"][0], replica);
    assert_eq!(
        (&replica["is_leader"], &replica["is_in_sync"]),
        (&json!(true), &json!(true))
    );
    let config = broker
        .get(&format!("{base}/configs/retention.ms"))
        .await
        .json();
    let crn = format!("crn:///kafka={}/topic=t/config=retention.ms", cluster_id());
    assert_eq!(
        config,
        json!({"kind": "KafkaTopicConfig",
            "metadata": {"self": url("/configs/retention.ms"), "resource_name": crn},
            "cluster_id": cluster_id(), "topic_name": "t", "name": "retention.ms",
            "value": "604800000", "is_default": true, "is_read_only": false,
            "is_sensitive": false, "source": "DEFAULT_CONFIG",
            "synonyms": [{"name": "log.retention.ms", "value": "604800000",
                "source": "DEFAULT_CONFIG"}]})
    );
    let configs = broker.get(&format!("{base}/configs")).await.json();
    assert_eq!(configs["kind"], "KafkaTopicConfigList");
    assert!(
        configs["data"].as_array().unwrap().contains(&config),
        "{configs}"
    );
}

/// Where a controller listens that has one answer to everything.
async fn controller_that_refuses(refusal: ApiError) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = move || std::future::ready(Refusal(refusal.clone()));
    let app = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

#[tokio::test]
async fn that_a_topic_is_unknown_is_final_only_by_the_controllers_word() {
    let broker = TestBroker::serving();
    let answer = broker.get("/topics/nowhere").await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (404, 40403));
    assert_eq!(answer.json()["retriable"], true);
    let told = ApiError::kafka(KafkaError::UnknownTopicOrPartition, "no such topic");
    let broker = TestBroker::serving_by(controller_that_refuses(told).await);
    let answer = broker.get("/topics/nowhere").await;
    assert_eq!((answer.status.as_u16(), answer.error_code()), (404, 40403));
    assert_eq!(answer.json()["retriable"], false);
}

#[tokio::test]
async fn what_lies_below_a_v3_topic_is_checked_like_everything_else() {
    let broker = TestBroker::serving();
    let cluster = cluster_id();
    for (path, code) in [
        ("topics/nowhere/partitions", 40403),
        ("topics/t/partitions/7", 40402),
        ("topics/t/partitions/x", 404),
        ("topics/t/partitions/0/replicas/99", 404),
        ("topics/t/configs/no.such", 404),
        ("topics/nowhere/configs", 40403),
    ] {
        let answer = broker.get(&format!("/v3/clusters/{cluster}/{path}")).await;
        assert_eq!(answer.error_code(), code, "{path}: {answer:?}");
    }
    assert_eq!(
        broker
            .get("/v3/clusters/x/topics/t/configs")
            .await
            .error_code(),
        404
    );
    let base = format!("/v3/clusters/{cluster}/topics/t/configs");
    for (path, body, code) in [
        (":alter", "{", 400),
        (":alter", r#"{"data":[{"name":"retention.ms"}]}"#, 40002),
        (
            ":alter",
            r#"{"data":[{"name":"x","operation":"ADD"}]}"#,
            400,
        ),
        (":alter", r#"{"data":[],"more":1}"#, 422),
        (
            ":alter",
            r#"{"data":[{"name":"retention.ms","operation":"DELETE"}]}"#,
            50302,
        ),
    ] {
        let answer = broker
            .post(&format!("{base}{path}"), "application/json", body)
            .await;
        assert_eq!(answer.error_code(), code, "{body}: {answer:?}");
    }
    let set = Request::put(format!("{base}/retention.ms")).body(Body::from(r#"{"value":"1"}"#));
    let answer = broker.ask(set.unwrap()).await;
    assert_eq!(answer.error_code(), 50302);
    assert_eq!(answer.json()["details"]["outcome"], "nothing-written");
}

#[tokio::test]
async fn bodies_over_the_bound_are_refused_declared_or_not() {
    let broker = TestBroker::serving();
    let declared = Request::post("/topics/t")
        .header("content-type", JSON)
        .header("content-length", 9 * 1024 * 1024)
        .body(Body::empty())
        .unwrap();
    assert_eq!(broker.ask(declared).await.error_code(), 413);
    let pieces = (0..140).map(|_| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let streamed = Request::post("/topics/t")
        .header("content-type", JSON)
        .body(Body::from_stream(futures_util::stream::iter(pieces)))
        .unwrap();
    let answer = broker.ask(streamed).await;
    assert_eq!(answer.error_code(), 413);
    assert!(answer.text.contains("8388608"));
    assert_eq!(broker.app.body_budget.used_bytes(), 0);
}

#[tokio::test]
async fn before_it_serves_only_health_is_answered() {
    let broker = TestBroker::starting();
    assert_eq!(broker.get("/healthz").await.status, 200);
    let ready = broker.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["ready"], false);
    let answer = broker.get("/topics").await;
    assert_eq!(answer.error_code(), 50302);
    assert_eq!(answer.json()["details"]["outcome"], "nothing-written");
    let broker = TestBroker::serving();
    assert_eq!(
        broker.get("/readyz").await.json(),
        json!({"ready":true,"reasons":[],"warnings":[],"replicas_out_of_service":[],"replicas_out_of_service_reasons":[],"replicas_lacking_room":[],"stray_logs_kept":0,"log_dirs":[]})
    );
    broker.get("/topics").await;
    let metrics = broker.get("/metrics").await.text;
    assert!(
        metrics.contains(r#"route="/topics",status="200""#),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_topic_that_arrives_while_a_request_waits_is_found() {
    let broker = TestBroker::serving();
    let newer = crate::routing::fake::image("t", &[Some(1), Some(1), Some(1)]);
    let body = r#"{"records":[{"value":1}]}"#;
    let produce = broker.post("/topics/t/partitions/2", JSON, body);
    let elect = async {
        tokio::task::yield_now().await;
        broker.images.send_replace(std::sync::Arc::new(newer));
    };
    let (answer, ()) = tokio::join!(produce, elect);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn the_inter_node_listener_knows_its_cluster_and_its_own_name() {
    let broker = TestBroker::serving();
    let topic_id = partition(1, 0).topic_id;
    let asked = |cluster: Option<String>, target: &str| {
        let mut request = Request::get(format!("/v1/partitions/{topic_id}/0/offsets"))
            .header("trimaran-target-node", target);
        if let Some(cluster) = cluster {
            request = request.header("trimaran-cluster-id", cluster);
        }
        request.body(Body::empty()).unwrap()
    };
    let own = Some(cluster_id().to_string());
    let answer = broker.ask_as_node(asked(own.clone(), "broker-2")).await;
    assert_eq!(answer.error_code(), 409);
    let answer = broker.ask_as_node(asked(None, "broker-1")).await;
    assert_eq!(answer.error_code(), 409);
    let answer = broker
        .ask_as_node(asked(Some("other".to_owned()), "broker-1"))
        .await;
    assert_eq!(answer.json()["kafka_error"], "INCONSISTENT_CLUSTER_ID");
    let request = asked(own, "broker-1");
    let answer = tower::ServiceExt::oneshot(
        super::inter_node_router(std::sync::Arc::clone(&broker.app)),
        request,
    )
    .await
    .unwrap();
    assert_eq!(answer.status(), 200);
    let clients = broker.get("/v1/cluster").await.json();
    assert_eq!(clients["node"], "broker-1");
}

#[tokio::test]
async fn a_client_on_the_port_for_brokers_is_told_which_one_is_its() {
    let broker = TestBroker::serving();
    for path in ["/topics", "/v3/clusters"] {
        let request = axum::http::Request::get(path);
        let request = request.body(axum::body::Body::empty()).unwrap();
        let answer = broker.ask_as_node(request).await;
        assert_eq!(answer.status, 404);
        assert!(answer.text.contains("listeners.client"), "{}", answer.text);
    }
}
