//! The streamed produce of v3, over a real connection: both halves at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use trimaran_listener::{Limits, bind, serve};

use super::test_client::{TestBroker, cluster_id};

const GOOD: &str = r#"{"partition_id":0,"value":{"type":"JSON","data":{"a":1}}}"#;

struct Connection {
    stream: TcpStream,
    received: String,
}

impl Connection {
    async fn open(broker: &TestBroker) -> Self {
        let listener = bind("127.0.0.1:0", false).await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, broker.clients(), Limits::default(), stop));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST /v3/clusters/{}/topics/t/records HTTP/1.1\r\nhost: x\r\n\
             content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
            cluster_id()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        Self {
            stream,
            received: String::new(),
        }
    }

    async fn send(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        self.stream.write_all(chunk.as_bytes()).await.unwrap();
    }

    async fn receive_until(&mut self, wanted: impl Fn(&str) -> bool) {
        let reading = async {
            while !wanted(&self.received) {
                let mut piece = [0; 4096];
                let read = self.stream.read(&mut piece).await.unwrap();
                assert!(read > 0, "closed after {}", self.received);
                self.received
                    .push_str(std::str::from_utf8(&piece[..read]).unwrap());
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), reading).await;
        assert!(waited.is_ok(), "only {}", self.received);
    }
}

fn codes(text: &str) -> Vec<u64> {
    let objects = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    objects
        .map(|object| object.unwrap()["error_code"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn receipts_come_while_the_request_is_still_being_sent() {
    let broker = TestBroker::serving();
    let mut connection = Connection::open(&broker).await;
    connection
        .receive_until(|text| text.contains("HTTP/1.1 200") && text.contains("\r\n\r\n"))
        .await;
    for offset in 0..3 {
        let (first, second) = GOOD.split_at(10 + offset);
        connection.send(first).await;
        connection.send(second).await;
        let receipt = format!(r#""offset":{offset},"#);
        connection
            .receive_until(|text| text.contains(&receipt))
            .await;
    }
    connection.stream.write_all(b"0\r\n\r\n").await.unwrap();
    connection
        .receive_until(|text| text.ends_with("0\r\n\r\n"))
        .await;
    assert!(
        connection
            .received
            .contains(r#""value":{"type":"JSON","size":7}"#)
    );
}

async fn streamed(body: &str) -> (u16, String) {
    let broker = TestBroker::serving();
    let path = format!("/v3/clusters/{}/topics/t/records", cluster_id());
    let answer = broker.post(&path, "application/json", body).await;
    (answer.status.as_u16(), answer.text)
}

#[tokio::test]
async fn a_bad_record_costs_itself_and_a_bad_stream_ends() {
    let bad_base64 = r#"{"partition_id":0,"value":{"type":"BINARY","data":"!!"}}"#;
    let bad_partition = r#"{"partition_id":7,"value":{"type":"JSON","data":1}}"#;
    let too_large = format!(
        r#"{{"value":{{"type":"STRING","data":"{}"}}}}"#,
        "x".repeat(1024 * 1024 + 1)
    );
    for (body, expected) in [
        (format!("{GOOD}\n{GOOD}"), vec![200, 200]),
        (format!("{GOOD}{bad_base64} {GOOD}"), vec![200, 400, 200]),
        (format!("{bad_partition}{GOOD}"), vec![40402, 200]),
        (format!("{GOOD} no JSON {GOOD}"), vec![200, 400]),
        (format!("{GOOD}{}", &GOOD[..20]), vec![200, 400]),
        (format!("{GOOD}{{\"a\":]}}{GOOD}"), vec![200, 400]),
        (format!("{GOOD}{too_large}{GOOD}"), vec![200, 413, 200]),
        ("  ".to_owned(), vec![42206]),
    ] {
        let (status, text) = streamed(&body).await;
        let shown: String = body.chars().take(100).collect();
        assert_eq!((status, codes(&text)), (200, expected), "{shown}");
    }
    let (status, text) = streamed("").await;
    assert_eq!((status, codes(&text)), (422, vec![42206]));
}

#[tokio::test]
async fn a_long_stream_keeps_its_order_and_every_receipt() {
    let broker = TestBroker::serving();
    let path = format!("/v3/clusters/{}/topics/t/records", cluster_id());
    let body = GOOD.repeat(5_000);
    let answer = broker.post(&path, "application/json", &body).await;
    let offsets: Vec<u64> = serde_json::Deserializer::from_str(&answer.text)
        .into_iter::<Value>()
        .map(|receipt| receipt.unwrap()["offset"].as_u64().unwrap())
        .collect();
    assert!(offsets.iter().copied().eq(0..5_000));
    let _ = Arc::clone(&broker.app);
}
