//! Replicas that this broker hosts and cannot serve.
//!
//! The controllers are not told of a single one, so it stays electable; whoever decides whether the
//! broker serves must look here.

use super::Replicas;
use crate::partition::PartitionRole;

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
            .chain(failed)
            .map(ToString::to_string)
            .collect();
        names.sort_unstable();
        names
    }
}
