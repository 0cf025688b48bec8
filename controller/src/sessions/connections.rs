//! [`Connections`]: the brokers' session connections, and what happens when one breaks.
//!
//! A connection is a response that never ends. When the broker's process dies, its system closes
//! the connection at once; then the controller knocks at the broker's own listener. Refused means
//! that the process is gone: it is fenced now. Anything else (a connection, silence) proves
//! nothing, and is left to the session timeout; but until its next heartbeat the broker's place may be
//! taken by another run of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use trimaran_types::{BrokerEpoch, BrokerId};

use super::fencing::{Cause, fence};
use crate::knock::is_refused;
use crate::node::Node;

const RETRY_PAUSE: Duration = Duration::from_millis(10);
/// A fencing that fails for a moment is tried again, while it is still due.
const FENCE_TRIES_MAX: usize = 5;

type Key = (BrokerId, BrokerEpoch);

/// How many session connections each registration has.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    open: Mutex<BTreeMap<Key, usize>>,
}

impl Connections {
    fn add(&self, key: Key) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(key).or_insert(0);
        *count = count.saturating_add(1);
    }

    /// Takes one away; true when it was the last.
    fn remove(&self, key: Key) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&key) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => {
                open.remove(&key);
                true
            }
        }
    }
}

/// One open session connection. Dropping it is how its end is noticed.
pub(crate) struct SessionGuard {
    node: Weak<Node>,
    key: Key,
    is_armed: bool,
}

impl SessionGuard {
    /// Notes a new connection of a registered broker.
    #[must_use]
    pub(crate) fn open(node: &Arc<Node>, broker: BrokerId, epoch: BrokerEpoch) -> Self {
        node.connections().add((broker, epoch));
        Self {
            node: Arc::downgrade(node),
            key: (broker, epoch),
            is_armed: true,
        }
    }

    /// It is this controller that ends the connection: the broker need not be gone.
    pub(crate) fn disarm(&mut self) {
        self.is_armed = false;
    }
}

impl Drop for SessionGuard {
    fn drop(&mut self) {
        let Some(node) = self.node.upgrade() else {
            return;
        };
        let was_last = node.connections().remove(self.key);
        if !was_last || !self.is_armed || node.stopping().is_cancelled() {
            return;
        }
        let (broker, epoch) = self.key;
        let image = node.published().image();
        let is_current = image
            .brokers
            .get(broker)
            .is_some_and(|registered| registered.broker_epoch == epoch);
        if is_current {
            node.sessions().lock().cut(broker);
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(look_after(node, self.key));
        }
    }
}

/// Fences the broker if its process is gone.
async fn look_after(node: Arc<Node>, (broker, epoch): Key) {
    for _ in 0..FENCE_TRIES_MAX {
        let image = node.published().image();
        let Some(registration) = image.brokers.get(broker) else {
            return;
        };
        if registration.broker_epoch != epoch || registration.fenced {
            return;
        }
        if !is_refused(&registration.inter_node_address).await {
            tracing::info!(%broker, "a session connection broke; the broker still listens");
            return;
        }
        tracing::warn!(%broker, "a session connection broke and the broker refuses connections");
        match fence(&node, broker, epoch, Cause::ConnectionRefused).await {
            Ok(()) => return,
            Err(error) => tracing::warn!(%broker, %error, "could not fence a broker that is gone"),
        }
        if node.proposer().active_term().is_none() {
            return;
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_connection_counts() {
        let connections = Connections::default();
        let key = (BrokerId(1), BrokerEpoch(2));
        connections.add(key);
        connections.add(key);
        assert!(!connections.remove(key));
        assert!(connections.remove(key));
        assert!(
            connections.remove(key),
            "an unknown one is no reason to keep silent"
        );
    }
}
