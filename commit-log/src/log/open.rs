//! [`Log::open`]: an empty log is made, an existing one is recovered from its recovery point.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_types::{Offset, TopicId, TopicPartition};

use super::finish_swap::finish_swap;
use super::flush::FlushState;
use super::gaps::mark_gaps;
use super::recover::{Recovered, Recovery, RecoveryReport};
use super::restore_producers::{ProducerFiles, Restored};
use super::{Active, Log};
use crate::config::{InvalidLogConfig, LogConfig};
use crate::context::LogContext;
use crate::damage::Damage;
use crate::disk::OpenHow;
use crate::epochs::EpochCache;
use crate::index::{IndexTail, Indexer};
use crate::latch::DirFailed;
use crate::log_dir::{FlushedEnd, parse_partition_dir};
use crate::names::{
    DELETED_SUFFIX, GAPS_ALLOWED, LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, SegmentFile,
    TEMPORARY_SUFFIX,
};
use crate::reader::ReadError;
use crate::shared::{ReadState, SegmentView, Shared};
use crate::tail::HotTail;
use crate::{atomic_file, epoch_file, partition_metadata};

/// What the caller knows about a log before it is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenAs {
    /// The topic that the directory must belong to.
    pub topic_id: TopicId,
    /// Every record below it was synced: damage there is corruption. A lower bound; 0 for a log
    /// that is new or of which nothing is known.
    pub recovery_point: Offset,
    /// The start that the last checkpoint has, if it has one.
    pub log_start: Option<Offset>,
    /// The last process closed every log of the directory: all of it was synced.
    pub clean_shutdown: bool,
}

/// Why a log cannot be opened. Nothing was cut from it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory is out of service.
    #[error(transparent)]
    DirFailed(#[from] DirFailed),
    /// A setting out of bounds.
    #[error(transparent)]
    Config(#[from] InvalidLogConfig),
    /// Bytes that were synced are damaged or gone. The replica must be fetched again.
    #[error("{} is corrupt at position {position}, offset {offset}: {cause}", file.display())]
    Corrupt {
        /// The file, or the directory.
        file: PathBuf,
        /// Where in the file the damage starts.
        position: u64,
        /// The offset that was expected there.
        offset: Offset,
        /// What is wrong.
        cause: Damage,
    },
    /// The directory is gone although records in it were synced.
    #[error("{} does not exist, but was synced up to offset {recovery_point}", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
        /// Up to where it was synced.
        recovery_point: Offset,
    },
    /// The directory belongs to another topic, one of the same name perhaps.
    #[error("{} belongs to topic id {found}, not to {expected}", dir.display())]
    OtherTopic {
        /// The directory.
        dir: PathBuf,
        /// The id in it.
        found: TopicId,
        /// The id that was asked for.
        expected: TopicId,
    },
    /// There are segments, but no readable note of the topic that they belong to.
    #[error("{} has segments but no readable topic id", dir.display())]
    TopicIdMissing {
        /// The directory.
        dir: PathBuf,
    },
    /// The system refused.
    #[error("cannot open the log in {}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Corrupt {
                file,
                position,
                offset,
                cause,
            } => Self::Corrupt {
                file,
                position,
                offset,
                cause,
            },
            ReadError::Io { path, source } => Self::Io { path, source },
            // None of these comes of a log whose records nobody reads and nobody cuts yet.
            ReadError::OutOfRange { .. } | ReadError::Records { .. } | ReadError::Truncating => {
                Self::Io {
                    path: PathBuf::new(),
                    source: io::Error::other(error.to_string()),
                }
            }
        }
    }
}

/// Names the path in an error of the system.
pub(super) fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    let path = path.to_owned();
    move |source| OpenError::Io { path, source }
}

/// Names the path in an error of the system about a change to the directory, and ends the
/// directory unless it is merely full.
fn unchanged<'a>(
    context: &'a LogContext,
    path: &'a Path,
) -> impl FnOnce(io::Error) -> OpenError + 'a {
    move |error| match context.latch.refused("open a log in", path, &error) {
        Ok(()) => at(path)(error),
        Err(failed) => failed.into(),
    }
}

/// What is in a log's directory.
#[derive(Debug, Default)]
pub(super) struct Listing {
    /// Base offset and bytes of each segment.
    pub segments: BTreeMap<Offset, u64>,
    /// Bytes of each index.
    pub offset_indexes: BTreeMap<Offset, u64>,
    pub time_indexes: BTreeMap<Offset, u64>,
    /// Bytes of each index of aborted transactions.
    pub aborted: BTreeMap<Offset, u64>,
    /// Where the log ended when each snapshot of its producers was taken.
    pub snapshots: BTreeSet<Offset>,
}

