//! A store that lost what it had synced is not opened, and one whose history a leader contradicts
//! stops.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use openraft::Vote;
use openraft::storage::{RaftLogReader, RaftLogStorage};
use trimaran_raft_store::{
    OpenError, Step, StoreFault, StoreOptions, StoredMembership, StoredMeta,
};

use crate::support::{C, Directory, Store, append, directory, entry, log_id, open};

fn entries(term: u64, indexes: std::ops::Range<u64>) -> Vec<trimaran_raft_store::StoredEntry<C>> {
    indexes.map(|index| entry(term, index)).collect()
}

/// The database's write-ahead log.
fn wal(database: &Path) -> PathBuf {
    let logs = fs::read_dir(database)
        .unwrap()
        .map(|file| file.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|name| name == "log"))
        .max()
        .unwrap()
}

fn cut(file: &Path, bytes: u64) {
    let file = fs::File::options().write(true).open(file).unwrap();
    file.set_len(file.metadata().unwrap().len() - bytes)
        .unwrap();
}

fn refusal(directory: &Directory) -> OpenError {
    Store::open(directory.path(), StoreOptions::default())
        .err()
        .expect("it must not open")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_cut_write_ahead_log_is_refused() {
    let directory = directory();
    let store = open(directory.path());
    store.log().save_vote(&Vote::new(3, 1)).await.unwrap();
    for index in 0..20 {
        append(&mut store.log(), vec![entry(3, index)]).await;
    }
    store.close().await.unwrap();
    cut(&wal(directory.path()), 100);
    let error = refusal(&directory);
    assert!(matches!(error, OpenError::LostTail { .. }), "{error}");
    assert!(
        error.to_string().contains("had entry 19 of term 3"),
        "{error}"
    );
}

#[tokio::test]
async fn a_lost_vote_is_refused() {
    let directory = directory();
    let store = open(directory.path());
    append(&mut store.log(), entries(3, 0..3)).await;
    store.log().save_vote(&Vote::new(7, 1)).await.unwrap();
    store.close().await.unwrap();
    cut(&wal(directory.path()), 10);
    let error = refusal(&directory);
    assert!(error.to_string().contains("the vote of term 7"), "{error}");
}

#[tokio::test]
async fn an_older_copy_of_the_database_is_refused() {
    let directory = directory();
    let store = open(directory.path());
    append(&mut store.log(), entries(1, 0..5)).await;
    store.close().await.unwrap();
    let backup = directory.path().with_extension("backup");
    copy(directory.path(), &backup);
    let store = open(directory.path());
    append(&mut store.log(), entries(1, 5..6)).await;
    store.close().await.unwrap();
    fs::remove_dir_all(directory.path()).unwrap();
    fs::rename(&backup, directory.path()).unwrap();
    assert!(matches!(refusal(&directory), OpenError::LostTail { .. }));
    // Nor does a database that is gone come back as an empty one.
    fs::remove_dir_all(directory.path()).unwrap();
    assert!(matches!(refusal(&directory), OpenError::LostTail { .. }));
}

#[tokio::test]
async fn entries_that_left_the_log_in_order_are_not_missed() {
    // The process ends before the sync, and after it before the note is raised.
    for moment in [Step::BeforeWrite, Step::Written, Step::Synced] {
        let directory = directory();
        let armed = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&armed);
        let steps = move |step| match step == moment && hook.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the process ends")),
            false => Ok(()),
        };
        let options = StoreOptions {
            steps: Some(Arc::new(steps)),
            ..StoreOptions::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        append(&mut store.log(), entries(1, 0..10)).await;
        armed.store(true, Ordering::SeqCst);
        let truncated = store.log().truncate_after(Some(log_id(1, 4))).await;
        assert!(truncated.is_err());
        drop(store);
        let store = open(directory.path());
        store
            .log()
            .truncate_after(Some(log_id(1, 4)))
            .await
            .unwrap();
        // A stale tail of a higher term may give way to a purge of a lower one, too.
        append(&mut store.log(), entries(5, 5..9)).await;
        store.log().purge(log_id(4, 100)).await.unwrap();
        store.close().await.unwrap();
        let state = open(directory.path()).log().get_log_state().await.unwrap();
        assert_eq!(state.last_log_id, Some(log_id(4, 100)));
    }
}

#[tokio::test]
async fn a_damaged_note_is_refused_and_a_missing_one_made() {
    let directory = directory();
    let store = open(directory.path());
    append(&mut store.log(), entries(1, 0..3)).await;
    store.close().await.unwrap();
    let whole = fs::read(directory.note()).unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        fs::write(directory.note(), &damaged).unwrap();
        let error = refusal(&directory);
        assert!(matches!(error, OpenError::Format { .. }), "{error}");
    }
    // A store of an earlier build has none.
    fs::remove_file(directory.note()).unwrap();
    open(directory.path()).close().await.unwrap();
    assert_eq!(fs::read(directory.note()).unwrap(), whole);
}

