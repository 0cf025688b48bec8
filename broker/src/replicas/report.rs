//! What the controllers are to hear of single replicas.

use std::sync::Arc;

use tokio::sync::watch;
use trimaran_api::controller::{DamagedReplica, REPLICAS_REPORTED_MAX};
use trimaran_metadata::MetadataImage;

use super::Replicas;
use super::damage::is_marked_lost;
use crate::session::DamageReport;

impl Replicas {
    /// What the heartbeats are to say, as it was last made.
    #[must_use]
    pub fn reports(&self) -> watch::Receiver<Arc<DamageReport>> {
        self.reports.subscribe()
    }

    /// Makes the report anew against what the metadata shows. Nothing of a failed directory: that is
    /// reported as a whole.
    pub fn update_report(&self, image: &MetadataImage) {
        // Made in here, so that of two that are made at once the later one stays.
        self.reports.send_if_modified(|told| {
            let report = if self.dirs.have_all_failed() {
                DamageReport::default()
            } else {
                self.report(image)
            };
            let differs = **told != report;
            if differs {
                *told = Arc::new(report);
            }
            differs
        });
    }

    fn report(&self, image: &MetadataImage) -> DamageReport {
        let own = self.context.broker_id;
        let mut damaged = Vec::new();
        for (partition, damage) in self.table.damaged() {
            let state = image.partition(partition);
            if state.is_some_and(|state| damage.must_be_reported(state, own)) {
                damaged.push(DamagedReplica {
                    partition,
                    cause: damage.cause,
                    served_up_to: damage.served_up_to(),
                });
            }
        }
        damaged.sort_by_key(|replica| replica.partition);
        let mut restored = self.table.found_in_order();
        restored.retain(|partition| {
            image.partition(*partition).is_some_and(|state| {
                is_marked_lost(state, own)
                    && state.leader.is_none()
                    && state.last_known_eligible.contains(&own)
            })
        });
        let has_more =
            damaged.len() > REPLICAS_REPORTED_MAX || restored.len() > REPLICAS_REPORTED_MAX;
        damaged.truncate(REPLICAS_REPORTED_MAX);
        restored.truncate(REPLICAS_REPORTED_MAX);
        DamageReport {
            damaged,
            restored,
            has_more,
            lacking_room: self.lacking_for_long(),
        }
    }
}
