//! The proposer on a real raft group of one: packing, failure, and beginning afresh.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use trimaran_api::controller::{BootstrapRequest, BootstrapVoter};
use trimaran_config::Settings;
use trimaran_metadata::record::NoOp;
use trimaran_metadata::{MetadataEntry, MetadataRecord};
use trimaran_types::{ClusterId, ControllerId, MetadataOffset, Timestamp};

use super::{Confirm, ProposeError, Proposer};
use crate::bootstrap::BootstrapDesk;
use crate::config::ControllerConfig;
use crate::decide::Decision;
use crate::directory::MetadataDirectory;
use crate::node::Node;
use crate::running::{Running, open_store};
use crate::type_config::{EntryOutcome, LogData};

pub(super) async fn start(folder: &std::path::Path) -> Running {
    let text = format!(
        "node.id = 1\nmetadata.log.dir = '{}'\ncontroller.quorum.voters = '1@127.0.0.1:1'\n",
        folder.display()
    );
    let config = ControllerConfig::from_settings(Settings::parse(&text, &[]).unwrap()).unwrap();
    let directory = MetadataDirectory::open(folder, ControllerId(1), None).unwrap();
    let desk = Arc::new(BootstrapDesk::new(&config, directory));
    let voter = BootstrapVoter {
        controller_id: ControllerId(1),
        address: "127.0.0.1:1".to_owned(),
        directory_id: desk.status().directory_id,
    };
    let cluster_id = ClusterId::from_uuid(uuid::Uuid::from_u128(1));
    desk.found(BootstrapRequest {
        cluster_id,
        voters: vec![voter],
    })
    .await
    .unwrap();
    let http = trimaran_api::client::http_client(Duration::from_secs(1)).unwrap();
    let store = open_store(Arc::clone(&desk)).await.unwrap();
    let running = Running::start(config, &desk, store, desk.status(), http)
        .await
        .unwrap();
    active(&running.node()).await;
    running
}

pub(super) async fn active(node: &Node) -> u64 {
    let mut term = node.proposer().watch_active_term();
    let found = tokio::time::timeout(Duration::from_secs(10), term.wait_for(Option::is_some));
    found.await.unwrap().unwrap().unwrap()
}

/// Proposes so many records; answers where the first of them goes.
pub(super) async fn propose(
    proposer: &Proposer,
    count: usize,
) -> Result<MetadataOffset, ProposeError> {
    let decided = proposer.propose(Confirm::Quorum, move |view| {
        let records: Vec<MetadataRecord> = vec![NoOp {}.into(); count];
        Ok(Decision {
            records,
            response: view.position.next_offset,
        })
    });
    decided.await
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_in_flight_build_on_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let node = running.node();
    let proposals = (0..300).map(|_| propose(node.proposer(), 2));
    let mut offsets: Vec<u64> = join_all(proposals)
        .await
        .into_iter()
        .map(|offset| offset.unwrap().0)
        .collect();
    offsets.sort_unstable();
    assert_eq!(
        offsets,
        (0..300).map(|number| number * 2).collect::<Vec<_>>()
    );
    let image = node.published().image();
    assert_eq!(image.position.next_offset, MetadataOffset(600));
    assert!(
        image.position.index < 300,
        "packed into {} entries",
        image.position.index
    );
    // Nothing to change, nothing pending: the quorum confirms it.
    assert_eq!(propose(node.proposer(), 0).await, Ok(MetadataOffset(600)));
    running.stop(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_decided_elsewhere_is_refused_and_deciding_begins_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let node = running.node();
    let term = active(&node).await;
    assert_eq!(propose(node.proposer(), 1).await, Ok(MetadataOffset(0)));

    // An entry that the proposer does not know of takes the place of its next one.
    let foreign = |term, offset| {
        let entry = MetadataEntry {
            term,
            base_offset: MetadataOffset(offset),
            timestamp: Timestamp(1),
            records: vec![NoOp {}.into()],
        };
        node.raft().client_write(LogData::new(entry).unwrap())
    };
    assert_eq!(foreign(term, 1).await.unwrap().data, EntryOutcome::Applied);
    let lost = join_all((0..3).map(|_| propose(node.proposer(), 1))).await;
    assert_eq!(
        lost[0],
        Err(ProposeError::NotController),
        "surely without effect"
    );
    active(&node).await;
    assert_eq!(
        propose(node.proposer(), 1)
            .await
            .map(|offset| offset.0 >= 2),
        Ok(true)
    );

    // Of another term, or on another position: refused, and nothing but the index moves.
    let before = node.published().image();
    for (term, offset) in [(term + 1, before.position.next_offset.0), (term, 0)] {
        let outcome = foreign(term, offset).await.unwrap().data;
        assert!(matches!(outcome, EntryOutcome::Refused { .. }), "{outcome}");
    }
    let after = node.published().image();
    assert_eq!(after.position.next_offset, before.position.next_offset);
    assert_eq!(after.position.index, before.position.index + 2);
    running.stop(true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_cannot_be_written_fails_alone() {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    let node = running.node();
    let too_many = trimaran_types::limits::METADATA_ENTRY_RECORDS_MAX + 1;
    let refused = propose(node.proposer(), too_many).await;
    assert!(
        matches!(refused, Err(ProposeError::Unwritable(_))),
        "{refused:?}"
    );
    active(&node).await;
    assert_eq!(propose(node.proposer(), 1).await, Ok(MetadataOffset(0)));
    running.stop(true).await.unwrap();
    assert_eq!(
        propose(node.proposer(), 1).await,
        Err(ProposeError::NotController)
    );
}