impl Log {
    /// Opens the log in `dir`, which is made when it is absent and nothing was ever synced there.
    /// Everything that the log then holds is durable.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        context: &LogContext,
        dir: &Path,
        config: LogConfig,
        start: OpenAs,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        context.latch.check()?;
        config.check()?;
        let mut config = config;
        let synced = SyncedEnd::of(context, dir, &start);
        let listing = match context.disk.list(dir) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(at(dir)(error)),
        };
        let mut listing = match listing {
            Some(entries) => {
                let entries = finish_swap(context, dir, entries)?;
                config.compacted |= entries.iter().any(|entry| entry.name == GAPS_ALLOWED);
                tidy(context, dir, entries)?
            }
            None if synced.at_least > Offset::ZERO => {
                return Err(OpenError::Missing {
                    dir: dir.to_owned(),
                    recovery_point: synced.at_least,
                });
            }
            None => {
                make_dir(context, dir).map_err(unchanged(context, dir))?;
                Listing::default()
            }
        };
        check_topic(context, dir, &start, &listing)?;
        let producer_files = ProducerFiles::take_from(&mut listing);
        if config.compacted {
            mark_gaps(context, dir).map_err(unchanged(context, dir))?;
        }

        let (epochs, recovered) = if listing.segments.is_empty() {
            (
                EpochCache::default(),
                start_empty(context, dir, &start, synced)?,
            )
        } else {
            let epochs = load_epochs(context, dir)?;
            let known = epochs.clone().unwrap_or_default();
            (
                known,
                Recovery::new(context, dir, &config, (&start, synced), listing, epochs).run()?,
            )
        };
        let restored = producer_files.restore(context, dir, start.clean_shutdown, &recovered)?;
        let noted = note_end(context, dir, &start, recovered.log_end)?;
        let found = Found {
            epochs_on_disk: epochs,
            recovered,
            restored,
            noted,
        };
        let (log, report) = assemble(context, dir, config, &start, found);
        log.settle_log_start().map_err(at(dir))?;
        Ok((log, report))
    }

    /// Makes sure that no checkpoint says that the log starts later than it does: what lies between
    /// would be taken for deleted after the next restart.
    fn settle_log_start(&self) -> io::Result<()> {
        if let Some(partition) = &self.topic_partition {
            let log_starts = &self.context().log_starts;
            log_starts.lower(partition, self.log_start)?;
            if self.log_start > Offset::ZERO {
                self.note_log_start();
            }
        }
        Ok(())
    }
}

/// What is known about the end of what was synced, before the log is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct SyncedEnd {
    /// Every record below it was synced.
    pub at_least: Offset,
    /// It is so close to the real end that a good batch behind damage beyond it proves nothing
    /// (ADR 0011).
    pub is_close: bool,
}

impl SyncedEnd {
    fn of(context: &LogContext, dir: &Path, start: &OpenAs) -> Self {
        let noted = partition_of(dir).and_then(|partition| {
            context
                .recovery_points
                .flushed_end(start.topic_id, &partition)
        });
        Self {
            at_least: start.recovery_point.max(noted.unwrap_or(Offset::ZERO)),
            is_close: noted.is_some(),
        }
    }
}

/// The partition that the directory is named after, if it is.
fn partition_of(dir: &Path) -> Option<TopicPartition> {
    parse_partition_dir(dir.file_name()?.to_str()?)
}

/// Notes that the log is durable up to `end`, as it is after recovery.
fn note_end(
    context: &LogContext,
    dir: &Path,
    start: &OpenAs,
    end: Offset,
) -> Result<Option<Arc<FlushedEnd>>, OpenError> {
    let Some(partition) = partition_of(dir) else {
        return Ok(None);
    };
    let claimed = context
        .recovery_points
        .claim(start.topic_id, &partition, end);
    claimed.map_err(unchanged(context, dir))
}

fn make_dir(context: &LogContext, dir: &Path) -> io::Result<()> {
    context.disk.create_dir(dir)?;
    dir.parent()
        .map_or(Ok(()), |parent| context.disk.sync_dir(parent))
}

