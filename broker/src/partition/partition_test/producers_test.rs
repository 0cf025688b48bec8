//! Repetitions of idempotent producers: answered with the first copy's offsets, and not before that
//! copy may be acknowledged.

use std::time::Duration;

use trimaran_api::ApiError;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::record_batch::{BatchBuilder, BatchProducer, RecordBatch, TimestampType};
use trimaran_types::{KafkaError, Offset, ProducerEpoch, ProducerId, Timestamp};

use super::fixture::{Fixture, OWN, PEER, SOON, fixture, gated_fixture, kafka};

const LONG: Duration = Duration::from_secs(20);

fn sent(producer: i64, sequence: i32, count: i32) -> RecordBatch {
    let mut builder = BatchBuilder::new(TimestampType::CreateTime).producer(BatchProducer {
        id: ProducerId(producer),
        epoch: ProducerEpoch(0),
        base_sequence: sequence,
    });
    for number in sequence..sequence + count {
        let value = format!("{producer}:{number}");
        builder
            .push(Timestamp(1), None, Some(value.as_bytes()), &[])
            .unwrap();
    }
    builder.build().unwrap()
}

impl Fixture {
    async fn send(
        &self,
        batches: Vec<RecordBatch>,
        acks: RequiredAcks,
        within: Duration,
    ) -> Result<Option<Offset>, ApiError> {
        let response = self.handle.append(batches, acks, within).await;
        response.map(|response| response.base_offset)
    }
}

#[tokio::test]
async fn a_repetition_waits_for_the_first_copy_to_be_on_every_disk() {
    let fixture = fixture();
    fixture.lead(&[OWN, PEER], 0, 2).await;
    fixture.peer_fetches(0, 0, 0).await;
    // The producer gives up on the first one, which is in the leader's log alone.
    let refusal = fixture
        .send(vec![sent(7, 0, 2)], RequiredAcks::All, SOON)
        .await
        .unwrap_err();
    assert_eq!(kafka(&refusal).1, Some("unknown"));
    let refusal = fixture
        .send(vec![sent(7, 0, 2)], RequiredAcks::All, SOON)
        .await
        .unwrap_err();
    assert_eq!(
        kafka(&refusal),
        (Some(KafkaError::RequestTimedOut), Some("unknown"))
    );
    assert_eq!(fixture.handle.status().log_end, Offset(2));

    // New records and the repetition wait together, and the latter is answered first.
    let next = fixture.send(vec![sent(8, 0, 1)], RequiredAcks::All, LONG);
    let again = fixture.send(vec![sent(7, 0, 2)], RequiredAcks::All, LONG);
    let follow = async {
        fixture
            .until(|status| status.flushed_end == Offset(3))
            .await;
        fixture.peer_fetches(2, 2, 0).await;
        fixture.peer_fetches(3, 3, 0).await;
    };
    let (next, again, ()) = tokio::join!(next, again, follow);
    assert_eq!(next.unwrap(), Some(Offset(2)));
    assert_eq!(again.unwrap(), Some(Offset(0)));
    // Below the high watermark there is nothing to wait for.
    let again = fixture
        .send(vec![sent(7, 0, 2)], RequiredAcks::All, LONG)
        .await;
    assert_eq!(again.unwrap(), Some(Offset(0)));
    assert_eq!(fixture.handle.status().log_end, Offset(3));
    assert_eq!(fixture.read(0, 0).await.unwrap(), ["7:0", "7:1", "8:0"]);
}

#[tokio::test]
async fn a_repetition_waits_for_the_first_copys_sync() {
    let (fixture, gate) = gated_fixture();
    fixture.lead(&[OWN], 0, 1).await;
    gate.close();
    let first = fixture
        .send(vec![sent(7, 0, 1)], RequiredAcks::All, SOON)
        .await;
    let again = fixture
        .send(vec![sent(7, 0, 1)], RequiredAcks::All, SOON)
        .await;
    for refusal in [first.unwrap_err(), again.unwrap_err()] {
        assert_eq!(
            kafka(&refusal),
            (Some(KafkaError::RequestTimedOut), Some("unknown"))
        );
    }
    let leader_only = fixture
        .send(vec![sent(7, 0, 1)], RequiredAcks::Leader, LONG)
        .await;
    assert_eq!(leader_only.unwrap(), Some(Offset(0)));
    gate.open();
    let again = fixture
        .send(vec![sent(7, 0, 1)], RequiredAcks::All, LONG)
        .await;
    assert_eq!(again.unwrap(), Some(Offset(0)));
    assert_eq!(fixture.handle.status().log_end, Offset(1));
}

#[tokio::test]
async fn one_producers_refusal_does_not_touch_its_neighbours() {
    let fixture = fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let all = RequiredAcks::All;
    // Sent together, so that they share one write.
    let (a, b, c, d) = tokio::join!(
        fixture.send(vec![sent(1, 0, 1)], all, LONG),
        fixture.send(vec![sent(2, 0, 1), sent(1, 5, 1)], all, LONG),
        fixture.send(vec![sent(2, 4, 2), sent(1, 0, 1)], all, LONG),
        fixture.send(vec![sent(1, 1, 1)], all, LONG),
    );
    assert_eq!(a.unwrap(), Some(Offset(0)));
    let refused = b.unwrap_err();
    assert_eq!(
        kafka(&refused),
        (
            Some(KafkaError::OutOfOrderSequenceNumber),
            Some("nothing-written")
        )
    );
    assert_eq!(refused.status.as_u16(), 409);
    // The last of its batches is a repetition; it is the others that it waits for.
    assert_eq!(c.unwrap(), Some(Offset(1)));
    assert_eq!(d.unwrap(), Some(Offset(3)));
    assert_eq!(
        fixture.read(0, 0).await.unwrap(),
        ["1:0", "2:4", "2:5", "1:1"]
    );
}

/// It needs no room, and whoever hears that nothing was written may send it as another producer.
#[tokio::test]
async fn a_repetition_is_answered_while_a_full_disk_is_not_tried() {
    let (fixture, disk) = gated_fixture();
    fixture.lead(&[OWN], 0, 1).await;
    let first = vec![sent(7, 0, 20)];
    let base = fixture
        .send(first.clone(), RequiredAcks::Leader, LONG)
        .await;
    assert_eq!(base.unwrap(), Some(Offset(0)));
    disk.fill(true);
    tokio::time::pause();
    let refusal = fixture.append(&["a"], RequiredAcks::Leader).await;
    assert_eq!(refusal.unwrap_err().status, 507);
    let repeated = fixture.send(first, RequiredAcks::Leader, LONG).await;
    assert_eq!(repeated.unwrap(), Some(Offset(0)));
    assert_eq!(disk.writes_refused(), 1);
}
