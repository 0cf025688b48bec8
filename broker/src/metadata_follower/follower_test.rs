//! The follower against a controller that says what the test wants.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderValue};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use trimaran_api::controller::{
    FeedEntry, MetadataLogPage, MetadataLogQuery, SNAPSHOT_STREAM, SnapshotFrames, SnapshotPointer,
};
use trimaran_api::paths;
use trimaran_metadata::record::Topic;
use trimaran_metadata::{MetadataImage, MetadataRecord, Snapshot};
use trimaran_types::{ClusterId, TopicId, TopicName};

use super::{Checkpoint, FollowerError, FollowerStart, MetadataFollower};
use crate::controller_link::ControllerLink;

const PATIENCE: Duration = Duration::from_secs(20);

fn cluster(number: u128) -> ClusterId {
    ClusterId::from_uuid(uuid::Uuid::from_u128(number))
}

fn blank(index: u64, term: u64) -> FeedEntry {
    FeedEntry {
        index,
        term,
        timestamp: None,
        base_offset: None,
        decided_in_term: None,
        records: Vec::new(),
    }
}

fn page(indices: std::ops::Range<u64>, applied_end: u64) -> MetadataLogPage {
    page_of_term(1, indices, applied_end)
}

fn page_of_term(term: u64, indices: std::ops::Range<u64>, applied_end: u64) -> MetadataLogPage {
    MetadataLogPage {
        cluster_id: cluster(1),
        next: indices.end,
        entries: indices.map(|index| blank(index, term)).collect(),
        applied_end,
        snapshot: None,
    }
}

/// A controller that gives each page once, in order, and then nothing new.
#[derive(Debug, Default)]
struct Script {
    pages: Mutex<VecDeque<MetadataLogPage>>,
    asked_from: Mutex<Vec<u64>>,
    snapshot_index: u64,
    snapshots: AtomicUsize,
}

impl Script {
    fn of(pages: impl IntoIterator<Item = MetadataLogPage>) -> Self {
        Self {
            pages: Mutex::new(pages.into_iter().collect()),
            ..Self::default()
        }
    }
}

async fn log(
    State(script): State<Arc<Script>>,
    Query(query): Query<MetadataLogQuery>,
) -> Json<MetadataLogPage> {
    let from = query.from.unwrap_or_default();
    script.asked_from.lock().unwrap().push(from);
    let next = script.pages.lock().unwrap().pop_front();
    if next.is_none() {
        tokio::time::sleep(Duration::from_millis(query.wait_ms.unwrap_or_default())).await;
    }
    Json(next.unwrap_or_else(|| page(from..from, from)))
}

/// An image of many small topics.
fn large(index: u64) -> MetadataImage {
    let topic = |number: u128| {
        MetadataRecord::Topic(Topic {
            name: TopicName::new(&format!("topic-{number}")).unwrap(),
            topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(number)),
        })
    };
    let records: Vec<_> = (1..=2_000).map(topic).collect();
    let image = MetadataImage::default().replay_pending(&records).unwrap();
    image.advance(index, 1)
}

/// The snapshot in frames of a few hundred bytes. The first time it breaks off, after a hundred.
async fn snapshot(State(script): State<Arc<Script>>) -> (HeaderMap, Body) {
    let snapshot = Snapshot::of(&large(script.snapshot_index));
    let frames = SnapshotFrames::of(cluster(1), snapshot, 300);
    let is_first = script.snapshots.fetch_add(1, Ordering::Relaxed) == 0;
    let frames = frames.take(if is_first { 100 } else { usize::MAX });
    let kind = HeaderValue::from_static(SNAPSHOT_STREAM);
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind)]);
    (
        headers,
        Body::from_stream(futures_util::stream::iter(frames)),
    )
}

async fn controller(script: Arc<Script>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let router = Router::new()
        .route(paths::METADATA_LOG, get(log))
        .route(paths::METADATA_SNAPSHOT, get(snapshot))
        .with_state(script);
    let serving = trimaran_listener::serve(
        listener,
        router,
        trimaran_listener::Limits::default(),
        CancellationToken::new(),
    );
    tokio::spawn(serving);
    address
}

async fn follower(
    script: &Arc<Script>,
    cluster_id: Option<ClusterId>,
    folder: &std::path::Path,
    stop: &CancellationToken,
) -> MetadataFollower {
    let address = controller(Arc::clone(script)).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    MetadataFollower::open(FollowerStart {
        link: Arc::new(ControllerLink::new(http, vec![address])),
        cluster_id,
        checkpoint: Checkpoint::in_log_dir(folder),
        stop: stop.clone(),
    })
    .await
}

