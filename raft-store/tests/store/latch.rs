//! The first fault is final; what waits together shares a sync; answers come in order.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use openraft::Vote;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use trimaran_raft_store::{Step, StoreOptions};

use crate::support::{Store, append, directory, entry, open, submit};

#[tokio::test]
async fn the_first_fault_is_final() {
    for failing in [Step::BeforeWrite, Step::Written, Step::Synced] {
        let directory = directory();
        let armed = Arc::new(AtomicBool::new(false));
        let hook = Arc::clone(&armed);
        let steps = move |step| {
            // It fails once and would succeed again: the store must not try.
            if step == failing && hook.swap(false, Ordering::SeqCst) {
                return Err(io::Error::other("the disk is gone"));
            }
            Ok(())
        };
        let options = StoreOptions {
            steps: Some(Arc::new(steps)),
            ..StoreOptions::default()
        };
        let store = Store::open(directory.path(), options).unwrap();
        let mut log = store.log();
        append(&mut log, vec![entry(1, 0)]).await;
        armed.store(true, Ordering::SeqCst);
        let error = submit(&mut log, vec![entry(1, 1)]).await.await.unwrap_err();
        assert!(error.to_string().contains("the disk is gone"), "{error}");
        assert!(store.fault().borrow().is_some());
        let later = [
            log.save_vote(&Vote::new(9, 1)).await.unwrap_err(),
            log.append(vec![entry(1, 2)], IOFlushed::noop())
                .await
                .unwrap_err(),
            log.truncate_after(None).await.unwrap_err(),
            log.purge(crate::support::log_id(1, 0)).await.unwrap_err(),
            log.reader().try_get_log_entries(..).await.unwrap_err(),
            log.reader().read_vote().await.unwrap_err(),
        ];
        for error in later {
            assert!(error.to_string().contains("the disk is gone"), "{error}");
        }
        assert!(store.close().await.is_err());
        drop((log, store));
        let store = open(directory.path());
        let entries = store.log().reader().try_get_log_entries(..).await.unwrap();
        assert_eq!(entries[0], entry(1, 0), "what was acknowledged is there");
        assert_eq!(store.log().reader().read_vote().await.unwrap(), None);
    }
}

#[tokio::test]
async fn waiting_appends_share_a_sync_and_are_readable_at_once() {
    let directory = directory();
    let syncs = Arc::new(AtomicUsize::new(0));
    let (release, gate) = mpsc::channel::<()>();
    let (entered_sender, entered) = mpsc::channel::<()>();
    let gate = Mutex::new(Some(gate));
    let counter = Arc::clone(&syncs);
    let steps = move |step| {
        match step {
            Step::BeforeWrite => {
                if let Some(gate) = gate.lock().unwrap().take() {
                    entered_sender.send(()).unwrap();
                    gate.recv().unwrap();
                }
            }
            Step::Synced => {
                counter.fetch_add(1, Ordering::SeqCst);
            }
            Step::Written | Step::Swept => {}
        }
        Ok(())
    };
    let options = StoreOptions {
        steps: Some(Arc::new(steps)),
        ..StoreOptions::default()
    };
    let store = Store::open(directory.path(), options).unwrap();
    let mut log = store.log();

    let order = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for index in 0..50 {
        let done = submit(&mut log, vec![entry(1, index)]).await;
        if index == 0 {
            entered.recv().unwrap();
        }
        let order = Arc::clone(&order);
        waiting.push(async move {
            done.await.unwrap();
            order.lock().unwrap().push(index);
        });
    }
    let read = log.reader().try_get_log_entries(..).await.unwrap();
    assert_eq!(read.len(), 50, "readable before anything is written");
    release.send(()).unwrap();
    for done in waiting {
        done.await;
    }
    assert_eq!(syncs.load(Ordering::SeqCst), 2);
    assert_eq!(*order.lock().unwrap(), (0..50).collect::<Vec<_>>());
}
