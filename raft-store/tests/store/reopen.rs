//! What was acknowledged is there after the store is opened again; after each kind of write.

use openraft::Vote;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use trimaran_raft_store::{OpenError, StoreOptions, StoredEntry};

use crate::support::{C, Store, append, directory, entry, log_id, open, submit};

async fn all(store: &Store) -> Vec<StoredEntry<C>> {
    store.log().reader().try_get_log_entries(..).await.unwrap()
}

#[tokio::test]
async fn each_kind_of_write_survives() {
    let directory = directory();
    let path = directory.path();

    let store = open(path);
    store.log().save_vote(&Vote::new(3, 1)).await.unwrap();
    store.close().await.unwrap();

    let store = open(path);
    assert_eq!(
        store.log().reader().read_vote().await.unwrap(),
        Some(Vote::new(3, 1))
    );
    append(
        &mut store.log(),
        (0..10).map(|index| entry(3, index)).collect(),
    )
    .await;
    store.close().await.unwrap();

    let store = open(path);
    assert_eq!(
        all(&store).await,
        (0..10).map(|index| entry(3, index)).collect::<Vec<_>>()
    );
    store
        .log()
        .truncate_after(Some(log_id(3, 6)))
        .await
        .unwrap();
    store.close().await.unwrap();

    let store = open(path);
    let state = store.log().get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, Some(log_id(3, 6)));
    append(
        &mut store.log(),
        (7..200).map(|index| entry(4, index)).collect(),
    )
    .await;
    store.log().purge(log_id(4, 100)).await.unwrap();
    store.close().await.unwrap();

    let store = open(path);
    let state = store.log().get_log_state().await.unwrap();
    assert_eq!(state.last_purged_log_id, Some(log_id(4, 100)));
    assert_eq!(state.last_log_id, Some(log_id(4, 199)));
    assert_eq!(
        all(&store).await,
        (101..200).map(|index| entry(4, index)).collect::<Vec<_>>()
    );
    store
        .log()
        .save_committed(Some(log_id(4, 150)))
        .await
        .unwrap();
    store.close().await.unwrap();

    let store = open(path);
    assert_eq!(
        store.log().read_committed().await.unwrap(),
        Some(log_id(4, 150))
    );
    store.log().purge(log_id(5, 500)).await.unwrap();
    store.close().await.unwrap();

    let store = open(path);
    assert!(all(&store).await.is_empty());
    append(&mut store.log(), vec![entry(6, 501)]).await;
    store.close().await.unwrap();

    let store = open(path);
    assert_eq!(all(&store).await, vec![entry(6, 501)]);
}

#[tokio::test]
async fn reads_span_memory_and_disk() {
    let directory = directory();
    let options = StoreOptions {
        recent_entries_bytes_max: 200,
        ..StoreOptions::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    let mut log = store.log();
    for start in (0..1_000).step_by(10) {
        append(
            &mut log,
            (start..start + 10).map(|index| entry(1, index)).collect(),
        )
        .await;
    }
    let mut reader = log.reader();
    let expected: Vec<_> = (3..997).map(|index| entry(1, index)).collect();
    assert_eq!(reader.try_get_log_entries(3..997).await.unwrap(), expected);
    assert_eq!(reader.read(5, 1_000, 1).await.unwrap(), vec![entry(1, 5)]);
    let piece = reader.read(5, 1_000, 200).await.unwrap();
    assert!(piece.len() > 1 && piece.len() < 20, "{}", piece.len());

    use futures_util::TryStreamExt;
    let streamed: Vec<_> = reader
        .entries_stream(3..997)
        .await
        .try_collect()
        .await
        .unwrap();
    assert_eq!(streamed, expected);
}

#[tokio::test]
async fn a_hole_is_refused() {
    let directory = directory();
    let store = open(directory.path());
    append(&mut store.log(), vec![entry(1, 0)]).await;
    let callback = openraft::storage::IOFlushed::noop();
    let refused = store.log().append(vec![entry(1, 2)], callback).await;
    assert!(
        refused
            .unwrap_err()
            .to_string()
            .contains("entry 1 comes next")
    );
}

#[tokio::test]
async fn a_term_that_raft_cannot_count_on_from_is_told_at_the_start() {
    let directory = directory();
    let store = open(directory.path());
    let far = Vote::new(u64::MAX, 2);
    store.log().save_vote(&far).await.unwrap();
    store.close().await.unwrap();
    let refused = Store::open(directory.path(), StoreOptions::default());
    let error = refused.err().unwrap();
    assert!(matches!(error, OpenError::OutOfRange { .. }), "{error}");
    assert!(
        error.to_string().contains("18446744073709551615"),
        "{error}"
    );
}

#[tokio::test]
async fn the_directory_is_locked_until_closed() {
    let directory = directory();
    let store = open(directory.path());
    let second = Store::open(directory.path(), StoreOptions::default());
    assert!(matches!(second, Err(OpenError::Database(_))));
    let mut log = store.log();
    store.close().await.unwrap();
    open(directory.path());
    let error = log.save_vote(&Vote::new(1, 1)).await.unwrap_err();
    assert_eq!(error.to_string(), "the raft store is closed");
}

#[tokio::test]
async fn a_drop_without_close_keeps_what_was_acknowledged() {
    let directory = directory();
    let store = open(directory.path());
    let done = submit(&mut store.log(), vec![entry(1, 0)]).await;
    done.await.unwrap();
    store.close().await.unwrap();
    drop(store);
    assert_eq!(all(&open(directory.path())).await, vec![entry(1, 0)]);
}