/// Follows until the image has come to `index`, and stops.
async fn follow_to(index: u64, script: &Arc<Script>, folder: &std::path::Path) {
    let stop = CancellationToken::new();
    let follower = follower(script, Some(cluster(1)), folder, &stop).await;
    let (mut image, mut status) = (follower.image(), follower.status());
    let running = tokio::spawn(follower.run());
    let arrives = async {
        image
            .wait_for(|image| image.position.index == index)
            .await
            .unwrap();
        status.wait_for(|status| status.is_caught_up).await.unwrap();
    };
    tokio::time::timeout(PATIENCE, arrives).await.unwrap();
    stop.cancel();
    tokio::time::timeout(PATIENCE, running)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn a_restart_asks_for_its_last_entry_and_what_is_new() {
    let folder = tempfile::tempdir().unwrap();
    let first = Arc::new(Script::of([page(1..4, 6), page(4..6, 6)]));
    follow_to(5, &first, folder.path()).await;
    assert_eq!(first.asked_from.lock().unwrap()[..2], [1, 4]);
    let second = Arc::new(Script::of([page(5..8, 10), page(8..10, 10)]));
    follow_to(9, &second, folder.path()).await;
    assert_eq!(second.asked_from.lock().unwrap()[..2], [5, 8]);
}

#[tokio::test]
async fn a_start_on_another_history_than_the_quorum_s_begins_anew() {
    let folder = tempfile::tempdir().unwrap();
    let first = Arc::new(Script::of([page(1..6, 6)]));
    follow_to(5, &first, folder.path()).await;
    // A later leader's entry stands where this broker stands.
    let forked = Script::of([page_of_term(2, 5..8, 8), page_of_term(2, 1..8, 8)]);
    let forked = Arc::new(forked);
    follow_to(7, &forked, folder.path()).await;
    assert_eq!(forked.asked_from.lock().unwrap()[..2], [5, 1]);
    // What is kept now is theirs.
    let third = Arc::new(Script::of([page_of_term(2, 7..9, 9)]));
    follow_to(8, &third, folder.path()).await;
}

#[tokio::test]
async fn a_broker_that_serves_keeps_its_history_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut pointer = page(0..0, 9);
    pointer.snapshot = Some(SnapshotPointer {
        index: 3,
        term: 2,
        path: paths::METADATA_SNAPSHOT.to_owned(),
    });
    let script = Arc::new(Script::of([page(1..4, 4), pointer]));
    let stop = CancellationToken::new();
    let follower = follower(&script, Some(cluster(1)), folder.path(), &stop).await;
    let (image, mut status) = (follower.image(), follower.status());
    let running = tokio::spawn(follower.run());
    let told = status.wait_for(|status| status.other_history.is_some());
    let told = tokio::time::timeout(PATIENCE, told)
        .await
        .unwrap()
        .unwrap()
        .clone();
    let reason = told.other_history.unwrap();
    assert!(
        reason.contains("entry 3 is of term 2 there, and of term 1 here"),
        "{reason}"
    );
    assert!(reason.contains("restart this broker"), "{reason}");
    assert_eq!(image.borrow().position.index, 3);
    assert_eq!(image.borrow().position.term, 1);
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_controller_of_an_older_history_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let first = Arc::new(Script::of([page_of_term(4, 1..6, 6)]));
    follow_to(5, &first, folder.path()).await;
    let older = page_of_term(3, 5..8, 8);
    let script = Arc::new(Script::of([older, page_of_term(4, 5..7, 7)]));
    follow_to(6, &script, folder.path()).await;
    assert_eq!(script.asked_from.lock().unwrap()[..2], [5, 5]);
}

#[tokio::test]
async fn a_purged_log_is_made_up_for_by_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let mut pointer = page(0..0, 52);
    pointer.next = 51;
    pointer.snapshot = Some(SnapshotPointer {
        index: 50,
        term: 1,
        path: paths::METADATA_SNAPSHOT.to_owned(),
    });
    // Of the first, only a part comes, which is no image: the log is asked for again.
    let script = Script::of([pointer.clone(), pointer, page(51..52, 52)]);
    let script = Arc::new(Script {
        snapshot_index: 50,
        ..script
    });
    follow_to(51, &script, folder.path()).await;
    assert_eq!(script.asked_from.lock().unwrap()[..3], [1, 1, 51]);
    assert_eq!(script.snapshots.load(Ordering::Relaxed), 2);
    let kept = Checkpoint::in_log_dir(folder.path()).load(cluster(1));
    assert_eq!(kept.unwrap().unwrap().topics, large(51).topics);
}

#[tokio::test]
async fn another_cluster_s_feed_ends_the_follower() {
    let folder = tempfile::tempdir().unwrap();
    let script = Arc::new(Script::of([page(1..2, 2)]));
    let stop = CancellationToken::new();
    let follower = follower(&script, Some(cluster(2)), folder.path(), &stop).await;
    let image = follower.image();
    let ended = tokio::time::timeout(PATIENCE, follower.run())
        .await
        .unwrap();
    assert!(matches!(ended, Err(FollowerError::ForeignCluster { .. })));
    assert_eq!(image.borrow().position.index, 0);
}

#[tokio::test]
async fn an_empty_directory_takes_the_cluster_that_it_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let script = Arc::new(Script::of([page(1..2, 2)]));
    let stop = CancellationToken::new();
    let follower = follower(&script, None, folder.path(), &stop).await;
    let mut status = follower.status();
    tokio::spawn(follower.run());
    let seen = status.wait_for(|status| status.cluster_id == Some(cluster(1)));
    tokio::time::timeout(PATIENCE, seen).await.unwrap().unwrap();
    stop.cancel();
}
