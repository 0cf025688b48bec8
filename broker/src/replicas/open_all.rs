//! The start: what is in the directory is opened, several logs at once, or set aside.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use trimaran_commit_log::{Aside, FoundLog, LogDirError, OpenError};
use trimaran_metadata::{MetadataImage, PartitionState};
use trimaran_types::{BrokerId, TopicIdPartition, TopicPartition};

use super::create::Known;
use super::{CreateError, OpenReport, Replicas};
use crate::partition::TopicSettings;

/// Logs that are recovered at once: they wait for the device more than for the cores.
const OPENED_AT_ONCE: usize = 8;

/// Why the broker cannot start on its directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenAllError {
    /// The directory cannot be listed, or strays cannot be set aside.
    #[error("cannot look through the logs")]
    Dir(#[from] LogDirError),
    /// A log cannot be opened for a reason that concerns the whole directory.
    #[error("cannot open the logs")]
    Log(#[from] CreateError),
}

/// One log of the last run that the metadata asks for.
struct Wanted {
    topic: TopicPartition,
    id: TopicIdPartition,
    settings: TopicSettings,
    /// Others have all that this replica has: it may be dropped and fetched anew.
    is_spare: bool,
}

impl Replicas {
    /// Opens every log that `image` assigns to this broker and sets the others aside. `image` must
    /// show this broker's own registration, so that an unclean restart has already left the ISRs.
    ///
    /// # Errors
    /// See [`OpenAllError`]. A single damaged log is none: it is reported and left out.
    pub async fn open_all(
        self: &Arc<Self>,
        image: &MetadataImage,
    ) -> Result<OpenReport, OpenAllError> {
        let (wanted, strays) = self.sort(image)?;
        let mut report = OpenReport {
            strays: strays.len(),
            ..OpenReport::default()
        };
        if !strays.is_empty() {
            tracing::warn!(?strays, "logs that no topic asks for are set aside");
            self.dir.set_aside(&strays, Aside::Stray)?;
        }
        let total = wanted.len();
        self.progress.send_modify(|progress| progress.total = total);
        let mut opening = futures_util::stream::iter(wanted)
            .map(|wanted| self.open_one(wanted))
            .buffer_unordered(OPENED_AT_ONCE);
        while let Some(opened) = opening.next().await {
            opened?.add_to(&mut report);
            self.progress.send_modify(|progress| progress.done += 1);
        }
        self.progress
            .send_modify(|progress| progress.finished = true);
        tracing::info!(?report, "logs are open");
        Ok(report)
    }

    /// What is in the directory, by whether the metadata asks for it.
    fn sort(
        &self,
        image: &MetadataImage,
    ) -> Result<(Vec<Wanted>, Vec<TopicPartition>), OpenAllError> {
        let own = self.context.broker_id;
        let assigned: BTreeMap<_, _> = image
            .partitions_hosted_on(own)
            .map(|found| (found.id(), (found.topic.name.clone(), found.state)))
            .collect();
        let (mut wanted, mut strays) = (Vec::new(), Vec::new());
        for FoundLog {
            partition: topic,
            topic_id,
            ..
        } in self.dir.partitions()?
        {
            // A directory without a readable id is looked up by name; opening it decides.
            let named = || {
                image
                    .topics
                    .by_name(&topic.topic)
                    .map(|topic| topic.topic_id)
            };
            let id = topic_id.or_else(named).map(|topic_id| TopicIdPartition {
                topic_id,
                partition: topic.partition,
            });
            let state = id.and_then(|id| Some((id, assigned.get(&id)?)));
            match state {
                Some((id, (name, state))) if *name == topic.topic => wanted.push(Wanted {
                    settings: TopicSettings::of(image, name, state),
                    is_spare: is_spare(state, own),
                    topic,
                    id,
                }),
                _ => strays.push(topic),
            }
        }
        Ok((wanted, strays))
    }

    async fn open_one(self: &Arc<Self>, wanted: Wanted) -> Result<Opened, CreateError> {
        let Wanted {
            topic,
            id,
            settings,
            is_spare,
        } = wanted;
        let replicas = Arc::clone(self);
        let name = topic.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let result = replicas.open_log(&name, id, &settings, Known::FromLastRun);
            let Err(CreateError::Open { cause, .. }) = &result else {
                return result.map(|(log, report)| (Some((log, settings)), report, false));
            };
            if !is_damage(cause) {
                return result.map(|(log, report)| (Some((log, settings)), report, false));
            }
            tracing::error!(partition = %name, %cause, is_spare, "a log is damaged");
            if !is_spare {
                return Ok((None, Default::default(), false));
            }
            let aside = replicas
                .dir
                .set_aside(std::slice::from_ref(&name), Aside::Stray);
            aside.map_err(|cause| CreateError::SetAside {
                partition: name.clone(),
                cause,
            })?;
            let (log, report) = replicas.open_log(&name, id, &settings, Known::New)?;
            Ok((Some((log, settings)), report, true))
        });
        let broke_off = |_| CreateError::BrokeOff {
            partition: topic.clone(),
        };
        let (opened, report, refetched) = opening.await.map_err(broke_off)??;
        let torn = report.cut.is_some();
        let scanned_bytes = report.scanned_bytes;
        let in_service = opened.is_some();
        if let Some((log, settings)) = opened {
            self.start(topic, id, log, settings);
        } else {
            self.table.mark_damaged(id, topic);
        }
        Ok(Opened {
            in_service,
            torn,
            refetched,
            scanned_bytes,
        })
    }
}

/// What became of one log.
struct Opened {
    in_service: bool,
    torn: bool,
    refetched: bool,
    scanned_bytes: u64,
}

impl Opened {
    fn add_to(&self, report: &mut OpenReport) {
        report.opened += usize::from(self.in_service);
        report.out_of_service += usize::from(!self.in_service);
        report.torn += usize::from(self.torn);
        report.refetched += usize::from(self.refetched);
        report.scanned_bytes = report.scanned_bytes.saturating_add(self.scanned_bytes);
    }
}

/// Whether nobody counts on this replica: it is neither in sync nor eligible to lead, and someone
/// else is in sync.
pub(super) fn is_spare(state: &PartitionState, own: BrokerId) -> bool {
    !state.isr.contains(&own)
        && !state.eligible_leader_replicas.contains(&own)
        && !state.last_known_eligible.contains(&own)
        && !state.isr.is_empty()
}

/// Whether the log itself is unusable, rather than its directory or the system.
pub(super) const fn is_damage(cause: &OpenError) -> bool {
    matches!(
        cause,
        OpenError::Corrupt { .. } | OpenError::Missing { .. } | OpenError::TopicIdMissing { .. }
    )
}
