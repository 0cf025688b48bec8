//! [`Action`]: what the owner of a follower must do.

use trimaran_types::{KafkaError, Offset};

/// One effect, to be carried out in the order given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Write the records of the answer to the end of the log.
    Append,
    /// Drop every record from `to` on.
    TruncateTo {
        /// The log's new end.
        to: Offset,
        /// Records that consumers may have seen are dropped: worth a warning.
        below_high_watermark: bool,
    },
    /// Drop the whole log and begin anew at `at`: the leader no longer has what is missing.
    StartAt {
        /// The log's new start and end.
        at: Offset,
    },
    /// Drop what lies below `to`: the leader's log begins there.
    RaiseLogStart {
        /// The log's new start.
        to: Offset,
    },
    /// The high watermark is known to be here.
    AdvanceHighWatermark {
        /// The new high watermark.
        to: Offset,
    },
    /// Ask again, but not at once.
    Pause {
        /// Why.
        error: KafkaError,
    },
    /// Ask no more in this leader epoch.
    Park {
        /// Why.
        error: KafkaError,
    },
}
