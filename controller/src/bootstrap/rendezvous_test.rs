//! What a round of answers amounts to.

use trimaran_types::{ControllerId, DirectoryId};

use super::*;

fn voter(id: u64) -> VoterAddress {
    VoterAddress {
        controller_id: ControllerId(id),
        address: format!("127.0.0.1:{id}"),
    }
}

fn status(id: u64, cluster: Option<u128>) -> BootstrapStatus {
    BootstrapStatus {
        controller_id: ControllerId(id),
        directory_id: DirectoryId::from_uuid(Uuid::from_u128(u128::from(id))),
        cluster_id: cluster.map(|cluster| ClusterId::from_uuid(Uuid::from_u128(cluster))),
        voters: Vec::new(),
    }
}

fn silence() -> Result<BootstrapStatus, CallError> {
    Err(CallError::TimedOut {
        address: "x".to_owned(),
    })
}

#[test]
fn silent_voters_and_impostors_are_missing() {
    let (two, three, four) = (voter(2), voter(3), voter(4));
    let answers = [
        (&two, Ok(status(2, None))),
        (&three, silence()),
        (&four, Ok(status(9, None))),
    ];
    assert_eq!(missing(&answers), ["3 at 127.0.0.1:3", "4 at 127.0.0.1:4"]);
    assert!(common_founding(&answers).unwrap().is_none());
}

#[test]
fn one_that_is_founded_is_enough_and_two_clusters_are_an_error() {
    let (two, three) = (voter(2), voter(3));
    let answers = [(&two, silence()), (&three, Ok(status(3, Some(7))))];
    let founding = common_founding(&answers).unwrap().unwrap();
    assert_eq!(
        founding.cluster_id,
        ClusterId::from_uuid(Uuid::from_u128(7))
    );
    let answers = [
        (&two, Ok(status(2, Some(8)))),
        (&three, Ok(status(3, Some(7)))),
    ];
    let error = common_founding(&answers).unwrap_err().to_string();
    assert!(error.contains("controller 2 belongs to cluster"), "{error}");
}
