//! The feed: without a gap, by long poll, from any controller.

use std::time::{Duration, Instant};

use serde_json::json;
use trimaran_api::controller::{
    MetadataLogPage, SNAPSHOT_FRAME_BYTES_MAX, SNAPSHOT_STREAM, SnapshotPiece, SnapshotReader,
};
use trimaran_metadata::{MetadataEntry, MetadataImage, SnapshotReplay};
use trimaran_types::{MetadataOffset, Timestamp};

use crate::support::{Cluster, addresses, listeners};

async fn page(cluster: &Cluster, place: usize, query: &str) -> MetadataLogPage {
    let url = format!(
        "http://{}/v1/metadata/log?{query}",
        cluster.addresses[place]
    );
    let request = cluster
        .http
        .get(url)
        .header("accept", "application/msgpack");
    trimaran_api::client::call(request, "test").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_the_feed_builds_the_same_image() {
    let cluster = Cluster::start(3, "broker.session.timeout.ms = 60000").await;
    let doors = addresses(&listeners(3).await);
    let leader = cluster.leader().await;
    for broker in 1..=3 {
        cluster
            .join(leader, broker, doors[broker as usize - 1])
            .await;
    }
    for name in ["a", "b"] {
        assert_eq!(cluster.create_topic(leader, name).await.0, 200);
    }
    let follower = cluster.follower().await;
    let end = cluster.applied_end(leader).await;
    let mut image = MetadataImage::default();
    let mut next = 0;
    while next < end {
        // Small pages, so that there are several.
        let page = page(
            &cluster,
            follower,
            &format!("from={next}&max_bytes=300&wait_ms=5000"),
        )
        .await;
        assert!(!page.entries.is_empty() && page.snapshot.is_none());
        for entry in page.entries {
            assert_eq!(entry.index, next);
            image = match entry.decided_in_term {
                Some(term) => {
                    let replayed = MetadataEntry {
                        term,
                        base_offset: entry.base_offset.unwrap(),
                        timestamp: entry.timestamp.unwrap(),
                        records: entry.records,
                    };
                    image.apply(entry.index, entry.term, &replayed).0
                }
                None => image.advance(entry.index, entry.term),
            };
            next += 1;
        }
        assert_eq!(page.next, next);
    }
    let (_, tree) = cluster.get(leader, "/v1/metadata/get").await;
    let ours = serde_json::to_value(&image).unwrap();
    assert_eq!(ours["topics"], tree["topics"]);
    assert_eq!(ours["brokers"], tree["brokers"]);
    assert!(image.position.next_offset > MetadataOffset(0));
    assert!(image.topics.len() == 2 && Timestamp(0) < Timestamp(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_poll_ends_with_the_next_change_or_with_its_time() {
    let cluster = Cluster::start(1, "").await;
    let end = cluster.applied_end(0).await;
    let began = Instant::now();
    let empty = page(&cluster, 0, &format!("from={end}&wait_ms=100")).await;
    assert!(empty.entries.is_empty() && empty.next == end && empty.snapshot.is_none());
    assert!(began.elapsed() >= Duration::from_millis(100));

    let doors = addresses(&listeners(1).await);
    let query = format!("from={end}&wait_ms=30000");
    let waiting = page(&cluster, 0, &query);
    let joining = cluster.join(0, 1, doors[0]);
    let (found, _) = tokio::join!(waiting, joining);
    assert_eq!(found.entries[0].index, end);
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "it did not wait for its time"
    );

    let ahead = page(&cluster, 0, &format!("from={}&wait_ms=10", end + 1_000)).await;
    assert_eq!((ahead.entries.len(), ahead.next), (0, end + 1_000));
    let (status, body) = cluster.get(0, "/v1/metadata/log?from=x").await;
    assert_eq!(
        (status, &body["kafka_error"]),
        (400, &json!("INVALID_REQUEST")),
        "{body}"
    );
    let (status, body) = cluster.get(0, "/v1/metadata/get/topics/none").await;
    assert_eq!(status, 404, "{body}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_comes_as_a_stream_of_the_same_image() {
    let cluster = Cluster::start(1, "broker.session.timeout.ms = 60000").await;
    let doors = addresses(&listeners(1).await);
    cluster.join(0, 1, doors[0]).await;
    for name in ["a", "b", "c"] {
        assert_eq!(cluster.create_topic(0, name).await.0, 200);
    }
    let url = format!("http://{}/v1/metadata/snapshot", cluster.addresses[0]);
    let asked = cluster.http.get(url).header("accept", SNAPSHOT_STREAM);
    let mut response = asked.send().await.unwrap();
    assert_eq!(response.headers()["content-type"], SNAPSHOT_STREAM);
    let mut reader = SnapshotReader::new(SNAPSHOT_FRAME_BYTES_MAX);
    let mut replay = None;
    while let Some(bytes) = response.chunk().await.unwrap() {
        reader.fill(&bytes);
        while let Some(piece) = reader.take().unwrap() {
            match piece {
                SnapshotPiece::Head(head) => replay = Some(SnapshotReplay::begin(head.position)),
                SnapshotPiece::Records(records) => {
                    replay.as_mut().unwrap().replay(&records).unwrap();
                }
            }
        }
    }
    reader.finish().unwrap();
    let ours = serde_json::to_value(replay.unwrap().finish()).unwrap();
    let (_, tree) = cluster.get(0, "/v1/metadata/get").await;
    assert_eq!(ours["topics"], tree["topics"]);
    assert_eq!(ours["brokers"], tree["brokers"]);
}
