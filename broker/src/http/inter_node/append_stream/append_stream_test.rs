//! Streams of appends: through a listener of its own, and over bytes in memory.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use trimaran_api::replica::RequiredAcks;
use trimaran_api::replica::append_stream::{AnswerFrame, AppendFrame};
use trimaran_api::rest::WriteOutcome;
use trimaran_api::{ApiError, headers, paths};
use trimaran_listener::{Limits, bind};
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{BrokerId, KafkaError, Timestamp};

use crate::http::test_client::{TestBroker, cluster_id};
use crate::routing::fake::{FakePartitions, image, partition, with_address};
use crate::routing::{PartitionRouter, Remote, outcome_of};

fn batch(value: &str) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    let value = Some(value.as_bytes());
    builder.push(Timestamp(1), None, value, &[]).unwrap();
    builder.build().unwrap()
}

/// A broker that leads, and the router of another one that forwards to it.
async fn pair() -> (TestBroker, PartitionRouter, CancellationToken) {
    let leader = TestBroker::serving();
    let listener = bind("127.0.0.1:0", false).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stop = CancellationToken::new();
    let serving =
        trimaran_listener::serve(listener, leader.nodes(), Limits::default(), stop.clone());
    tokio::spawn(serving);
    let image = with_address(&image("t", &[Some(1), Some(1)]), BrokerId(1), &address);
    let (sender, images) = watch::channel(Arc::new(image));
    // It must outlive the router, which else takes it that the broker stops.
    tokio::spawn(async move { sender.closed().await });
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let router = PartitionRouter::new(
        BrokerId(3),
        images,
        Arc::new(FakePartitions::default()),
        Remote::new(http, cluster_id()),
    );
    (leader, router, stop)
}

#[tokio::test]
async fn appends_that_share_a_stream_each_get_their_own_offset() {
    let (_leader, router, _stop) = pair().await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let appends = (0..200_u32).map(|number| {
        let (router, batch) = (&router, batch(&number.to_string()));
        async move {
            let place = partition(1, number % 2);
            let appended = router.append(place, vec![batch], RequiredAcks::All, deadline);
            (place, appended.await.unwrap().base_offset.unwrap().0)
        }
    });
    let mut places = join_all(appends).await;
    places.sort_unstable();
    let expected: Vec<_> = (0..2)
        .flat_map(|number| (0..100_i64).map(move |offset| (partition(1, number), offset)))
        .collect();
    assert_eq!(places, expected);
}

#[tokio::test]
async fn a_refusal_tells_the_leader_s_word_on_the_records() {
    let (leader, router, _stop) = pair().await;
    let refused = partition(1, 0);
    leader.partitions.refuse(
        refused,
        ApiError::kafka(KafkaError::NotEnoughReplicas, "too few"),
    );
    let deadline = Instant::now() + Duration::from_secs(60);
    let appended = router.append(refused, vec![batch("a")], RequiredAcks::All, deadline);
    let refusal = appended.await.unwrap_err();
    assert_eq!(
        refusal.body.kafka_error,
        Some(KafkaError::NotEnoughReplicas)
    );
    assert_eq!(outcome_of(&refusal), WriteOutcome::NothingWritten);
}

#[tokio::test]
async fn a_stream_is_for_this_cluster_and_must_be_asked_for() {
    let broker = TestBroker::serving();
    let ask = |cluster: String| {
        let request = axum::http::Request::get(paths::APPEND_STREAM)
            .header(headers::CLUSTER_ID, cluster)
            .body(axum::body::Body::empty())
            .unwrap();
        broker.ask_as_node(request)
    };
    let foreign =
        ask(trimaran_types::ClusterId::from_uuid(crate::routing::fake::uuid(1)).to_string());
    assert_eq!(
        foreign.await.json()["kafka_error"],
        "INCONSISTENT_CLUSTER_ID"
    );
    let plain = ask(cluster_id().to_string()).await;
    assert_eq!(plain.status, 426);
    assert_eq!(plain.json()["details"]["outcome"], "nothing-written");
}

#[tokio::test]
async fn damaged_batches_are_refused_and_what_is_no_frame_ends_the_stream() {
    let partitions = FakePartitions::default();
    let (mut caller, stream) = tokio::io::duplex(64 * 1024);
    let mut damaged = BytesMut::from(&batch("a").into_bytes()[..]);
    *damaged.last_mut().unwrap() ^= 1;
    let mut wire = BytesMut::new();
    let frame = AppendFrame {
        id: 5,
        partition: partition(1, 0),
        acks: RequiredAcks::Leader,
        timeout_ms: 1_000,
        batches: Bytes::from(damaged),
    };
    frame.put(&mut wire).unwrap();
    let asking = async {
        caller.write_all(&wire).await.unwrap();
        let mut input = BytesMut::new();
        let answer = loop {
            if let Some(answer) = AnswerFrame::take(&mut input).unwrap() {
                break answer;
            }
            assert!(caller.read_buf(&mut input).await.unwrap() > 0);
        };
        caller.write_all(&[0xff; 8]).await.unwrap();
        answer
    };
    let (cause, answer) = tokio::join!(super::serve(stream, &partitions), asking);
    assert_eq!(answer.id, 5);
    let refusal = answer.answer.unwrap_err();
    assert_eq!(refusal.body.kafka_error, Some(KafkaError::CorruptMessage));
    assert_eq!(outcome_of(&refusal), WriteOutcome::NothingWritten);
    assert!(cause.contains("the limit is"), "{cause}");
}
