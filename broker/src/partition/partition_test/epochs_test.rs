//! Appends that wait while the leadership ends, or goes on in a later epoch, at the same replica.

use trimaran_api::replica::RequiredAcks;
use trimaran_replication::leader::FetchAnswer;
use trimaran_types::{KafkaError, Offset};

use super::fixture::{Fixture, OWN, PEER, assignment, fixture, kafka};
use crate::partition::{AssignedRole, Closing, PartitionRole};

#[tokio::test]
async fn an_append_outlives_an_epoch_that_ends_when_the_same_replica_leads_on() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    let append = fixture.append(&["a"], RequiredAcks::All);
    let lead_on = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        // In the epoch before, the peer had everything but this.
        fixture.peer_fetches(0, 0, 0).await;
        fixture.lead(&[OWN, PEER], 2, 2).await;
        let late = fixture.peer_fetches(1, 1, 0).await;
        assert_eq!(
            late.answer,
            FetchAnswer::Refused(KafkaError::FencedLeaderEpoch)
        );
        assert_eq!(fixture.handle.status().high_watermark, Offset(0));
        fixture.peer_fetches(1, 1, 2).await;
    };
    let (appended, ()) = tokio::join!(append, lead_on);
    assert_eq!(appended.unwrap(), Some(Offset(0)));
}

impl Fixture {
    async fn lose_the_leader(&self, epoch: i32) {
        let idle = assignment(AssignedRole::Idle, &[OWN, PEER], epoch, 2);
        assert!(self.handle.assign(idle).await);
        self.until(|status| status.role == PartitionRole::Idle)
            .await;
    }
}

#[tokio::test]
async fn an_append_outlives_a_time_without_a_leader() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    let append = fixture.append(&["a"], RequiredAcks::All);
    let lose_and_lead = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        fixture.lose_the_leader(1).await;
        // Nobody leads: nobody is answered, whatever a follower says.
        let refused = fixture.peer_fetches(1, 1, 0).await;
        assert!(matches!(refused.answer, FetchAnswer::Refused(_)));
        let refusal = fixture.append(&["b"], RequiredAcks::All).await.unwrap_err();
        let nothing_written = (
            Some(KafkaError::NotLeaderOrFollower),
            Some("nothing-written"),
        );
        assert_eq!(kafka(&refusal), nothing_written);
        fixture.lead(&[OWN, PEER], 2, 2).await;
        assert_eq!(fixture.handle.status().high_watermark, Offset(0));
        fixture.peer_fetches(1, 1, 2).await;
    };
    let (appended, ()) = tokio::join!(append, lose_and_lead);
    assert_eq!(appended.unwrap(), Some(Offset(0)));
    assert_eq!(fixture.read(0, 0).await.unwrap(), ["a"]);
}

#[tokio::test]
async fn when_another_replica_leads_at_last_nobody_knows() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    let append = fixture.append(&["a"], RequiredAcks::All);
    let lose_and_follow = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        fixture.lose_the_leader(1).await;
        let follower = AssignedRole::Follower { leader: PEER };
        let follow = assignment(follower, &[OWN, PEER], 2, 2);
        assert!(fixture.handle.assign(follow).await);
    };
    let (appended, ()) = tokio::join!(append, lose_and_follow);
    let unknown = (Some(KafkaError::NotLeaderOrFollower), Some("unknown"));
    assert_eq!(kafka(&appended.unwrap_err()), unknown);
}

#[tokio::test]
async fn an_owner_that_ends_without_a_leader_leaves_nobody_waiting() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    let append = fixture.append(&["a"], RequiredAcks::All);
    let lose_and_close = async {
        fixture
            .until(|status| status.flushed_end == Offset(1))
            .await;
        fixture.lose_the_leader(1).await;
        fixture.handle.close(Closing::Clean).await.unwrap();
    };
    let (appended, ()) = tokio::join!(append, lose_and_close);
    let unknown = (Some(KafkaError::NotLeaderOrFollower), Some("unknown"));
    assert_eq!(kafka(&appended.unwrap_err()), unknown);
}
