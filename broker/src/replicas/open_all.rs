//! The start: what is in the directories is opened, several logs at once, or set aside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use trimaran_api::controller::DamageCause;
use trimaran_commit_log::{Aside, LogDirError};
use trimaran_metadata::MetadataImage;
use trimaran_types::{DirectoryId, TopicId, TopicPartition};

use super::damage::Damage;
use super::found_logs::{Lost, Sorted, Wanted};
use super::{CreateError, DataDir, OpenReport, Replicas};
use crate::error_chain::error_chain;

/// From so many logs on, the opening tells how far it has come.
const PROGRESS_TOLD_MIN: usize = 100;

/// Why the broker cannot start on its directory.
#[derive(Debug, thiserror::Error)]
pub enum OpenAllError {
    /// The directory cannot be listed, or strays cannot be set aside.
    #[error("cannot look through the logs")]
    Dir(#[from] LogDirError),
    /// One replica in two directories, after a careless move perhaps: which one counts is not for
    /// the broker to guess.
    #[error("{partition} is found in {} and in {}: remove one of them", first.display(), second.display())]
    Twice {
        /// The partition.
        partition: TopicPartition,
        /// One copy.
        first: PathBuf,
        /// The other one.
        second: PathBuf,
    },
    /// A log cannot be opened for a reason that concerns the whole directory.
    #[error("cannot open the logs")]
    Log(#[from] CreateError),
}

impl Replicas {
    /// Opens every log that `image` assigns to this broker, deletes those of the topics whose removal
    /// was replayed on the way there, `removed`, and sets the others aside. `image` must show this
    /// broker's own registration, so that an unclean restart has already left the ISRs.
    ///
    /// # Errors
    /// See [`OpenAllError`]. A single damaged log is none: it is reported and left out; nor is a
    /// directory that fails while another is left.
    pub async fn open_all(
        self: &Arc<Self>,
        image: &MetadataImage,
        removed: &BTreeSet<TopicId>,
    ) -> Result<OpenReport, OpenAllError> {
        let Sorted {
            wanted,
            strays,
            ended,
            misnamed,
            lost,
        } = self.sort(image, removed)?;
        let mut report = OpenReport {
            strays: strays.values().map(Vec::len).sum(),
            ended: ended.values().map(Vec::len).sum(),
            ..OpenReport::default()
        };
        if !ended.is_empty() {
            tracing::info!(?ended, "logs that were deleted while this broker was away");
        }
        self.clear_away(&ended, Aside::Delete)?;
        if !strays.is_empty() {
            tracing::warn!(?strays, "logs that no topic asks for here are set aside");
        }
        self.clear_away(&strays, Aside::Stray)?;
        self.forget_the_unknown(image)?;
        self.keep_missed(&wanted, &lost)?;
        report.out_of_service = lost.len() + misnamed.len();
        for Lost { id, topic, .. } in lost {
            tracing::error!(partition = %topic, "a log is gone, and others count on it");
            let damage = Damage::at_opening(topic, DamageCause::Missing);
            self.table.mark_damaged(id, damage);
        }
        for (id, topic) in misnamed {
            tracing::error!(partition = %topic, "the folder of a log names another topic's id");
            let damage = Damage::at_opening(topic, DamageCause::Corrupt);
            self.table.mark_damaged(id, damage);
        }
        let total = wanted.values().map(Vec::len).sum();
        self.progress.send_modify(|progress| progress.total = total);
        // The directories beside each other, and some logs of each at once.
        let mut opening: futures_util::stream::SelectAll<_> = wanted
            .into_iter()
            .map(|(id, wanted)| {
                let opening = wanted
                    .into_iter()
                    .map(move |wanted| (id, Arc::clone(self), wanted));
                futures_util::stream::iter(opening)
                    .map(
                        |(id, replicas, wanted)| async move { replicas.open_one(id, wanted).await },
                    )
                    .buffer_unordered(self.opened_at_once)
                    .boxed()
            })
            .collect();
        let mut told = 0;
        while let Some(opened) = opening.next().await {
            opened?.add_to(&mut report);
            let mut done = 0;
            self.progress.send_modify(|progress| {
                progress.done += 1;
                done = progress.done;
            });
            // Ten lines for a long start, none for a short one.
            if total >= PROGRESS_TOLD_MIN && done * 10 / total > told {
                told = done * 10 / total;
                tracing::info!(done, total, "opening logs");
            }
        }
        self.note_open_logs()?;
        self.count_strays();
        let kept = self.damaged_logs() as u64;
        self.counts.damaged_logs.store(kept, Ordering::Relaxed);
        self.progress
            .send_modify(|progress| progress.finished = true);
        tracing::info!(?report, "logs are open");
        Ok(report)
    }

    /// Where the notes of logs that were begun are gone, writes new ones before anything else does: a
    /// file that lacked the logs that are lost would be believed by the next start, and let them
    /// begin empty while the metadata still counts on them. The note of a lost log goes when it is
    /// set aside and begun anew.
    fn keep_missed(
        &self,
        wanted: &BTreeMap<DirectoryId, Vec<Wanted>>,
        lost: &[Lost],
    ) -> Result<(), LogDirError> {
        let working = self.dirs.iter().filter(|dir| !dir.has_failed());
        for dir in working.filter(|dir| !dir.dir.has_its_notes()) {
            let lost = lost.iter().filter(|lost| lost.place == dir.id());
            let mut names: Vec<TopicPartition> = lost.map(|lost| lost.topic.clone()).collect();
            let found = wanted.get(&dir.id()).into_iter().flatten();
            // One without a segment was perhaps never begun; opening it decides.
            names.extend(
                found
                    .map(|wanted| &wanted.topic)
                    .filter(|topic| dir.dir.has_segments(topic).unwrap_or(true))
                    .cloned(),
            );
            if let Err(error) = dir.dir.note_logs(&names) {
                self.give_up(dir, error)?;
            }
        }
        Ok(())
    }

    /// Notes the logs that are open: those of a time before there were notes lack theirs.
    fn note_open_logs(&self) -> Result<(), LogDirError> {
        let open = self.table.all();
        for dir in self.dirs.iter().filter(|dir| !dir.has_failed()) {
            let own = open.iter().filter(|log| log.directory_id() == dir.id());
            let names: Vec<TopicPartition> = own.map(|log| log.topic().clone()).collect();
            if let Err(error) = dir.dir.note_logs(&names) {
                self.give_up(dir, error)?;
            }
        }
        Ok(())
    }

    /// Sets logs aside; a directory where that fails is out of service.
    fn clear_away(
        &self,
        logs: &BTreeMap<DirectoryId, Vec<TopicPartition>>,
        why: Aside,
    ) -> Result<(), LogDirError> {
        for (id, logs) in logs {
            if let Some(dir) = self.dirs.get(*id)
                && let Err(error) = dir.dir.set_aside(logs, why)
            {
                self.give_up(dir, error)?;
            }
        }
        Ok(())
    }

    /// Takes a directory out of service that cannot be used, while another one is left.
    pub(super) fn give_up(&self, dir: &DataDir, error: LogDirError) -> Result<(), LogDirError> {
        let latch = &dir.dir.context().latch;
        let cause = std::io::Error::other(error_chain(&error));
        if !dir.has_failed() {
            latch.fail("use", dir.dir.logs_dir(), &cause);
        }
        if self.dirs.have_all_failed() {
            return Err(error);
        }
        Ok(())
    }
}
