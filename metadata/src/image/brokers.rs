//! [`BrokersImage`]: the registered brokers.

use std::sync::Arc;

use imbl::OrdMap;
use serde::Serialize;
use trimaran_types::{BrokerEpoch, BrokerId, DirectoryId, IncarnationId};

use crate::record::{ChangeOrigin, FenceReason};

/// The registered brokers, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct BrokersImage {
    by_id: OrdMap<BrokerId, Arc<BrokerRegistration>>,
}

/// One broker as registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BrokerRegistration {
    /// The broker.
    pub broker_id: BrokerId,
    /// The run of its process.
    pub incarnation_id: IncarnationId,
    /// The registration.
    pub broker_epoch: BrokerEpoch,
    /// Where clients reach it, as `host:port`.
    pub client_address: String,
    /// Where the other nodes reach it, as `host:port`.
    pub inter_node_address: String,
    /// The failure domain it stands in.
    pub rack: Option<String>,
    /// Its log directories in working order.
    pub directories: Vec<DirectoryId>,
    /// Whether it is out of service.
    pub fenced: bool,
    /// Whether it is handing its leaderships over in order to stop.
    pub in_controlled_shutdown: bool,
    /// Why it is in this state, and since when.
    pub last_change: RegistrationLastChange,
}

/// Why a registration is in its state, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RegistrationLastChange {
    /// Why.
    pub reason: FenceReason,
    /// When and where in the log.
    #[serde(flatten)]
    pub origin: ChangeOrigin,
}

impl BrokerRegistration {
    /// Whether it may lead and be in an ISR: neither fenced nor shutting down (KIP-631).
    #[must_use]
    pub const fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }
}

impl BrokersImage {
    /// The registration of a broker.
    #[must_use]
    pub fn get(&self, id: BrokerId) -> Option<&BrokerRegistration> {
        self.by_id.get(&id).map(Arc::as_ref)
    }

    /// Whether the broker is registered and may lead and be in an ISR.
    #[must_use]
    pub fn is_active(&self, id: BrokerId) -> bool {
        self.get(id).is_some_and(BrokerRegistration::is_active)
    }

    /// Every registration, by id.
    pub fn iter(&self) -> impl Iterator<Item = &BrokerRegistration> {
        self.by_id.values().map(Arc::as_ref)
    }

    /// How many are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether none is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    pub(crate) const fn map(&self) -> &OrdMap<BrokerId, Arc<BrokerRegistration>> {
        &self.by_id
    }

    pub(crate) fn insert(&mut self, registration: BrokerRegistration) {
        self.by_id
            .insert(registration.broker_id, Arc::new(registration));
    }

    pub(crate) fn remove(&mut self, id: BrokerId) {
        self.by_id.remove(&id);
    }

    pub(crate) fn get_mut(&mut self, id: BrokerId) -> Option<&mut BrokerRegistration> {
        self.by_id.get_mut(&id).map(Arc::make_mut)
    }
}
