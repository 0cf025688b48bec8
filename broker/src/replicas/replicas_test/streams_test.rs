//! The serving end of the streams between brokers, across changes of epochs and registrations: a
//! question of an earlier one is refused, never answered with records, and its position not counted.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use trimaran_api::replica::append_stream::{AnswerFrame, AppendFrame};
use trimaran_api::replica::{
    FetchPartition, FetchPartitionResult, ReplicaFetchRequest, ReplicaFetchResponse, RequiredAcks,
};
use trimaran_api::rest::WriteOutcome;
use trimaran_types::{BrokerEpoch, KafkaError, LeaderEpoch, Offset, TopicIdPartition};

use super::pair::{ONE, Pair, TWO, batch};
use super::served::Served;
use crate::http::{append_stream, fetch_stream};
use crate::node_stream::{read_message, write_message};
use crate::partition::{PartitionRole, PartitionStatus};
use crate::replicas::fetch::{Room, result_of};
use crate::routing::outcome_of;

/// Broker 2 as the test plays it, on a stream to broker 1.
struct Peer {
    stream: DuplexStream,
    input: BytesMut,
    partition: TopicIdPartition,
}

/// The partition led by broker 1, and nobody who fetches but the test.
async fn led_by_one() -> (Pair, TopicIdPartition) {
    let pair = Pair::start().await;
    let id = pair.create("flights", &[ONE, TWO], &[ONE, TWO]).await;
    pair.broker(TWO).fetchers.stop();
    (pair, id)
}

fn registered(pair: &Pair) -> BrokerEpoch {
    pair.image().brokers.get(TWO).unwrap().broker_epoch
}

impl Peer {
    fn fetching(pair: &Pair, partition: TopicIdPartition) -> Self {
        let (stream, served) = tokio::io::duplex(64 * 1024);
        let replicas = Served::new(&pair.broker(ONE).replicas, &Arc::default());
        tokio::spawn(async move { fetch_stream::serve(served, &replicas).await });
        let input = BytesMut::new();
        Self {
            stream,
            input,
            partition,
        }
    }

    async fn ask(&mut self, broker_epoch: BrokerEpoch, epoch: i32, end: i64, wait_ms: u64) {
        let request = ReplicaFetchRequest {
            replica_id: TWO,
            broker_epoch,
            wait_ms,
            bytes_max: 1 << 20,
            partitions: vec![FetchPartition {
                partition: self.partition,
                current_leader_epoch: LeaderEpoch(epoch),
                fetch_offset: Offset(end),
                flushed_end: Offset(end),
                last_fetched_epoch: (end > 0).then_some(LeaderEpoch(epoch)),
                log_start: Offset(0),
            }],
        };
        let mut output = Vec::new();
        let sent = write_message(&mut self.stream, &mut output, &request);
        sent.await.unwrap();
    }

    async fn answer(&mut self) -> Vec<FetchPartitionResult> {
        let answer: ReplicaFetchResponse = read_message(&mut self.stream, &mut self.input, 1 << 20)
            .await
            .unwrap();
        answer.partitions
    }

    /// The one refusal of an answer.
    async fn refusal(&mut self) -> KafkaError {
        match &self.answer().await[..] {
            [result] if result.records.is_empty() => result.error.expect("a refusal"),
            other => panic!("{other:?}"),
        }
    }
}

fn leads_in(epoch: i32) -> impl Fn(&PartitionStatus) -> bool {
    move |status| {
        status.role == PartitionRole::Leader && status.leader_epoch == Some(LeaderEpoch(epoch))
    }
}

#[tokio::test]
async fn a_fetch_that_waits_is_refused_when_a_new_epoch_begins() {
    let (pair, id) = led_by_one().await;
    let mut peer = Peer::fetching(&pair, id);
    let broker_epoch = registered(&pair);
    peer.ask(broker_epoch, 0, 0, 60_000).await;
    // Parked: there is nothing to read.
    let handle = pair.broker(ONE).replicas.get(id).unwrap();
    while !handle.seats().is_parked(TWO, Offset(0)) {
        tokio::task::yield_now().await;
    }
    pair.elect(id, ONE);
    assert_eq!(peer.refusal().await, KafkaError::FencedLeaderEpoch);
    // Nor is a later question of the old epoch answered, when there is something to read.
    let append = pair.append(ONE, id, "a");
    let follow = async {
        pair.until(ONE, id, |status| status.flushed_end == Offset(1))
            .await;
        peer.ask(broker_epoch, 0, 0, 0).await;
        assert_eq!(peer.refusal().await, KafkaError::FencedLeaderEpoch);
        // The old log's end, told late: not taken for this one's.
        peer.ask(broker_epoch, 0, 1, 0).await;
        assert_eq!(peer.refusal().await, KafkaError::FencedLeaderEpoch);
        assert_eq!(handle.status().high_watermark, Offset(0));
        peer.ask(broker_epoch, 1, 0, 0).await;
        assert!(!peer.answer().await[0].records.is_empty());
        peer.ask(broker_epoch, 1, 1, 0).await;
        peer.answer().await;
    };
    let (appended, ()) = tokio::join!(append, follow);
    assert_eq!(appended.unwrap().leader_epoch, LeaderEpoch(1));
}

