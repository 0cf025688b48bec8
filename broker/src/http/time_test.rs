//! `timestamp=` in the queries of clients, over partitions in memory.

use serde_json::{Value, json};

use super::test_client::TestBroker;

const JSON: &str = "application/vnd.kafka.json.v2+json";
const PARTITION: &str = "/topics/t/partitions/0";

#[tokio::test]
async fn a_time_is_found_and_read_from() {
    let broker = TestBroker::serving();
    let body = r#"{"records":[{"value":1,"timestamp":1700000000000},
        {"value":2,"timestamp":"2023-11-14T22:13:30.000Z"},{"value":3,"timestamp":1700000005000}]}"#;
    let answer = broker.post(PARTITION, JSON, body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    for (time, offset, timestamp) in [
        ("0", json!(0), json!(1_700_000_000_000_i64)),
        ("1700000000001", json!(1), json!(1_700_000_010_000_i64)),
        (
            "2023-11-14T22:13:30Z",
            json!(1),
            json!(1_700_000_010_000_i64),
        ),
        ("max", json!(1), json!(1_700_000_010_000_i64)),
        ("2023-11-14T22:13:30.001Z", Value::Null, Value::Null),
    ] {
        let answer = broker
            .get(&format!("{PARTITION}/offsets?timestamp={time}"))
            .await;
        assert_eq!(
            answer.json(),
            json!({"beginning_offset":0,"end_offset":3,"offset":offset,"timestamp":timestamp}),
            "{time}"
        );
        let read = format!("{PARTITION}/records?timestamp={time}&timeout=0");
        let read = broker.get(&read).await.json();
        assert_eq!(read[0]["offset"], offset, "{time}");
    }
    let empty = "/topics/t/partitions/1/offsets?timestamp=max";
    assert_eq!(
        broker.get(empty).await.json(),
        json!({"beginning_offset":0,"end_offset":0,"offset":null,"timestamp":null})
    );
    // An argument without a value says nothing, here as elsewhere.
    let bounds = broker.get(&format!("{PARTITION}/offsets?timestamp=")).await;
    assert_eq!(bounds.json(), json!({"beginning_offset":0,"end_offset":3}));
}

#[tokio::test]
async fn what_is_no_time_is_refused() {
    let broker = TestBroker::serving();
    for (query, says) in [
        ("records?offset=0&timestamp=5", "'offset' and 'timestamp'"),
        (
            "records?offset=latest&timestamp=max",
            "'offset' and 'timestamp'",
        ),
        ("records?timeout=0", "'timestamp'"),
        ("records?timestamp=-1", "'-1'"),
        ("records?timestamp=2026-11-21T10:00:00%2B01:00", "+01:00"),
        ("offsets?timestamp=latest", "'latest'"),
        ("offsets?timestamp=MAX", "'MAX'"),
        ("offsets?timestamp=1.5", "'1.5'"),
        ("offsets?timestamp=253402300800000", "253402300800000"),
        (
            "offsets?timestamp=9223372036854775808",
            "9223372036854775808",
        ),
    ] {
        let answer = broker.get(&format!("{PARTITION}/{query}")).await;
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
        assert_eq!(answer.error_code(), 40002, "{query}");
        assert_eq!(answer.json()["retriable"], false, "{query}");
        let message = answer.json()["message"].to_string();
        assert!(message.contains(says), "{query}: {message}");
    }
    let long = format!("{PARTITION}/offsets?timestamp={}", "9".repeat(2_000));
    let refusal = broker.get(&long).await;
    assert_eq!(refusal.error_code(), 40002);
    assert!(refusal.text.len() < 400, "{}", refusal.text);
}
