//! Where a time lies, asked over HTTP of brokers with real logs: of the leader, and of another one that
//! forwards; and what is said when the leadership or the disk is in doubt.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use futures_util::poll;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt as _;
use trimaran_api::replica::{RequiredAcks, TimestampQuery};
use trimaran_commit_log::{Codec, DecompressLimits, compress};
use trimaran_metadata::MetadataImage;
use trimaran_types::record_batch::{BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{BrokerId, KafkaError, Offset, Timestamp, TopicIdPartition};

use super::pair::{ONE, Pair, TWO};
use crate::config::{RequestsConfig, TopicDefaults};
use crate::http::{App, Service, ServiceParts, client_router, inter_node_router};
use crate::metrics::Metrics;
use crate::partition::PartitionRole;
use crate::readiness::{Phase, Readiness};
use crate::replicas::searches::RUNNING_MAX;
use crate::routing::fake::with_address;
use crate::routing::{PartitionRouter, Remote};

const LONG: Duration = Duration::from_secs(20);
const OFFSETS: &str = "/topics/flights/partitions/0/offsets";
const RECORDS: &str = "/topics/flights/partitions/0/records";

fn batch_at(times: &[i64]) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime);
    for time in times {
        let value = time.to_string();
        builder
            .push(Timestamp(*time), None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

async fn append(pair: &Pair, id: TopicIdPartition, batch: RecordBatch, acks: RequiredAcks) {
    let replicas = &pair.broker(ONE).replicas;
    replicas.append(id, vec![batch], acks, LONG).await.unwrap();
}

/// A partition led by broker 1: three committed batches, one of them compressed.
async fn written(pair: &Pair) -> TopicIdPartition {
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.until(ONE, id, |status| status.role == PartitionRole::Leader)
        .await;
    let codec = Codec::Gzip { level: 1 };
    let packed = compress(
        &batch_at(&[40, 90, 30]),
        codec,
        &DecompressLimits::default(),
    );
    for batch in [batch_at(&[10, 20]), packed.unwrap(), batch_at(&[50, 90])] {
        append(pair, id, batch, RequiredAcks::All).await;
    }
    pair.give_lease();
    id
}

/// The listeners of a broker of the pair, for which the brokers are where `images` says.
fn app(pair: &Pair, at: BrokerId, images: watch::Receiver<Arc<MetadataImage>>) -> Arc<App> {
    let replicas = &pair.broker(at).replicas;
    let context = replicas.context();
    let requests = RequestsConfig {
        timeout: LONG,
        body_bytes_max: 1 << 20,
        answer_bytes_max: 1 << 20,
    };
    let readiness = Arc::new(Readiness::default());
    let app = App::new(readiness, Arc::new(Metrics::default()), &requests);
    let remote = Remote::new(context.http.clone(), context.cluster_id);
    let local = Arc::clone(replicas);
    app.serve(Service::new(ServiceParts {
        broker_id: at,
        cluster_id: context.cluster_id,
        image: images.clone(),
        router: PartitionRouter::new(at, images, local, remote),
        controllers: Arc::clone(&context.controllers),
        requests,
        topic_defaults: TopicDefaults {
            partitions: 1,
            replication_factor: None,
        },
        client_address: "127.0.0.1:8082".to_owned(),
    }));
    app.readiness.reached(Phase::Serving);
    app.readiness.fenced(false);
    Arc::new(app)
}

async fn get(app: &Arc<App>, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let answer = client_router(Arc::clone(app)).oneshot(request).await;
    let body = axum::body::to_bytes(answer.unwrap().into_body(), 1 << 20).await;
    serde_json::from_slice(&body.unwrap()).unwrap()
}

#[tokio::test]
async fn every_broker_finds_the_same_record_and_none_beyond_the_high_watermark() {
    let pair = Pair::start().await;
    let id = written(&pair).await;
    // Later than all others, and not committed: broker 2 hears nothing more.
    pair.broker(TWO).fetchers.forget(id);
    append(&pair, id, batch_at(&[1_000]), RequiredAcks::Leader).await;
    let leader = app(&pair, ONE, pair.quorum.image.subscribe());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let nodes = inter_node_router(Arc::clone(&leader));
    let served = tokio::spawn(async move { axum::serve(listener, nodes).await });
    let (_images, seen) = watch::channel(Arc::new(with_address(&pair.image(), ONE, &address)));
    let other = app(&pair, TWO, seen);
    for app in [&leader, &other] {
        for (time, found) in [
            ("0", Some((0, 10))),
            ("10", Some((0, 10))),
            ("11", Some((1, 20))),
            ("21", Some((2, 40))),
            ("41", Some((3, 90))),
            ("1970-01-01T00:00:00.090Z", Some((3, 90))),
            ("max", Some((3, 90))),
            ("91", None),
        ] {
            let told = get(app, &format!("{OFFSETS}?timestamp={time}")).await;
            let (offset, timestamp) = found.unzip();
            assert_eq!(
                told,
                json!({"beginning_offset": 0, "end_offset": 7, "offset": offset,
                    "timestamp": timestamp}),
                "{time}"
            );
            let read = get(app, &format!("{RECORDS}?timestamp={time}&timeout=0")).await;
            let first = read.as_array().unwrap().first();
            assert_eq!(
                first.map(|it| it["offset"].clone()),
                offset.map(Value::from)
            );
            assert_eq!(
                first.map(|it| it["timestamp"].clone()),
                timestamp.map(Value::from)
            );
        }
        let bounds = get(app, OFFSETS).await;
        assert_eq!(bounds, json!({"beginning_offset": 0, "end_offset": 7}));
    }
    served.abort();
}

#[tokio::test]
async fn no_time_is_looked_up_where_another_may_lead() {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    append(&pair, id, batch_at(&[5]), RequiredAcks::All).await;
    let at = |broker| {
        let replicas = Arc::clone(&pair.broker(broker).replicas);
        async move {
            let told = replicas.offsets_by_time(id, TimestampQuery::Max).await;
            told.map(|told| told.found.map(|found| found.offset))
                .map_err(|refusal| refusal.body.kafka_error)
        }
    };
    // Without a lease, and with controllers that say nothing.
    assert_eq!(at(ONE).await, Err(Some(KafkaError::OffsetNotAvailable)));
    pair.give_lease();
    assert_eq!(at(ONE).await, Ok(Some(Offset(0))));
    let not_leading = Err(Some(KafkaError::NotLeaderOrFollower));
    assert_eq!(at(TWO).await, not_leading);
    // Deposed while the search waits for its turn: what it finds then may have been cut since.
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    let all = u32::try_from(RUNNING_MAX).unwrap();
    let taken = replicas.searches.running.acquire_many(all).await.unwrap();
    let mut asked = Box::pin(at(ONE));
    assert!(poll!(&mut asked).is_pending());
    pair.elect(id, TWO);
    pair.until(ONE, id, |status| status.role == PartitionRole::Follower)
        .await;
    drop(taken);
    assert_eq!(asked.await, not_leading);
}

#[tokio::test]
async fn a_batch_that_nobody_can_open_is_named() {
    let pair = Pair::start().await;
    let id = written(&pair).await;
    let codec = Codec::Gzip { level: 1 };
    let packed = compress(&batch_at(&[500; 9]), codec, &DecompressLimits::default()).unwrap();
    let poison = RecordBatch::assemble(packed.header(), b"this was never gzip").unwrap();
    append(&pair, id, poison, RequiredAcks::All).await;
    let leader = app(&pair, ONE, pair.quorum.image.subscribe());
    for time in ["max", "91"] {
        let refusal = get(&leader, &format!("{OFFSETS}?timestamp={time}")).await;
        assert_eq!(refusal["error_code"], 42203);
        assert_eq!(refusal["retriable"], false);
        assert_eq!(refusal["details"], json!({"offset": 7}));
    }
    let told = get(&leader, &format!("{OFFSETS}?timestamp=90")).await;
    assert_eq!(told["offset"], 3);
}

#[tokio::test]
async fn a_search_that_meets_damaged_bytes_says_nothing_and_the_replica_is_fetched_anew() {
    let mut pair = Pair::start().await;
    let id = written(&pair).await;
    // So much behind the first record that no start after a clean stop looks at it.
    for letter in ["d", "e", "f"] {
        pair.append(ONE, id, &letter.repeat(9_000)).await.unwrap();
    }
    assert!(pair.stop(ONE).await);
    pair.damage(ONE, "flights-0");
    assert_eq!(pair.restart(ONE).await.opened, 1);
    pair.hear(ONE);
    pair.until(ONE, id, |status| {
        status.role == PartitionRole::Leader && status.high_watermark == Offset(10)
    })
    .await;
    pair.give_lease();
    let replicas = Arc::clone(&pair.broker(ONE).replicas);
    let first = TimestampQuery::AtLeast(Timestamp(0));
    let refusal = replicas.offsets_by_time(id, first).await.unwrap_err();
    let error = refusal.body.kafka_error;
    assert_eq!(error, Some(KafkaError::KafkaStorageError));
    pair.until_isr(id, &[TWO, ONE]).await;
    pair.until(TWO, id, |status| {
        status.role == PartitionRole::Leader && status.high_watermark == Offset(10)
    })
    .await;
    let replicas = Arc::clone(&pair.broker(TWO).replicas);
    let told = replicas.offsets_by_time(id, first).await.unwrap();
    assert_eq!(told.found.unwrap().offset, Offset(0));
}