#[tokio::test]
async fn a_fetch_of_an_earlier_registration_is_refused_while_it_waits_and_after() {
    let (mut pair, id) = led_by_one().await;
    let mut peer = Peer::fetching(&pair, id);
    let old = registered(&pair);
    peer.ask(old, 0, 0, 60_000).await;
    let handle = pair.broker(ONE).replicas.get(id).unwrap();
    while !handle.seats().is_parked(TWO, Offset(0)) {
        tokio::task::yield_now().await;
    }
    pair.crash(TWO).await;
    pair.restart(TWO).await;
    pair.broker(TWO).fetchers.stop();
    assert_eq!(peer.refusal().await, KafkaError::StaleBrokerEpoch);
    peer.ask(old, 0, 0, 0).await;
    assert_eq!(peer.refusal().await, KafkaError::StaleBrokerEpoch);
    // The new registration is served.
    peer.ask(registered(&pair), 0, 0, 0).await;
    let answer = peer.answer().await;
    assert!(
        answer.iter().all(|result| result.error.is_none()),
        "{answer:?}"
    );
}

#[tokio::test]
async fn records_that_were_read_while_the_leadership_ended_are_not_sent() {
    let (pair, id) = led_by_one().await;
    let broker_epoch = registered(&pair);
    let append = pair.append(ONE, id, "a");
    let mut peer = Peer::fetching(&pair, id);
    let follow = async {
        pair.until(ONE, id, |status| status.flushed_end == Offset(1))
            .await;
        peer.ask(broker_epoch, 0, 1, 0).await;
        peer.answer().await;
    };
    let (appended, ()) = tokio::join!(append, follow);
    appended.unwrap();
    let handle = pair.broker(ONE).replicas.get(id).unwrap();
    let reply = crate::partition::FetchReply {
        answer: trimaran_replication::leader::FetchAnswer::Read {
            from: Offset(0),
            before: Offset(1),
        },
        high_watermark: Offset(1),
        log_start: Offset(0),
    };
    let sent = |epoch| {
        let result = result_of(&handle, LeaderEpoch(epoch), &reply, &mut Room::new(1 << 20));
        let result = result.unwrap();
        (result.error, result.records.is_empty())
    };
    assert_eq!(sent(0), (None, false));
    pair.elect(id, ONE);
    pair.until(ONE, id, leads_in(1)).await;
    let refused = (Some(KafkaError::NotLeaderOrFollower), true);
    assert_eq!(sent(0), refused, "of the epoch before");
    pair.elect(id, TWO);
    pair.until(ONE, id, |status| status.role == PartitionRole::Follower)
        .await;
    assert_eq!(sent(1), refused, "of a leader that follows now");
}

/// Appends carry no epoch: a broker takes them in the epoch that it leads in, or not at all.
#[tokio::test]
async fn an_append_on_a_stream_is_answered_by_who_leads_or_refused() {
    let (pair, id) = led_by_one().await;
    let (mut stream, served) = tokio::io::duplex(64 * 1024);
    let replicas = Served::new(&pair.broker(ONE).replicas, &Arc::default());
    tokio::spawn(async move { append_stream::serve(served, &replicas).await });
    let mut input = BytesMut::new();
    let mut wire = BytesMut::new();
    let mut send = |number: u64, acks| {
        let batches = batch(&number.to_string()).into_bytes();
        let frame = AppendFrame {
            id: number,
            partition: id,
            acks,
            timeout_ms: 60_000,
            batches,
        };
        frame.put(&mut wire).unwrap();
        wire.split()
    };
    let refused = |frame: &AnswerFrame| {
        let refusal = frame.answer.as_ref().unwrap_err();
        (refusal.body.kafka_error, outcome_of(refusal))
    };
    // It waits for a follower that does not come, and the leadership moves away.
    let first = send(1, RequiredAcks::All);
    stream.write_all(&first).await.unwrap();
    pair.until(ONE, id, |status| status.flushed_end == Offset(1))
        .await;
    pair.elect(id, TWO);
    let moved = Some(KafkaError::NotLeaderOrFollower);
    let frame = next(&mut stream, &mut input).await;
    assert_eq!(
        (frame.id, refused(&frame)),
        (1, (moved, WriteOutcome::Unknown))
    );
    let second = send(2, RequiredAcks::Leader);
    stream.write_all(&second).await.unwrap();
    let frame = next(&mut stream, &mut input).await;
    let nothing = (moved, WriteOutcome::NothingWritten);
    assert_eq!((frame.id, refused(&frame)), (2, nothing));
    pair.elect(id, ONE);
    pair.until(ONE, id, leads_in(2)).await;
    let third = send(3, RequiredAcks::Leader);
    stream.write_all(&third).await.unwrap();
    let frame = next(&mut stream, &mut input).await;
    assert_eq!(frame.answer.unwrap().leader_epoch, LeaderEpoch(2));
    // A replica that is given up takes nothing more, on a stream that began before.
    let cause = trimaran_api::controller::DamageCause::Corrupt;
    assert!(pair.broker(ONE).replicas.condemn(id, cause).await);
    let fourth = send(4, RequiredAcks::Leader);
    stream.write_all(&fourth).await.unwrap();
    let frame = next(&mut stream, &mut input).await;
    assert_eq!((frame.id, refused(&frame)), (4, nothing));
}

async fn next(stream: &mut DuplexStream, input: &mut BytesMut) -> AnswerFrame {
    let answer = async {
        loop {
            if let Some(answer) = AnswerFrame::take(input).unwrap() {
                return answer;
            }
            assert!(stream.read_buf(input).await.unwrap() > 0);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answer)
        .await
        .expect("an answer")
}
