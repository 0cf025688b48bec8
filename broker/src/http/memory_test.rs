//! What requests and answers hold of the memory set aside for them, and until when (P-BOUND).

use futures_util::poll;

use super::test_client::TestBroker;

const JSON: &str = "application/vnd.kafka.json.v2+json";
const RECORDS: &str = r#"{"records": [{"value": "a"}, {"value": "b"}]}"#;

#[tokio::test]
async fn a_request_counts_until_its_records_are_acknowledged() {
    let broker = TestBroker::serving();
    let used = || broker.app.body_budget.used_bytes();
    // Nobody leads partition 2, so the append waits until its deadline.
    let mut waiting = Box::pin(broker.post("/topics/t/partitions/2", JSON, RECORDS));
    assert!(poll!(&mut waiting).is_pending());
    assert_eq!(used(), RECORDS.len());
    assert_eq!(waiting.await.error_code(), 50302);
    assert_eq!(used(), 0);
}

#[tokio::test]
async fn records_that_nobody_takes_leave_no_room_for_others() {
    let broker = TestBroker::serving();
    let written = broker.post("/topics/t/partitions/0", JSON, RECORDS).await;
    assert_eq!(written.status, 200);
    let read = async || {
        broker
            .get("/topics/t/partitions/0/records?offset=0&timeout=0")
            .await
    };
    assert_eq!(read().await.status, 200);
    assert_eq!(broker.app.answer_budget.used_bytes(), 0);

    let mut others = broker.app.answer_budget.share();
    assert!(others.grow(64 * 1024 * 1024));
    let refused = read().await;
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert_eq!(refused.json()["retriable"], true);
    drop(others);
    assert_eq!(read().await.status, 200);
}
