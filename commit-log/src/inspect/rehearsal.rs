//! [`Rehearsal`]: what the next start makes of a log, found out by having it happen to a copy in memory.
//!
//! So no rule of a start is written down a second time here: which swaps it ends and how, what it cuts as
//! a torn tail or as room, and what it calls damage.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use trimaran_types::{Offset, TopicId};

use super::partition::segments;
use super::{Checkpointed, Finding, Problem, Severity};
use crate::config::LogConfig;
use crate::context::LogContext;
use crate::copied::Copied;
use crate::damage::Damage;
use crate::disk::Disk;
use crate::epochs::EpochStart;
use crate::log::{Log, OpenAs, OpenError, end_swaps, is_exhausted};
use crate::names::PARTITION_METADATA;
use crate::{atomic_file, partition_metadata};

/// Bytes that a start may write to the copy of one log, for the most part indexes; with more of them its
/// outcome is not known.
const WRITTEN_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// What the next start makes of a log.
pub(super) struct Rehearsal {
    /// The log's files, once a swap that was interrupted is ended.
    pub(super) files: Arc<dyn Disk>,
    pub(super) start: Start,
}

/// How the next start ends.
pub(super) enum Start {
    /// The log is opened.
    Opened(Opened),
    /// It is called damaged.
    Refused(Refusal),
    /// Nothing says whose log it is, or there is no segment.
    Unknown,
}

/// What a start has left of a log.
pub(super) struct Opened {
    /// The bytes of each segment.
    segments: BTreeMap<Offset, u64>,
    /// File and position of a torn tail that was cut.
    torn_at: Option<(PathBuf, u64)>,
    pub(super) log_end: Offset,
    pub(super) epochs: Vec<EpochStart>,
}

impl Opened {
    /// Whether the start has cut what lies at `position` of the segment at `base`, or all of it.
    pub(super) fn has_cut(&self, base: Offset, position: u64) -> bool {
        let bytes = self.segments.get(&base);
        bytes.is_none_or(|bytes| position >= *bytes)
    }

    /// Whether the start has removed the segment at `base`.
    pub(super) fn has_removed(&self, base: Offset) -> bool {
        !self.segments.contains_key(&base)
    }

    /// Whether a torn tail begins there.
    pub(super) fn is_torn_at(&self, file: &Path, position: u64) -> bool {
        let torn = self.torn_at.as_ref();
        torn.is_some_and(|(torn, at)| torn == file && *at == position)
    }
}

/// Why a start calls the log damaged.
pub(super) struct Refusal {
    file: PathBuf,
    position: u64,
    pub(super) offset: Offset,
    cause: Damage,
}

impl Refusal {
    pub(super) fn finding(&self) -> Finding {
        Finding {
            file: self.file.clone(),
            position: Some(self.position),
            offset: Some(self.offset),
            severity: Severity::Damage,
            problem: Problem::Refused {
                cause: self.cause.clone(),
            },
        }
    }

    fn of(error: OpenError) -> io::Result<Self> {
        match error {
            OpenError::Corrupt {
                file,
                position,
                offset,
                cause,
            } => Ok(Self {
                file,
                position,
                offset,
                cause,
            }),
            OpenError::Io { source, .. } => Err(source),
            other => Err(io::Error::other(other)),
        }
    }
}

impl Rehearsal {
    /// Ends swaps of the log in `dir`, and opens it, as a start with these checkpoints does.
    pub(super) fn of(disk: &Arc<dyn Disk>, dir: &Path, known: &Checkpointed) -> io::Result<Self> {
        let files = copy(disk);
        let entries = files.list(dir)?;
        let entries = match end_swaps(&context(&files, dir), dir, entries) {
            Ok(entries) => entries,
            Err(error) => {
                return Ok(Self {
                    files: Arc::clone(disk),
                    start: Start::Refused(Refusal::of(error)?),
                });
            }
        };
        let topic_id = topic_id(files.as_ref(), dir);
        let start = match topic_id.filter(|_| !segments(entries).is_empty()) {
            Some(topic_id) => start(&files, dir, known, topic_id)?,
            None => Start::Unknown,
        };
        Ok(Self { files, start })
    }
}

fn start(
    files: &Arc<dyn Disk>,
    dir: &Path,
    known: &Checkpointed,
    topic_id: TopicId,
) -> io::Result<Start> {
    let copied = copy(files);
    let start = OpenAs {
        topic_id,
        recovery_point: known.recovery_point.unwrap_or(Offset::ZERO),
        log_start: known.log_start,
        clean_shutdown: known.clean_shutdown,
    };
    let context = context(&copied, dir);
    match Log::open_synced_to(
        &context,
        dir,
        LogConfig::default(),
        start,
        known.flushed_end,
    ) {
        Ok((log, report)) => Ok(Start::Opened(Opened {
            segments: segments(copied.list(dir)?),
            torn_at: report.cut.map(|cut| (cut.file, cut.position)),
            log_end: log.log_end(),
            epochs: log.epochs().entries().to_vec(),
        })),
        Err(OpenError::Io { source, .. }) if is_exhausted(&source) => Ok(Start::Unknown),
        Err(error) => Ok(Start::Refused(Refusal::of(error)?)),
    }
}

fn copy(disk: &Arc<dyn Disk>) -> Arc<dyn Disk> {
    Arc::new(Copied::over(Arc::clone(disk), WRITTEN_BYTES_MAX))
}

fn context(disk: &Arc<dyn Disk>, dir: &Path) -> LogContext {
    LogContext::standalone(Arc::clone(disk), dir.parent().unwrap_or(dir))
}

fn topic_id(disk: &dyn Disk, dir: &Path) -> Option<TopicId> {
    let text = atomic_file::read_text(disk, &dir.join(PARTITION_METADATA));
    partition_metadata::parse(&text.ok()??)
}
