//! How a log begins: its directory, the note of its topic, its first segment.

use std::io;
use std::path::Path;

use trimaran_types::Offset;

use super::error::{OpenError, at, sync_dir, unchanged};
use super::{Listing, OpenAs, SyncedEnd};
use crate::change_error::ChangeError;
use crate::context::LogContext;
use crate::damage::Damage;
use crate::disk::OpenHow;
use crate::epochs::EpochCache;
use crate::index::{IndexTail, Indexer};
use crate::log::recover::{Recovered, RecoveryReport};
use crate::names::{PARTITION_METADATA, SegmentFile};
use crate::{atomic_file, partition_metadata};

pub(super) fn make_dir(context: &LogContext, dir: &Path) -> Result<(), ChangeError> {
    context.disk.create_dir(dir)?;
    dir.parent()
        .map_or(Ok(()), |parent| sync_dir(context, parent))
}

/// Checks that the directory belongs to the topic; notes it in one that is new.
pub(super) fn check_topic(
    context: &LogContext,
    dir: &Path,
    start: &OpenAs,
    listing: &Listing,
) -> Result<(), OpenError> {
    let path = dir.join(PARTITION_METADATA);
    let text = match atomic_file::read_text(context.disk.as_ref(), &path) {
        // Damage of this file alone, as if it were gone.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
        read => read.map_err(at(&path))?,
    };
    match text.as_deref().map(partition_metadata::parse) {
        Some(Some(found)) if found == start.topic_id => Ok(()),
        Some(Some(found)) => {
            let expected = start.topic_id;
            Err(OpenError::OtherTopic {
                dir: dir.to_owned(),
                found,
                expected,
            })
        }
        // It is written before the first segment, so with one its absence is damage.
        _ if !listing.segments.is_empty() => Err(OpenError::TopicIdMissing {
            dir: dir.to_owned(),
        }),
        _ => {
            let content = partition_metadata::format(start.topic_id);
            atomic_file::replace(context.disk.as_ref(), &path, content.as_bytes())
                .map_err(unchanged(context, &path))
        }
    }
}

/// Makes the first segment of a log that has none.
pub(super) fn start_empty(
    context: &LogContext,
    dir: &Path,
    start: &OpenAs,
    synced: SyncedEnd,
) -> Result<Recovered, OpenError> {
    let base = start.log_start.unwrap_or(Offset::ZERO);
    if synced.at_least > base {
        return Err(OpenError::Corrupt {
            file: dir.to_owned(),
            position: 0,
            offset: base,
            cause: Damage::EndsTooEarly {
                end: base,
                synced_end: synced.at_least,
            },
        });
    }
    let path = SegmentFile::Log.path(dir, base);
    context
        .open(&path, OpenHow::OrCreate)
        .map_err(ChangeError::from)
        .and_then(|_| sync_dir(context, dir))
        .map_err(unchanged(context, dir))?;
    Ok(Recovered {
        segments: vec![(base, 0)],
        epochs: EpochCache::default(),
        offsets: IndexTail::default(),
        times: IndexTail::default(),
        indexer: Indexer::new(base, None),
        log_end: base,
        walked_from: base,
        has_producers: false,
        report: RecoveryReport::default(),
    })
}
