//! A leader whose flush finds no descriptor for the log's directory.

use std::time::Duration;

use trimaran_api::replica::RequiredAcks;
use trimaran_commit_log::LogConfig;
use trimaran_types::Offset;

use super::super::*;
use super::fixture::{OWN, assignment, gated_fixture};

#[tokio::test]
async fn what_could_not_be_flushed_is_flushed_later_and_acknowledged_no_earlier() {
    let (fixture, disk) = gated_fixture();
    let mut leads = assignment(AssignedRole::Leader, &[OWN], 0, 1);
    leads.settings.log = LogConfig {
        segment_bytes: 1024,
        ..LogConfig::default()
    };
    assert!(fixture.handle.assign(leads).await);
    fixture
        .until(|status| status.role == PartitionRole::Leader)
        .await;
    let text = "x".repeat(600);
    fixture.append_one(&text).await;
    // This one begins a segment, so that the name of a file is to be synced.
    disk.leave_dirs(Some(1));
    let texts = [text.as_str()];
    let appending = fixture.append(&texts, RequiredAcks::All);
    tokio::pin!(appending);
    let refused = async {
        while disk.dirs_refused() < 5 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        early = &mut appending => panic!("answered before it was synced: {early:?}"),
        () = refused => {}
    }
    let status = fixture.handle.status();
    assert_eq!(
        (status.role, status.flushed_end),
        (PartitionRole::Leader, Offset(1))
    );
    assert_eq!(fixture.context.latch.failure(), None);
    disk.leave_dirs(None);
    assert_eq!(appending.await.unwrap(), Some(Offset(1)));
    assert_eq!(fixture.append_one(&text).await, Offset(2));
}
