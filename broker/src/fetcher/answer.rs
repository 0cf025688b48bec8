//! An answer, handed to the owners; each tells how to go on.

use tokio::sync::oneshot;
use tokio::time::Instant;
use trimaran_api::replica::ReplicaFetchResponse;

use super::request::Positions;
use crate::partition::{Event, Fetched, FollowerNext};

/// Gives every partition its part and waits until all of them have written and synced it.
pub(super) async fn deliver(positions: &mut Positions, response: ReplicaFetchResponse) {
    let mut waiting = Vec::with_capacity(response.partitions.len());
    for result in response.partitions {
        let id = result.partition;
        let Some(known) = positions.get_mut(id) else {
            continue;
        };
        let Some(asked) = known.position else {
            continue;
        };
        let (reply, next) = oneshot::channel();
        let fetched = Box::new(Fetched {
            asked,
            result,
            reply,
        });
        if known.handle.send(Event::Fetched(fetched)).await {
            waiting.push((id, next));
        } else {
            known.position = None;
        }
    }
    for (id, next) in waiting {
        let next = next.await.ok();
        let Some(known) = positions.get_mut(id) else {
            continue;
        };
        let Some(FollowerNext { position, pause }) = next else {
            known.position = None;
            continue;
        };
        // A replica that has begun another epoch is another entry, which comes with the metadata.
        let epoch = known.position.map(|asked| asked.leader_epoch);
        known.position = position.filter(|position| Some(position.leader_epoch) == epoch);
        if pause {
            known.paused_until = Some(Instant::now() + known.backoff.failed());
        } else {
            known.paused_until = None;
            known.backoff.succeeded();
        }
    }
}
