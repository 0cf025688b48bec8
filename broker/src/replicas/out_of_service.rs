//! Replicas that this broker hosts and cannot serve, for people.

use super::Replicas;
use crate::partition::PartitionRole;

/// Reasons that are told at once; the names are told of all.
const REASONS_MAX: usize = 100;

impl Replicas {
    /// The partitions whose replica here is damaged, lost, failed, or could not be made, by name and
    /// in order. Empty when every replica serves.
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
            .chain(self.not_made.all().iter().map(|it| it.name.to_string()))
            .collect();
        names.sort_unstable();
        // One that may not be begun anew is damaged, and cannot be made.
        names.dedup();
        names
    }

    /// The partitions whose replica here serves reads, and takes no appends for want of room on its
    /// disk; by name and in order.
    #[must_use]
    pub fn lacking_room(&self) -> Vec<String> {
        let mut names: Vec<String> = self
            .table
            .all()
            .iter()
            .filter(|handle| handle.status().lacks_room)
            .map(|handle| handle.topic().to_string())
            .collect();
        names.sort_unstable();
        names
    }

    /// Why replicas are damaged or could not be made and what is to be done, of the first hundred
    /// of each by name.
    #[must_use]
    pub fn out_of_service_reasons(&self) -> Vec<String> {
        let own = self.context.broker_id;
        let image = self.context.current_image();
        let mut damaged = self.table.damaged();
        damaged.sort_by(|(_, a), (_, b)| a.name.cmp(&b.name));
        let reason =
            |(id, damage): &(_, super::damage::Damage)| damage.reason(image.partition(*id), own);
        let damaged = damaged.iter().take(REASONS_MAX).map(reason);
        let mut not_made = self.not_made.all();
        not_made.sort_by(|a, b| a.name.cmp(&b.name));
        let not_made = not_made
            .into_iter()
            .take(REASONS_MAX)
            .map(|it| format!("{}: {}; it is tried again every second", it.name, it.reason));
        damaged.chain(not_made).collect()
    }
}
