//! [`NotMade`]: replicas that the metadata assigns to this broker and whose log could not be opened or
//! made. They are tried again and again; until then people are told which they are, and why.

use std::collections::BTreeMap;
use std::error::Error;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use trimaran_commit_log::is_exhausted;
use trimaran_types::{DirectoryId, TopicIdPartition, TopicPartition};

use super::CreateError;
use crate::error_chain::error_chain;

/// The replicas that could not be made, by partition: never more than the broker hosts.
#[derive(Debug, Default)]
pub(super) struct NotMade(Mutex<BTreeMap<TopicIdPartition, Refused>>);

/// One replica that could not be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) name: TopicPartition,
    /// Where it belongs.
    pub(super) place: Option<DirectoryId>,
    /// Why, as the last try ended.
    pub(super) reason: String,
    /// There is no room on the disk, or no descriptor left.
    pub(super) lacks_room: bool,
}

impl NotMade {
    /// A try ended with `error`.
    pub(super) fn note(
        &self,
        id: TopicIdPartition,
        name: TopicPartition,
        place: Option<DirectoryId>,
        error: &CreateError,
    ) {
        let refused = Refused {
            name,
            place,
            reason: error_chain(error),
            lacks_room: lacks_room(error),
        };
        self.lock().insert(id, refused);
    }

    /// It is made now, or nobody asks for it any more.
    pub(super) fn forget(&self, id: TopicIdPartition) {
        self.lock().remove(&id);
    }

    /// All of them, in the order of their ids.
    pub(super) fn all(&self) -> Vec<Refused> {
        self.lock().values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<TopicIdPartition, Refused>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the system refused for want of room or of descriptors.
pub(super) fn lacks_room(error: &CreateError) -> bool {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return is_exhausted(error);
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_commit_log::OpenError;
    use trimaran_types::TopicName;

    #[test]
    fn what_was_refused_for_want_of_room_is_known_as_such() {
        let partition = TopicPartition {
            topic: TopicName::new("t").unwrap(),
            partition: trimaran_types::PartitionIndex(0),
        };
        // ENOSPC, EDQUOT, EMFILE, EACCES.
        for (number, expected) in [(28, true), (122, true), (24, true), (13, false)] {
            let error = CreateError::Open {
                partition: partition.clone(),
                cause: OpenError::Io {
                    path: "/data/logs/t-0".into(),
                    source: io::Error::from_raw_os_error(number),
                },
            };
            assert_eq!(lacks_room(&error), expected, "errno {number}");
        }
    }
}
