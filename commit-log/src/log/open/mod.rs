//! [`Log::open`]: an empty log is made, an existing one is recovered from its recovery point.

mod assemble;
mod begin;
mod error;
mod listing;
mod synced_end;

use std::io;
use std::path::Path;
use std::sync::Arc;

use trimaran_types::{Offset, TopicId};

pub use error::OpenError;
pub(super) use error::{at, sync_dir, unchanged};
pub(super) use listing::Listing;
pub(super) use synced_end::SyncedEnd;

use super::Log;
use super::finish_swap::finish_swap;
use super::gaps::mark_gaps;
use super::journalled::Entrance;
use super::recover::{Recovery, RecoveryReport};
use super::restore_producers::ProducerFiles;
use crate::change_error::ChangeError;
use crate::config::LogConfig;
use crate::context::LogContext;
use crate::damage::Damage;
use crate::epochs::EpochCache;
use crate::names::{GAPS_ALLOWED, LEADER_EPOCH_CHECKPOINT};
use crate::{atomic_file, epoch_file};
use assemble::{Found, assemble};
use begin::{check_topic, make_dir, start_empty};
use listing::tidy;
use synced_end::{flushed_end_of, note_end, partition_of};

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
        let flushed_end = flushed_end_of(context, dir, &start);
        Self::open_synced_to(context, dir, config, start, flushed_end)
    }

    /// The same where the caller has looked up the flushed end that the log has noted.
    pub(crate) fn open_synced_to(
        context: &LogContext,
        dir: &Path,
        config: LogConfig,
        start: OpenAs,
        flushed_end: Option<Offset>,
    ) -> Result<(Self, RecoveryReport), OpenError> {
        context.latch.check()?;
        config.check()?;
        let mut config = config;
        let journal = enter_journal(context, dir)?;
        let synced = SyncedEnd::new(start.recovery_point, flushed_end);
        let listing = match context.disk.list(dir) {
            Ok(entries) => Some(entries),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
                let path = dir.to_owned();
                return Err(OpenError::NoDirectory { path });
            }
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

        check_trusted(context, dir, synced)?;
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
        let known = (&start, config.compacted);
        let restored = producer_files.restore(context, dir, known, &recovered)?;
        let noted = note_end(context, dir, &start, recovered.log_end)?;
        let found = Found {
            epochs_on_disk: epochs,
            recovered,
            restored,
            noted,
            journal,
        };
        let (log, report) = assemble(context, dir, config, &start, found);
        log.settle_log_start().map_err(unchanged(context, dir))?;
        Ok((log, report))
    }

    /// Makes sure that no checkpoint says that the log starts later than it does: what lies between
    /// would be taken for deleted after the next restart; nor that it is clean beyond its end, where
    /// what is appended from now on has not been cleaned.
    fn settle_log_start(&self) -> Result<(), ChangeError> {
        if let Some(partition) = &self.topic_partition {
            self.context()
                .cleaner_offsets
                .lower(partition, self.log_end)?;
            let log_starts = &self.context().log_starts;
            log_starts.lower(partition, self.log_start)?;
            if self.log_start > Offset::ZERO {
                self.note_log_start();
            }
        }
        Ok(())
    }
}

/// The directory's journal, where it has one, with the log's name and the number of its entries. What an
/// earlier owner of the log has left in it is forgotten: recovery may cut what that would put back.
fn enter_journal(context: &LogContext, dir: &Path) -> Result<Option<Entrance>, OpenError> {
    let journal = context.journal.as_ref().filter(|it| it.is_of(dir));
    let (Some(journal), Some(partition)) = (journal, partition_of(dir)) else {
        return Ok(None);
    };
    let name: Arc<str> = Arc::from(partition.to_string());
    let incarnation = journal.begin_anew(&name)?;
    Ok(Some((Arc::clone(journal), name, incarnation)))
}

/// Refuses a log that may lack what a damaged journal had of it, though nothing in its own files says so.
fn check_trusted(context: &LogContext, dir: &Path, synced: SyncedEnd) -> Result<(), OpenError> {
    if !context.distrust.has(dir) {
        return Ok(());
    }
    Err(OpenError::Corrupt {
        file: context.distrust.path().to_owned(),
        position: 0,
        offset: synced.at_least,
        cause: Damage::Journal,
    })
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
