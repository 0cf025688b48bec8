//! Replicas that this broker hosts and cannot serve, for people.

use super::Replicas;
use crate::partition::PartitionRole;

/// Reasons that are told at once; the names are told of all.
const REASONS_MAX: usize = 100;

impl Replicas {
    /// The partitions whose replica here is damaged, lost or failed, by name and in order. Empty
    /// when every replica that was opened serves.
    #[must_use]
    pub fn out_of_service(&self) -> Vec<String> {
        let damaged = self.table.damaged();
        let failed = self.table.all();
        let failed = failed
            .iter()
            .filter(|handle| handle.status().role == PartitionRole::Failed)
            .map(|handle| handle.topic());
        let mut names: Vec<String> = damaged
            .iter()
            .map(|(_, damage)| &damage.name)
            .chain(failed)
            .map(ToString::to_string)
            .collect();
        names.sort_unstable();
        names
    }

    /// Why damaged replicas are out of service and what is to be done, of the first hundred by
    /// name.
    #[must_use]
    pub fn out_of_service_reasons(&self) -> Vec<String> {
        let own = self.context.broker_id;
        let image = self.context.current_image();
        let mut damaged = self.table.damaged();
        damaged.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        let reason =
            |(id, damage): &(_, super::damage::Damage)| damage.reason(image.partition(*id), own);
        damaged.iter().take(REASONS_MAX).map(reason).collect()
    }
}
