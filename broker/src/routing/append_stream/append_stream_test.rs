//! The client's side of a stream, against a leader that is played by hand.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use trimaran_api::ApiError;
use trimaran_api::client::CallError;
use trimaran_api::replica::append_stream::{AnswerFrame, AppendFrame, PROTOCOL};
use trimaran_api::replica::{AppendResponse, RequiredAcks};
use trimaran_types::{BrokerId, ClusterId, KafkaError, LeaderEpoch, Offset};

use super::AppendStreams;
use crate::routing::fake::{partition, uuid};
use crate::routing::remote::Callee;

const PATIENCE: Duration = Duration::from_secs(30);

/// A leader's listener, and streams that lead to it.
struct Rig {
    listener: TcpListener,
    streams: AppendStreams,
    callee: Callee,
}

impl Rig {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let callee = Callee {
            broker_id: BrokerId(2),
            address,
            partition: partition(1, 0),
        };
        Self {
            listener,
            streams: AppendStreams::new(http, ClusterId::from_uuid(uuid(1))),
            callee,
        }
    }

    async fn append(&self, batches: &'static str, timeout: Duration) -> super::Answer {
        let batches = Bytes::from_static(batches.as_bytes());
        let appended = self
            .streams
            .append(&self.callee, batches, RequiredAcks::All, timeout);
        appended.await
    }

    /// Takes the next connection and answers its head with `status`.
    async fn accept(&self, status: &str) -> Leader {
        let (mut stream, _) = self.listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("GET /v1/append-stream "), "{head}");
        let answer = format!(
            "HTTP/1.1 {status}\r\nconnection: upgrade\r\nupgrade: {PROTOCOL}\r\n\
             content-length: 0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        Leader {
            stream,
            input: BytesMut::new(),
        }
    }
}

/// The leader's end of a stream.
struct Leader {
    stream: TcpStream,
    input: BytesMut,
}

impl Leader {
    async fn next(&mut self) -> AppendFrame {
        loop {
            if let Some(frame) = AppendFrame::take(&mut self.input).unwrap() {
                return frame;
            }
            let count = self.stream.read_buf(&mut self.input).await.unwrap();
            assert!(count > 0, "the stream was closed");
        }
    }

    async fn answer(&mut self, id: u64, answer: Result<AppendResponse, ApiError>) {
        let mut output = BytesMut::new();
        AnswerFrame { id, answer }.put(&mut output).unwrap();
        self.stream.write_all(&output).await.unwrap();
    }
}

fn at(offset: i64) -> AppendResponse {
    AppendResponse {
        base_offset: Some(Offset(offset)),
        log_append_time: None,
        leader_epoch: LeaderEpoch(0),
    }
}

#[tokio::test]
async fn each_append_gets_its_own_answer_whatever_their_order() {
    let rig = Rig::new().await;
    let leader = async {
        let mut leader = rig.accept("101 Switching Protocols").await;
        let (first, second) = (leader.next().await, leader.next().await);
        assert_eq!(first.partition, rig.callee.partition);
        assert!(first.timeout_ms > 0);
        let refusal = ApiError::kafka(KafkaError::NotEnoughReplicas, "too few");
        for frame in [second, first] {
            match &frame.batches[..] {
                b"good" => leader.answer(frame.id, Ok(at(7))).await,
                _ => leader.answer(frame.id, Err(refusal.clone())).await,
            }
        }
        leader
    };
    let (good, bad, _leader) = tokio::join!(
        rig.append("good", PATIENCE),
        rig.append("bad", PATIENCE),
        leader
    );
    assert_eq!(good.unwrap(), at(7));
    let Err(CallError::Refused(refusal)) = bad else {
        panic!("{bad:?}");
    };
    assert_eq!(
        refusal.body.kafka_error,
        Some(KafkaError::NotEnoughReplicas)
    );
}

#[tokio::test]
async fn what_was_sent_is_unknown_when_the_connection_breaks_and_the_next_one_is_new() {
    let rig = Rig::new().await;
    let leader = async {
        let mut leader = rig.accept("101 Switching Protocols").await;
        leader.next().await;
    };
    let (answer, ()) = tokio::join!(rig.append("sent", PATIENCE), leader);
    let error = answer.unwrap_err();
    assert!(!error.is_surely_without_effect(), "{error}");

    let leader = async {
        let mut leader = rig.accept("101 Switching Protocols").await;
        let frame = leader.next().await;
        leader.answer(frame.id, Ok(at(1))).await;
        leader
    };
    // An append that meets the end of the old stream was not sent, and says so.
    let again = async {
        loop {
            match rig.append("again", PATIENCE).await {
                Err(error) if error.is_surely_without_effect() => {}
                answer => return answer,
            }
        }
    };
    let (answer, _leader) = tokio::join!(again, leader);
    assert_eq!(answer.unwrap(), at(1));
}

#[tokio::test]
async fn nothing_was_sent_to_a_leader_that_takes_no_stream() {
    let rig = Rig::new().await;
    let (answer, _refused) = tokio::join!(rig.append("a", PATIENCE), rig.accept("200 OK"));
    let error = answer.unwrap_err();
    assert!(error.is_surely_without_effect(), "{error}");

    let rig = Rig::new().await;
    let (answer, _refused) = tokio::join!(
        rig.append("b", PATIENCE),
        rig.accept("503 Service Unavailable")
    );
    assert!(matches!(answer, Err(CallError::Refused(_))), "{answer:?}");

    let Rig {
        listener,
        streams,
        callee,
    } = Rig::new().await;
    drop(listener);
    let appended = streams.append(&callee, Bytes::new(), RequiredAcks::All, PATIENCE);
    let error = appended.await.unwrap_err();
    assert!(error.is_surely_without_effect(), "{error}");
}

#[tokio::test]
async fn a_stream_that_stays_silent_beyond_a_deadline_is_given_up() {
    let rig = Rig::new().await;
    let leader = async {
        let mut silent = rig.accept("101 Switching Protocols").await;
        silent.next().await;
        // The stream ends, although this side keeps it open.
        let count = silent.stream.read_buf(&mut silent.input).await.unwrap();
        assert_eq!(count, 0);
    };
    let (answer, ()) = tokio::join!(rig.append("lost", Duration::from_millis(20)), leader);
    assert!(
        matches!(answer, Err(CallError::TimedOut { .. })),
        "{answer:?}"
    );
}
