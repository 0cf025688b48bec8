//! A snapshot install interrupted at every step leaves the old one or the new one.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use trimaran_raft_store::{SnapshotReadError, StoreOptions, StoredMembership, StoredMeta};

use crate::support::{C, Store, directory, log_id, open};

const DIRECTORY: &str = "TRIMARAN_TEST_SNAPSHOT_DIRECTORY";
const STEP: &str = "TRIMARAN_TEST_SNAPSHOT_STEP";

fn meta(index: u64) -> StoredMeta<C> {
    StoredMeta::<C> {
        last_log_id: Some(log_id(1, index)),
        last_membership: StoredMembership::<C>::default(),
    }
}

fn bytes(seed: u8) -> Vec<u8> {
    (0..2_500_000_u32)
        .map(|place| seed.wrapping_add((place % 251) as u8))
        .collect()
}

#[test]
fn an_interrupted_switch_leaves_the_old_or_the_new() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut seen_old, mut seen_new) = (0, 0);
    for step in 1..100 {
        let directory = directory();
        runtime.block_on(async {
            let store = open(directory.path());
            store.snapshots().save(&meta(10), &bytes(1)).await.unwrap();
            store.close().await.unwrap();
        });
        let status = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "snapshot_switch::child", "--ignored"])
            .env(DIRECTORY, directory.path())
            .env(STEP, step.to_string())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        let index = runtime.block_on(check(directory.path()));
        if index == 10 {
            assert_eq!(seen_new, 0, "step {step} went back to the old snapshot");
            seen_old += 1;
        } else {
            seen_new += 1;
        }
        if status.success() {
            assert!(
                seen_old >= 6 && seen_new >= 2,
                "{seen_old} old, {seen_new} new"
            );
            return;
        }
    }
    panic!("the child never came to its end");
}

async fn check(path: &Path) -> u64 {
    let store = open(path);
    let current = store.snapshots().current().expect("never neither");
    let index = current.meta.last_log_id.unwrap().index;
    let seed = match index {
        10 => 1,
        20 => 2,
        other => panic!("a snapshot of {other}"),
    };
    assert_eq!(current.body.read_all().await.unwrap(), bytes(seed));
    store.close().await.unwrap();
    index
}

#[test]
#[ignore = "the child of the test above"]
fn child() {
    let Ok(path) = std::env::var(DIRECTORY) else {
        return;
    };
    let stop_at: u32 = std::env::var(STEP).unwrap().parse().unwrap();
    let passed = AtomicU32::new(0);
    let steps = move |_| {
        if passed.fetch_add(1, Ordering::SeqCst) + 1 == stop_at {
            std::process::abort();
        }
        Ok(())
    };
    let options = StoreOptions {
        steps: Some(Arc::new(steps)),
        ..StoreOptions::default()
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = Store::open(Path::new(&path), options).unwrap();
        store.snapshots().save(&meta(20), &bytes(2)).await.unwrap();
        store.close().await.unwrap();
    });
}

#[tokio::test]
async fn an_older_snapshot_never_replaces_a_newer_one() {
    let directory = directory();
    let store = open(directory.path());
    let snapshots = store.snapshots();
    snapshots.save(&meta(20), b"new").await.unwrap();
    let error = snapshots.save(&meta(10), b"old").await.unwrap_err();
    assert_eq!(error.to_string(), "a newer snapshot is already in place");
    let current = snapshots.current().unwrap();
    assert_eq!(current.body.read_all().await.unwrap(), b"new");
    snapshots.switch_to(&meta(20), &current.body).await.unwrap();
}

#[tokio::test]
async fn a_superseded_body_says_that_it_is_gone() {
    let directory = directory();
    let store = open(directory.path());
    let snapshots = store.snapshots();
    let old = snapshots.save(&meta(10), &bytes(1)).await.unwrap();
    snapshots.save(&meta(20), b"new").await.unwrap();
    // The sweep follows the switch on the same thread; closing waits for both.
    store.close().await.unwrap();
    assert!(matches!(
        old.read_all().await,
        Err(SnapshotReadError::Closed)
    ));
    let store = open(directory.path());
    let mut abandoned = store.snapshots().writer();
    abandoned.write(&bytes(3)).await.unwrap();
    drop(abandoned);
    store.snapshots().save(&meta(30), b"newest").await.unwrap();
    assert_eq!(store.snapshots().current().unwrap().body.length(), 6);
}

#[tokio::test]
async fn an_empty_snapshot_is_a_snapshot() {
    let directory = directory();
    let store = open(directory.path());
    store.snapshots().save(&meta(1), b"").await.unwrap();
    store.close().await.unwrap();
    let store = open(directory.path());
    let current = store.snapshots().current().unwrap();
    assert_eq!(
        (
            current.body.chunks(),
            current.body.read_all().await.unwrap()
        ),
        (0, Vec::new())
    );
}
