//! What the cluster knows, and how a record changes it.
//!
//! Pure: no clock, no disk, no socket, no randomness. The controllers replicate [`MetadataEntry`]s;
//! every node, controller or broker, replays them into a [`MetadataImage`] with this code, so every
//! node that has replayed up to one index holds the same image at it (promise P-METADATA).
//!
//! Reading order: `record` (what may change), `entry` (how changes travel), `image` (what is known),
//! `replay` (how a record changes an image, and when an entry is refused), `delta` (what differs
//! between two images), `snapshot` (an image as records).
//!
//! It refuses to decide: whether a change is wise is settled before its record is written.

mod delta;
mod directory_choice;
mod entry;
mod image;
pub mod record;
mod replay;
mod snapshot;
mod snapshot_replay;

pub use delta::{BrokerDelta, ImageDelta, PartitionDelta};
pub use directory_choice::directory_for;
pub use entry::{EntryError, MetadataEntry};
pub use image::{
    BrokerRegistration, BrokersImage, ConfigsImage, FeaturesImage, ImagePosition, InvalidImage,
    InvalidPartition, MIN_INSYNC_REPLICAS_DEFAULT, MetadataImage, PartitionLastChange,
    PartitionRef, PartitionState, ProducerIdBlockOwner, ProducerIdsImage, RegistrationLastChange,
    TopicImage, TopicsImage,
};
pub use record::{ChangeOrigin, ChangeReason, FenceReason, LeaderRecovery, MetadataRecord};
pub use replay::{ApplyOutcome, InvalidRecord, Refused};
pub use snapshot::{Snapshot, SnapshotError, records_of};
pub use snapshot_replay::SnapshotReplay;

#[cfg(test)]
mod laws_test;
