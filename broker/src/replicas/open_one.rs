//! One log of the last run: opened, set aside and begun anew, or kept out of service.

use std::sync::Arc;

use trimaran_api::controller::DamageCause;
use trimaran_commit_log::{Log, OpenError, RecoveryReport, is_unreadable};
use trimaran_types::DirectoryId;

use super::create::{Known, open_log};
use super::damage::Damage;
use super::found_logs::Wanted;
use super::not_made::lacks_room;
use super::unopened::Waiting;
use super::{CreateError, DataDir, OpenReport, Replicas};
use crate::error_chain::error_chain;
use crate::partition::TopicSettings;

impl Replicas {
    /// Opens a log of the last run and starts its owner; a damaged one is no error.
    ///
    /// # Errors
    /// What concerns the last directory that is left.
    pub(super) async fn open_one(
        self: &Arc<Self>,
        place: DirectoryId,
        wanted: Wanted,
    ) -> Result<Opened, CreateError> {
        let (topic, id, known) = (wanted.topic.clone(), wanted.id, wanted.known);
        let replicas = Arc::clone(self);
        let opening = tokio::task::spawn_blocking(move || {
            Some(replicas.open_blocking(replicas.dirs.get(place)?, wanted))
        });
        let broke_off = |_| CreateError::BrokeOff {
            partition: topic.clone(),
        };
        let dir = self.dirs.get(place);
        let outcome: Option<Result<Recovered, CreateError>> = opening.await.map_err(broke_off)?;
        let (Some(dir), Some(outcome)) = (dir, outcome) else {
            return Err(CreateError::DirectoryOut { partition: topic });
        };
        let Recovered {
            log,
            report,
            refetched,
        } = match outcome {
            Ok(recovered) => recovered,
            Err(error) if lacks_room(&error) => {
                // Nothing is wrong with the log or its disk.
                tracing::error!(partition = %topic, %error, "a log is not open yet; trying again");
                self.not_made.note(id, topic.clone(), Some(place), &error);
                let waiting = Waiting {
                    topic,
                    place,
                    known,
                };
                self.unopened.note(id, waiting);
                return Ok(Opened::NOT_YET);
            }
            Err(error) => {
                // What concerns the whole directory ends it, and no more than it.
                let cause = std::io::Error::other(error_chain(&error));
                let latch = &dir.dir.context().latch;
                latch.fail("open a log in", dir.dir.logs_dir(), &cause);
                if self.dirs.have_all_failed() {
                    return Err(error);
                }
                Recovered::out_of_service(DamageCause::Failed)
            }
        };
        let opened = Opened {
            in_service: log.is_ok(),
            torn: report.cut.is_some(),
            refetched,
            scanned_bytes: report.scanned_bytes,
        };
        match log {
            Ok((log, settings)) => {
                self.start(dir, topic, id, log, settings);
                if !refetched {
                    self.table.mark_found(id);
                }
            }
            Err(cause) => {
                let damage = Damage::at_opening(topic, cause);
                self.table.mark_damaged(id, damage);
            }
        }
        Ok(opened)
    }

    /// Opens a log of the last run; what is damaged and spare is set aside and begun anew. Blocks.
    fn open_blocking(&self, place: &DataDir, wanted: Wanted) -> Result<Recovered, CreateError> {
        let Wanted {
            topic,
            id,
            settings,
            is_spare,
            known,
        } = wanted;
        let opened = open_log(&place.dir, &topic, id, &settings, known);
        let damage = match &opened {
            Err(CreateError::Open { cause, .. }) => damage_of(cause).map(|found| (found, cause)),
            _ => None,
        };
        let Some((found, cause)) = damage else {
            let (log, report) = opened?;
            return Ok(Recovered {
                log: Ok((log, settings)),
                report,
                refetched: false,
            });
        };
        tracing::error!(partition = %topic, %cause, is_spare, "a log is damaged");
        if !is_spare {
            return Ok(Recovered::out_of_service(found));
        }
        match self.quarantine(place, (id.topic_id, &topic)) {
            Err(error @ CreateError::TooManyDamaged { .. }) => {
                tracing::error!(%error, "a damaged replica stays out of service");
                return Ok(Recovered::out_of_service(found));
            }
            moved => moved?,
        }
        let (log, report) = open_log(&place.dir, &topic, id, &settings, Known::New)?;
        Ok(Recovered {
            log: Ok((log, settings)),
            report,
            refetched: true,
        })
    }
}

/// A log after its recovery, or why it stays out of service.
struct Recovered {
    log: Result<(Log, TopicSettings), DamageCause>,
    report: RecoveryReport,
    refetched: bool,
}

impl Recovered {
    fn out_of_service(cause: DamageCause) -> Self {
        Self {
            log: Err(cause),
            report: RecoveryReport::default(),
            refetched: false,
        }
    }
}

/// What became of one log.
pub(super) struct Opened {
    in_service: bool,
    torn: bool,
    refetched: bool,
    scanned_bytes: u64,
}

impl Opened {
    const NOT_YET: Self = Self {
        in_service: false,
        torn: false,
        refetched: false,
        scanned_bytes: 0,
    };

    pub(super) fn add_to(&self, report: &mut OpenReport) {
        report.opened += usize::from(self.in_service);
        report.out_of_service += usize::from(!self.in_service);
        report.torn += usize::from(self.torn);
        report.refetched += usize::from(self.refetched);
        report.scanned_bytes = report.scanned_bytes.saturating_add(self.scanned_bytes);
    }
}

/// What is wrong with the log itself; `None` when it is its directory or the system.
pub(super) fn damage_of(cause: &OpenError) -> Option<DamageCause> {
    match cause {
        // Changes that fail have closed the directory's latch and are told as its failure.
        OpenError::Io { source, .. } if is_unreadable(source) => Some(DamageCause::Corrupt),
        OpenError::Corrupt { .. } | OpenError::TopicIdMissing { .. } => Some(DamageCause::Corrupt),
        OpenError::Missing { .. } | OpenError::NoDirectory { .. } => Some(DamageCause::Missing),
        _ => None,
    }
}
