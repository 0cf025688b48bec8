//! A controller that lost what it had synced must not vote as if it had not; and one that sees that
//! another did stops, instead of changing what was answered.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use trimaran_controller::Fatal;

use crate::support::Cluster;

/// The broker that topics need never beats again.
const SESSION: &str = "broker.session.timeout.ms = 60000";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let target = to.join(item.file_name());
        if item.file_type().unwrap().is_dir() {
            copy(&item.path(), &target);
        } else {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

/// Three controllers of which one was down when a topic was acknowledged, and another is put back to
/// before it, in `part` of its directory. Returns the places: who led and has the topic, who was put
/// back, who was down. All are stopped.
async fn put_back(part: &str) -> (Cluster, [usize; 3]) {
    for _ in 0..10 {
        let mut cluster = Cluster::start(3, SESSION).await;
        if let Some(places) = try_put_back(&mut cluster, part).await {
            return (cluster, places);
        }
    }
    panic!("the leadership moves all the time");
}

/// `None` when the leadership moved meanwhile. Only what was lost without it is told by log ids alone:
/// a vote that was lost may bring the same term to life twice.
async fn try_put_back(cluster: &mut Cluster, part: &str) -> Option<[usize; 3]> {
    let holder = cluster.leader().await;
    let term = term(cluster, holder).await;
    let [restored, down]: [usize; 2] = (0..3)
        .filter(|place| *place != holder)
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    let door = SocketAddr::from(([127, 0, 0, 1], 1));
    cluster.join(holder, 1, door).await;
    assert_eq!(cluster.create_topic(holder, "base").await.0, 200);
    let directory = cluster.directory(restored);
    let backup = directory.with_extension("backup");
    cluster.kill(restored).await;
    copy(&directory.join(part), &backup);
    cluster.restart(restored).await;
    cluster.leader().await;
    cluster.kill(down).await;
    let (status, created) = cluster.create_topic(holder, "acknowledged").await;
    assert_eq!(status, 200, "{created}");
    if cluster.leader().await != holder || self::term(cluster, holder).await != term {
        return None;
    }
    cluster.kill(holder).await;
    cluster.kill(restored).await;
    fs::remove_dir_all(directory.join(part)).unwrap();
    copy(&backup, &directory.join(part));
    Some([holder, restored, down])
}

async fn term(cluster: &Cluster, place: usize) -> Option<u64> {
    let (_, quorum) = cluster.get(place, "/v1/quorum").await;
    quorum["leader_epoch"].as_u64()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_older_than_what_was_synced_is_not_started() {
    let (mut cluster, [holder, restored, down]) = put_back("raft").await;
    cluster.restart(restored).await;
    let ended = cluster.controllers[restored]
        .as_mut()
        .unwrap()
        .ended()
        .await;
    let error = ended.unwrap_err();
    assert_eq!(error.exit_status(), 2, "{error}");
    assert!(
        error.to_string().contains("has lost what it had synced"),
        "{error}"
    );
    cluster.controllers[restored] = None;
    // The others have it all.
    cluster.restart(holder).await;
    cluster.restart(down).await;
    let active = cluster.leader().await;
    let (status, topic) = cluster.get(active, "/v1/topics/acknowledged").await;
    assert_eq!(status, 200, "{topic}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_history_that_contradicts_what_was_applied_ends_a_controller() {
    // The whole directory of one controller is an older copy: nothing in it can tell.
    let (mut cluster, [holder, restored, down]) = put_back("").await;
    cluster.restart(restored).await;
    cluster.restart(down).await;
    let active = cluster.leader().await;
    assert_eq!(cluster.create_topic(active, "after").await.0, 200);
    cluster.restart(holder).await;
    let ended = cluster.controllers[holder].as_mut().unwrap().ended().await;
    let error = ended.unwrap_err();
    assert!(matches!(error, Fatal::Diverged(_)), "{error}");
    assert_eq!(error.exit_status(), 2);
    let message = error.to_string();
    assert!(
        message.contains("the leader's log contradicts entry"),
        "{message}"
    );
    assert!(message.contains("keep its directory"), "{message}");
    // Nor does it begin to follow at the next start. One that gives up leaves its store to the end of
    // its process, which is this one: it may take a moment to close.
    let mut ended = Ok(());
    for _ in 0..500 {
        cluster.controllers[holder] = None;
        cluster.restart(holder).await;
        ended = cluster.controllers[holder].as_mut().unwrap().ended().await;
        if !format!("{ended:?}").contains("lock hold by current process") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(matches!(ended, Err(Fatal::Diverged(_))), "{ended:?}");
    assert_eq!(
        json!(cluster.applied_topics(active).await),
        json!(["after", "base"])
    );
}
