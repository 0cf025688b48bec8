//! [`ChangeReason`]: why a partition's state is what it is.

use serde::{Deserialize, Serialize};

/// Why a partition last changed. The texts are frozen: they are in every log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeReason {
    /// The partition was created.
    Created,
    /// A broker that hosts it was fenced.
    BrokerFenced,
    /// A broker that hosts it came back into service.
    BrokerUnfenced,
    /// A broker that hosts it is shutting down and moves its work first.
    ControlledShutdown,
    /// A broker that hosts it left the cluster for good.
    BrokerUnregistered,
    /// The leader reported replicas that caught up.
    IsrExpanded,
    /// The leader reported replicas that fell behind.
    IsrShrunkByLag,
    /// A broker that hosts it restarted without a clean stop, so its replica may lack records.
    ReplicaUncleanRestart,
    /// A broker that hosts it came back without the directory that held the replica.
    DiskReplaced,
    /// A broker that hosts it reported that the directory of the replica failed.
    DirectoryFailed,
    /// A broker that hosts it reported that its replica is damaged or gone.
    ReplicaDamaged,
    /// A broker that hosts it reported that the log of a replica given up as lost is there.
    ReplicaRestored,
    /// The leader reported that it has recovered.
    LeaderRecovered,
    /// A leader was elected among the replicas that hold every acknowledged record.
    Elected,
    /// The last leader was elected again: nobody else may hold the newest records.
    ElectedLastKnown,
    /// A leader was elected that may lack acknowledged records; unclean election was switched on.
    ElectedUncleanly,
    /// Replicas are being moved, or were.
    Reassigned,
    /// The minimum ISR was lowered, so replicas outside the ISR are not eligible any more.
    MinIsrLowered,
    /// The leader asked for the ISR that is, under a new partition epoch: an earlier request to
    /// change it, which had no answer, comes too late from now on.
    IsrConfirmed,
}

impl ChangeReason {
    /// The text, as in the log.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::BrokerFenced => "broker-fenced",
            Self::BrokerUnfenced => "broker-unfenced",
            Self::ControlledShutdown => "controlled-shutdown",
            Self::BrokerUnregistered => "broker-unregistered",
            Self::IsrExpanded => "isr-expanded",
            Self::IsrShrunkByLag => "isr-shrunk-by-lag",
            Self::ReplicaUncleanRestart => "replica-unclean-restart",
            Self::DiskReplaced => "disk-replaced",
            Self::DirectoryFailed => "directory-failed",
            Self::ReplicaDamaged => "replica-damaged",
            Self::ReplicaRestored => "replica-restored",
            Self::LeaderRecovered => "leader-recovered",
            Self::Elected => "elected",
            Self::ElectedLastKnown => "elected-last-known",
            Self::ElectedUncleanly => "elected-uncleanly",
            Self::Reassigned => "reassigned",
            Self::MinIsrLowered => "min-isr-lowered",
            Self::IsrConfirmed => "isr-confirmed",
        }
    }
}

impl std::fmt::Display for ChangeReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.text())
    }
}
