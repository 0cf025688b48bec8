//! The followers' side of replication: one loop for each leader broker.
//!
//! A loop asks its leader for all partitions that this broker follows there in one long poll, hands
//! each answer to the partition's owner, and asks on when the records are written and synced, so
//! that each fetch reports where its replica stands. Leaders that cannot be reached are tried again
//! with growing pauses, and at once when the metadata says that they are elsewhere.

mod answer;
mod backoff;
mod exchange;
mod fetch_stream;
mod followed;
mod leader_loop;
mod request;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::task::JoinHandle;
use trimaran_types::{BrokerId, LeaderEpoch, TopicIdPartition};

use crate::context::BrokerContext;
use crate::partition::PartitionHandle;

use followed::FollowedPartitions;
use leader_loop::LeaderLoop;

/// The loops of this broker, by leader.
#[derive(Debug)]
pub struct Fetchers {
    context: BrokerContext,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    loops: HashMap<BrokerId, (Arc<FollowedPartitions>, JoinHandle<()>)>,
    /// Where each partition is followed.
    places: HashMap<TopicIdPartition, (BrokerId, LeaderEpoch)>,
    stopped: bool,
}

impl Fetchers {
    /// No loop yet.
    #[must_use]
    pub fn new(context: BrokerContext) -> Self {
        Self {
            context,
            state: Mutex::new(State::default()),
        }
    }

    /// Follows the partition at `leader`. A new leader epoch begins anew, even at the same leader
    /// (KIP-595); the same one changes nothing.
    pub fn follow(&self, handle: PartitionHandle, leader: BrokerId, epoch: LeaderEpoch) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let id = handle.id();
        if state.stopped || state.places.get(&id) == Some(&(leader, epoch)) {
            return;
        }
        state.forget(id);
        state.places.insert(id, (leader, epoch));
        let (followed, _) = state.loops.entry(leader).or_insert_with(|| {
            let followed = Arc::new(FollowedPartitions::default());
            let fetching = LeaderLoop::new(self.context.clone(), leader, Arc::clone(&followed));
            (followed, tokio::spawn(fetching.run()))
        });
        followed.insert(handle, epoch);
    }

    /// Follows the partition no more.
    pub fn forget(&self, partition: TopicIdPartition) {
        self.state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .forget(partition);
    }

    /// Ends all loops; what was being copied stays as it is.
    pub fn stop(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.stopped = true;
        state.places.clear();
        for (_, (_, task)) in state.loops.drain() {
            task.abort();
        }
    }
}

impl State {
    fn forget(&mut self, partition: TopicIdPartition) {
        if let Some((leader, _)) = self.places.remove(&partition)
            && let Some((followed, _)) = self.loops.get(&leader)
        {
            followed.remove(partition);
        }
    }
}

impl Drop for Fetchers {
    fn drop(&mut self) {
        self.stop();
    }
}