/// Sorts the directory's files and removes what an interrupted change left behind.
fn tidy(
    context: &LogContext,
    dir: &Path,
    entries: Vec<crate::disk::DiskEntry>,
) -> Result<Listing, OpenError> {
    let mut listing = Listing::default();
    let mut doomed = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.is_dir) {
        match SegmentFile::parse(&entry.name) {
            Some((SegmentFile::Log, base)) => listing.segments.insert(base, entry.bytes),
            Some((SegmentFile::OffsetIndex, base)) => {
                listing.offset_indexes.insert(base, entry.bytes)
            }
            Some((SegmentFile::TimeIndex, base)) => listing.time_indexes.insert(base, entry.bytes),
            Some((SegmentFile::Aborted, base)) => listing.aborted.insert(base, entry.bytes),
            Some((SegmentFile::Snapshot, end)) => {
                listing.snapshots.insert(end);
                None
            }
            None => {
                if entry.name.ends_with(TEMPORARY_SUFFIX) || entry.name.ends_with(DELETED_SUFFIX) {
                    doomed.push(dir.join(entry.name));
                }
                None
            }
        };
    }
    for (indexes, kind) in [
        (&mut listing.offset_indexes, SegmentFile::OffsetIndex),
        (&mut listing.time_indexes, SegmentFile::TimeIndex),
        (&mut listing.aborted, SegmentFile::Aborted),
    ] {
        indexes.retain(|base, _| {
            let kept = listing.segments.contains_key(base);
            if !kept {
                doomed.push(kind.path(dir, *base));
            }
            kept
        });
    }
    for path in doomed {
        context
            .disk
            .remove_file(&path)
            .map_err(unchanged(context, &path))?;
    }
    Ok(listing)
}

fn check_topic(
    context: &LogContext,
    dir: &Path,
    start: &OpenAs,
    listing: &Listing,
) -> Result<(), OpenError> {
    let path = dir.join(PARTITION_METADATA);
    let text = atomic_file::read_text(context.disk.as_ref(), &path).map_err(at(&path))?;
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

/// The epochs on disk; `None` when the file is absent or damaged and must be learned anew.
fn load_epochs(context: &LogContext, dir: &Path) -> Result<Option<EpochCache>, OpenError> {
    let path = dir.join(LEADER_EPOCH_CHECKPOINT);
    match atomic_file::read_text(context.disk.as_ref(), &path) {
        Ok(text) => Ok(text.as_deref().and_then(epoch_file::parse)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(at(&path)(error)),
    }
}

/// Makes the first segment of a log that has none.
fn start_empty(
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
        .disk
        .open(&path, OpenHow::OrCreate)
        .and_then(|_| context.disk.sync_dir(dir))
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

/// What the directory gave.
struct Found {
    epochs_on_disk: EpochCache,
    recovered: Recovered,
    restored: Restored,
    noted: Option<Arc<FlushedEnd>>,
}

fn assemble(
    context: &LogContext,
    dir: &Path,
    config: LogConfig,
    start: &OpenAs,
    found: Found,
) -> (Log, RecoveryReport) {
    let Found {
        epochs_on_disk,
        recovered,
        restored,
        noted,
    } = found;
    let segments: Vec<SegmentView> = recovered
        .segments
        .iter()
        .map(|&(base, bytes)| SegmentView {
            id: context.files.next_id(),
            base,
            bytes,
        })
        .collect();
    let first = segments[0].base;
    let last = segments[segments.len() - 1];
    let log_end = recovered.log_end;
    let log_start = start.log_start.unwrap_or(first).clamp(first, log_end);
    let state = ReadState {
        generation: 0,
        truncations: 0,
        log_start,
        log_end,
        segments,
        offsets: recovered.offsets,
        times: recovered.times,
        aborted: restored.aborted,
        aborted_in: restored.aborted_in,
        tail: HotTail::default(),
    };
    let shared = Arc::new(Shared::new(
        context.clone(),
        dir.to_owned(),
        config.compacted,
        state,
    ));
    context.tails.register(Arc::downgrade(&shared));
    let mut epochs = recovered.epochs;
    epochs.raise_start(log_start);
    let log = Log {
        shared,
        topic_partition: partition_of(dir),
        config,
        epochs,
        epochs_on_disk: Some(epochs_on_disk.entries().to_vec()),
        active: Active {
            id: last.id,
            base: last.base,
            file: None,
            bytes: last.bytes,
            first_append: None,
            last_append: None,
            indexer: recovered.indexer,
        },
        log_start,
        log_end,
        flush: FlushState::new(log_end, start.recovery_point, noted),
        oldest_age: None,
        producers: restored.states,
        snapshots: restored.snapshots,
    };
    (log, recovered.report)
}
