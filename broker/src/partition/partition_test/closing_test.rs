//! What reaches an owner while it ends.

use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::KafkaError;

use super::fixture::{LONG, OWN, batch, fixture, kafka};
use crate::partition::event::AppendRequest;
use crate::partition::{AppendBudget, Closing, Event};

#[tokio::test]
async fn an_event_that_had_its_place_in_the_mailbox_is_answered_before_the_log_ends() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let mailbox = fixture.handle.mailbox().clone();
    let place = mailbox.reserve().await.unwrap();
    let handle = fixture.handle.clone();
    let closing = tokio::spawn(async move { handle.close(Closing::Discard).await });
    // The owner takes no more places, and has looked for what is there already.
    mailbox.closed().await;
    let budget = AppendBudget::new(1 << 20);
    let (reply, answer) = oneshot::channel();
    place.send(Event::Append(Box::new(AppendRequest {
        batches: vec![batch(&["late"])],
        acks: RequiredAcks::All,
        deadline: Instant::now() + LONG,
        reply,
        permits: [budget.take(1).unwrap(), budget.take(1).unwrap()],
    })));
    let refusal = answer.await.expect("an answer").unwrap_err();
    assert_eq!(
        kafka(&refusal),
        (
            Some(KafkaError::NotLeaderOrFollower),
            Some("nothing-written")
        )
    );
    closing.await.unwrap().unwrap();
}
