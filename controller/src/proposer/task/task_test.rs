//! The task's phases, step by step, on a real raft group of one.

use super::*;
use crate::proposer::guard_test::{active, propose, start};

#[tokio::test(flavor = "multi_thread")]
async fn no_chain_begins_while_an_entry_of_another_is_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let node = running.node();
    active(&node).await;
    let leads = node.standing();
    let (standing, followed) = watch::channel(leads);
    let (mut task, proposer) = ProposerTask::new(
        node.raft().clone(),
        Arc::clone(node.published()),
        node.clock(),
        followed,
        Duration::from_secs(10),
    );
    task.follow_standing();
    let proposed = tokio::spawn(async move { propose(&proposer, 1).await });
    let job = task.jobs.recv().await.unwrap();
    task.on_jobs(job).await;
    assert_eq!(task.in_flight.len(), 1);

    standing.send_replace(Standing::default());
    task.follow_standing();
    assert!(matches!(task.phase, Phase::Away));
    standing.send_replace(leads);
    task.follow_standing();
    assert!(matches!(task.phase, Phase::Draining { .. }));
    assert_eq!(*task.active_term.borrow(), None);

    let receipt = next_receipt(&mut task.in_flight).await;
    task.on_receipt(receipt);
    assert!(matches!(task.phase, Phase::Active(_)));
    assert!(proposed.await.unwrap().is_ok());
    running.stop(true).await.unwrap();
}
