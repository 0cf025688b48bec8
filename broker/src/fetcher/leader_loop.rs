//! [`LeaderLoop`]: fetches everything that this broker follows at one leader.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use trimaran_metadata::MetadataImage;
use trimaran_types::{BrokerEpoch, BrokerId};

use super::answer::deliver;
use super::backoff::Backoff;
use super::exchange::exchange;
use super::fetch_stream::FetchStream;
use super::followed::FollowedPartitions;
use super::request::Positions;
use crate::context::BrokerContext;

/// An empty answer that comes sooner than this is no long poll: the loop slows down by itself.
const ANSWER_SOONEST: Duration = Duration::from_millis(5);
const SLOW_DOWN: Duration = Duration::from_millis(20);

/// One loop; see the module.
#[derive(Debug)]
pub(super) struct LeaderLoop {
    context: BrokerContext,
    leader: BrokerId,
    followed: Arc<FollowedPartitions>,
    positions: Positions,
    backoff: Backoff,
    /// The connection of the last exchange, for the next one.
    stream: Option<FetchStream>,
}

/// Where a leader is, and in which run.
type Whereabouts = (String, BrokerEpoch);

impl LeaderLoop {
    pub(super) fn new(
        context: BrokerContext,
        leader: BrokerId,
        followed: Arc<FollowedPartitions>,
    ) -> Self {
        let (positions, backoff) = (Positions::default(), Backoff::default());
        Self {
            context,
            leader,
            followed,
            positions,
            backoff,
            stream: None,
        }
    }

    /// Runs until it is aborted.
    pub(super) async fn run(mut self) {
        let mut image = self.context.image.clone();
        loop {
            if self.followed.is_empty() {
                self.followed.additions().await;
            }
            self.positions.follow(&self.followed).await;
            let place = whereabouts(&image.borrow_and_update(), self.leader);
            match (&place, self.context.current_broker_epoch()) {
                (Some(place), Some(epoch)) => self.fetch(&mut image, place, epoch).await,
                _ => {
                    let pause = self.backoff.failed();
                    pause_until_moved(&mut image, self.leader, place.as_ref(), pause).await;
                }
            }
        }
    }

    /// One exchange with the leader, or one wait for a reason to have one.
    async fn fetch(
        &mut self,
        image: &mut watch::Receiver<Arc<MetadataImage>>,
        place: &Whereabouts,
        broker_epoch: BrokerEpoch,
    ) {
        let wait_ms = self.context.replication.fetch_wait_max.as_millis();
        let wait_ms = u64::try_from(wait_ms).unwrap_or(u64::MAX);
        let own = self.context.broker_id;
        let begun = Instant::now();
        let Some(request) = self.positions.request(begun, own, broker_epoch, wait_ms) else {
            let until = self.positions.next_turn();
            tokio::select! {
                () = self.followed.additions() => {}
                () = sleep_until(until) => {}
            }
            return;
        };
        let (context, stream) = (&self.context, &mut self.stream);
        let answer = tokio::select! {
            answer = exchange(context, self.leader, &place.0, stream, &request) => answer,
            // New partitions must not wait for the long poll to end. What was asked is asked again.
            () = self.followed.additions() => return,
        };
        match answer {
            Ok(response) => {
                self.backoff.succeeded();
                let is_empty = response.partitions.is_empty();
                deliver(&mut self.positions, response).await;
                if is_empty && request.wait_ms > 10 && begun.elapsed() < ANSWER_SOONEST {
                    tokio::time::sleep(SLOW_DOWN).await;
                }
            }
            Err(error) => {
                let pause = self.backoff.failed();
                if self.backoff.is_first() {
                    tracing::warn!(leader = %self.leader, address = place.0, %error, "cannot fetch from a leader");
                }
                pause_until_moved(image, self.leader, Some(place), pause).await;
            }
        }
    }
}

/// Pauses after a failure, but no longer than until the leader is somewhere else.
async fn pause_until_moved(
    image: &mut watch::Receiver<Arc<MetadataImage>>,
    leader: BrokerId,
    failed_at: Option<&Whereabouts>,
    pause: Duration,
) {
    let moved = image.wait_for(|image| whereabouts(image, leader).as_ref() != failed_at);
    tokio::select! {
        _ = moved => {}
        () = tokio::time::sleep(pause) => {}
    }
}

fn whereabouts(image: &MetadataImage, broker: BrokerId) -> Option<Whereabouts> {
    let registration = image.brokers.get(broker)?;
    Some((
        registration.inter_node_address.clone(),
        registration.broker_epoch,
    ))
}

async fn sleep_until(until: Option<Instant>) {
    match until {
        Some(until) => tokio::time::sleep_until(until).await,
        None => std::future::pending().await,
    }
}