#[tokio::test]
async fn what_is_committed_never_gives_way_to_a_leader() {
    let directory = directory();
    let store = open(directory.path());
    let mut log = store.log();
    append(&mut log, entries(1, 0..6)).await;
    log.save_committed(Some(log_id(1, 3))).await.unwrap();
    log.truncate_after(Some(log_id(1, 3))).await.unwrap();
    let refused = log.truncate_after(Some(log_id(1, 2))).await.unwrap_err();
    let named = refused.to_string();
    assert!(named.contains("contradicts entry 3"), "{named}");
    let fault = store.fault().borrow().clone().unwrap();
    assert!(matches!(
        *fault,
        StoreFault::Contradicted {
            index: 3,
            committed: 3
        }
    ));
    assert!(log.save_vote(&Vote::new(9, 1)).await.is_err(), "latched");
    drop((log, store));
    let store = open(directory.path());
    let kept = store.log().reader().try_get_log_entries(..).await.unwrap();
    assert_eq!(kept, entries(1, 0..4));
    // It is as final at the next start.
    assert!(store.log().truncate_after(None).await.is_err());
}

#[tokio::test]
async fn a_snapshot_of_another_history_is_refused() {
    let directory = directory();
    let store = open(directory.path());
    append(&mut store.log(), entries(1, 0..6)).await;
    store
        .log()
        .save_committed(Some(log_id(1, 4)))
        .await
        .unwrap();
    let covers = |term, index| StoredMeta::<C> {
        last_log_id: Some(log_id(term, index)),
        last_membership: StoredMembership::<C>::default(),
    };
    let snapshots = store.snapshots();
    assert!(snapshots.check_history(&covers(1, 2)).is_ok(), "an old one");
    assert!(
        snapshots.check_history(&covers(2, 5)).is_ok(),
        "a newer one"
    );
    let error = snapshots.check_history(&covers(2, 4)).unwrap_err();
    assert!(error.to_string().contains("contradicts entry 4"), "{error}");
    assert!(store.fault().borrow().is_some());
}

#[tokio::test]
async fn a_leader_of_another_history_is_told_by_its_log_ids() {
    let leader = |term| Vote::new_committed(term, 2);
    for (told, contradicted) in [
        (vec![], None),
        (vec![log_id(1, 2), log_id(2, 3)], None),
        (vec![log_id(1, 2), log_id(2, 3), log_id(3, 4)], Some(4)),
        (vec![log_id(2, 4), log_id(3, 5)], None),
        (vec![log_id(1, 1), log_id(2, 2)], Some(2)),
        (vec![log_id(3, 4)], Some(4)),
    ] {
        let directory = directory();
        let store = open(directory.path());
        let mut log = store.log();
        log.save_vote(&leader(2)).await.unwrap();
        append(&mut log, entries(1, 0..3)).await;
        append(&mut log, entries(2, 3..6)).await;
        let history = log.reader();
        // Nothing is known to be committed yet.
        let ids = || told.iter().copied();
        history.check_history(&leader(3), ids()).await.unwrap();
        log.save_committed(Some(log_id(2, 4))).await.unwrap();
        // A leader of the past, and a candidate, prove nothing.
        history.check_history(&leader(1), ids()).await.unwrap();
        history
            .check_history(&Vote::new(3, 2), ids())
            .await
            .unwrap();
        let judged = history.check_history(&leader(3), ids()).await;
        let found = store.fault().borrow().as_ref().map(|fault| match **fault {
            StoreFault::Contradicted { index, .. } => index,
            _ => u64::MAX,
        });
        assert_eq!(found, contradicted, "{told:?}");
        assert_eq!(judged.is_err(), contradicted.is_some(), "{told:?}");
    }
}

#[tokio::test]
async fn a_second_leader_in_a_term_is_told() {
    let directory = directory();
    let store = open(directory.path());
    let history = store.log().reader();
    let check = async |vote| history.check_history(&vote, std::iter::empty()).await;
    store.log().save_vote(&Vote::new(4, 1)).await.unwrap();
    // Whoever this node voted for, another one may have won.
    check(Vote::new_committed(4, 2)).await.unwrap();
    let followed = Vote::new_committed(4, 2);
    store.log().save_vote(&followed).await.unwrap();
    check(followed).await.unwrap();
    check(Vote::new_committed(5, 3)).await.unwrap();
    let error = check(Vote::new_committed(4, 3)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("nodes 2 and 3 are both leader of term 4"),
        "{error}"
    );
    assert!(store.fault().borrow().is_some());
}
