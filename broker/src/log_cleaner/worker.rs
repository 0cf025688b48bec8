//! One thread of the cleaner.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use trimaran_commit_log::{
    CleanControl, CleanError, CleanJob, CleanPlan, CleanReport, CleanedSegment, Cleaner,
    CompactionSettings, LogConfig, ReplaceError, Replaced, filthiest,
};

use super::Shared;
use super::topic::compaction_settings;
use crate::partition::{Clock, PartitionHandle, TopicSettings};
use crate::replicas::Suspected;

/// A log that is due.
struct Due {
    handle: PartitionHandle,
    settings: CompactionSettings,
    config: LogConfig,
}

/// A thread's hold on a log; let go of when it is dropped.
struct Busy<'a> {
    shared: &'a Shared,
    handle: &'a PartitionHandle,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.shared.lock().end(self.handle);
    }
}

impl Shared {
    /// Cleans what is due until it is told to stop.
    pub(super) fn work(&self) {
        let mut cleaner = Cleaner::new(self.config.of_one_thread());
        loop {
            let go_on = match self.take() {
                Some((due, plan)) => {
                    self.clean(&mut cleaner, &due, plan);
                    !self.lock().is_stopping
                }
                None => {
                    cleaner.release_memory();
                    self.wait(self.config.backoff)
                }
            };
            if !go_on {
                return;
            }
        }
    }

    /// The filthiest log that is due and that no other thread is at.
    fn take(&self) -> Option<(Due, CleanPlan)> {
        let image = self.replicas.context().current_image();
        let now = Clock::wall();
        let handles = self.replicas.table().all();
        self.lock().retain(&handles);
        self.condemn_kept();
        let looked = Instant::now();
        let mut ratio_max = 0.0_f64;
        let due = handles.into_iter().filter_map(|handle| {
            let topic = &handle.topic().topic;
            if !handle.status().needs_keys
                || !handle.is_in_service()
                || !self.lock().is_free(&handle, looked)
            {
                return None;
            }
            let settings = compaction_settings(&image, topic);
            let status = handle.status();
            // Nothing that is not committed, nothing that is not on this disk, and no transaction
            // that is open, or whose end is not committed.
            let limit = status.high_watermark.min(status.flushed_end);
            let limit = status.first_unstable.map_or(limit, |at| limit.min(at));
            let plan = handle.reader().plan_cleaning(limit, &settings, now)?;
            ratio_max = ratio_max.max(plan.dirty_ratio());
            if !plan.is_due(&settings) {
                return None;
            }
            let state = image.partition(handle.id())?;
            let config =
                TopicSettings::of(&image, topic, state, &self.replicas.context().log_defaults).log;
            let due = Due {
                handle,
                settings,
                config,
            };
            Some((due, plan))
        });
        let due: Vec<_> = due.collect();
        self.stats.dirtiest(ratio_max);
        let (due, plan) = filthiest(due)?;
        // Another thread may have been faster; then this one looks again after a while.
        self.lock().begin(&due.handle).then_some((due, plan))
    }

    /// Cleans one log, or leaves it alone for some time.
    fn clean(&self, cleaner: &mut Cleaner, due: &Due, plan: CleanPlan) {
        let _busy = Busy {
            shared: self,
            handle: &due.handle,
        };
        let start = Instant::now();
        let partition = due.handle.topic();
        let cleaned = catch_unwind(AssertUnwindSafe(|| self.pass(cleaner, due, plan)));
        let reason = match cleaned {
            Ok(Ok(report)) => {
                self.stats.cleaned(&report);
                let elapsed = start.elapsed();
                tracing::info!(%partition, ?report, ?elapsed, "log cleaned");
                if report.records_without_key > 0 {
                    let records = report.records_without_key;
                    tracing::warn!(%partition, records, "records without a key were removed");
                }
                self.lock().cleaned(&due.handle);
                return;
            }
            Ok(Err(error)) if !error.is_lasting() => {
                if !matches!(error, CleanError::Stopped | CleanError::Changed) {
                    self.stats.failed();
                    tracing::warn!(%partition, %error, "log not cleaned; trying again later");
                }
                self.lock().leave_until(&due.handle, self.later());
                return;
            }
            Ok(Err(error)) if error.is_damage() => return self.damaged(&due.handle, &error),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "the pass panicked".to_owned(),
        };
        self.stats.failed();
        tracing::error!(%partition, reason, "log cannot be cleaned; it is left alone");
        self.lock().leave(&due.handle);
    }

    fn later(&self) -> Instant {
        Instant::now() + self.config.backoff
    }

    /// Only what is damaged twice is damaged. Then the replica is condemned, as if a reader had met it.
    fn damaged(&self, handle: &PartitionHandle, error: &CleanError) {
        let partition = handle.topic();
        self.stats.failed();
        if self.lock().doubt(handle, self.later()) {
            tracing::warn!(%partition, %error, "log not cleaned for bad bytes; looking at them again later");
            return;
        }
        let suspected = self.replicas.suspect(handle);
        tracing::error!(%partition, %error, ?suspected, "the cleaner has found damage");
        self.leave_suspected(handle, suspected);
    }

    fn leave_suspected(&self, handle: &PartitionHandle, suspected: Suspected) {
        match suspected {
            Suspected::LastInSync => self.lock().keep_last_in_sync(handle),
            // Until it is gone from the table.
            Suspected::Condemned | Suspected::Gone => self.lock().leave(handle),
        }
    }

    /// Looks whether others are in sync now with the damaged logs that were kept for the lack of them.
    fn condemn_kept(&self) {
        let kept = self.lock().last_in_sync();
        for handle in kept {
            self.leave_suspected(&handle, self.replicas.suspect(&handle));
        }
    }

    fn pass(
        &self,
        cleaner: &mut Cleaner,
        due: &Due,
        plan: CleanPlan,
    ) -> Result<CleanReport, CleanError> {
        let producer_ends = due.handle.producer_ends_blocking();
        let producer_ends = producer_ends.ok_or(CleanError::Stopped)?;
        let job = CleanJob {
            log: due.handle.reader(),
            config: &due.config,
            plan,
            settings: &due.settings,
            producer_ends: &producer_ends,
            now: Clock::wall(),
        };
        let mut control = OwnerControl {
            shared: self,
            handle: &due.handle,
        };
        cleaner.clean(&job, &mut control)
    }
}

/// Paces a pass and reaches the log's owner.
struct OwnerControl<'a> {
    shared: &'a Shared,
    handle: &'a PartitionHandle,
}

impl CleanControl for OwnerControl<'_> {
    fn go_on_after(&mut self, bytes: u64) -> Option<Duration> {
        self.shared.stats.moved(bytes);
        let pause = {
            let pace = self.shared.pace.lock();
            let mut pace = pace.unwrap_or_else(PoisonError::into_inner);
            pace.pause_after(bytes, Instant::now())
        };
        let goes_on = self.handle.is_in_service() && !self.shared.lock().is_stopping;
        goes_on.then_some(pause)
    }

    fn replace(&mut self, cleaned: CleanedSegment) -> Result<Replaced, ReplaceError> {
        self.handle.replace_segments_blocking(cleaned)
    }
}
