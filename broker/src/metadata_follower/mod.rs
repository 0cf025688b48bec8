//! The metadata follower: pulls the committed log from any controller and replays it.
//!
//! Publishes each new image; keeps one on disk, so that a restart replays only what is new. While no
//! controller answers, the last image stays in force. It refuses another cluster's feed for good,
//! and never goes back: a controller that lags behind is left for another one. One whose history is
//! not the one replayed here is not believed; when it is the quorum's, a broker that has not opened
//! its logs yet begins again from it, and one that serves says that it must be restarted.

mod checkpoint;
mod error;
mod feed;
mod follower;
mod proven;
mod removed_topics;
mod replay;
mod snapshot;
mod status;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use error::FollowerError;
pub use follower::{FollowerStart, MetadataFollower};
pub use removed_topics::RemovedTopics;
pub use status::FeedStatus;

#[cfg(test)]
mod follower_test;
