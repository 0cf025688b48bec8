//! What the metrics page shows of the broker's state, read when it is asked for.

use std::sync::Arc;

use tokio::sync::watch;
use trimaran_metadata::MetadataImage;
use trimaran_types::BrokerId;

use crate::byte_budget::ByteBudget;
use crate::log_cleaner::LogCleaner;
use crate::log_scrub::LogScrub;
use crate::metadata_follower::FeedStatus;
use crate::metrics::{DirObservation, Observation};
use crate::partition::PartitionRole;
use crate::replicas::Replicas;
use crate::session::SessionState;

/// Where the values come from.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) broker_id: BrokerId,
    pub(super) image: watch::Receiver<Arc<MetadataImage>>,
    pub(super) feed: watch::Receiver<FeedStatus>,
    pub(super) state: watch::Receiver<SessionState>,
    pub(super) replicas: Arc<Replicas>,
    pub(super) log_cleaner: Arc<LogCleaner>,
    pub(super) log_scrub: Arc<LogScrub>,
    pub(super) body_budget: Arc<ByteBudget>,
    pub(super) answer_budget: Arc<ByteBudget>,
}

/// How each log directory is.
pub(super) fn of_dirs(replicas: &Replicas) -> Vec<DirObservation> {
    let dirs = replicas.dir_statuses().into_iter();
    dirs.flat_map(|dir| {
        let path = dir.path.display().to_string();
        let values = [
            (
                "log_dir_failed",
                "1 once the log directory is out of service",
                usize::from(dir.failure.is_some()),
            ),
            (
                "log_dir_replicas",
                "Replicas in the log directory",
                dir.replicas,
            ),
            (
                "log_dir_replicas_lacking_room",
                "Replicas in the log directory that take no appends for want of room",
                dir.lacking_room,
            ),
            (
                "log_dir_replicas_not_made",
                "Replicas that belong in the log directory and could not be opened or made",
                dir.not_made,
            ),
        ];
        values.map(|(name, help, value)| (name, help, path.clone(), value as u64))
    })
    .collect()
}

impl Observed {
    /// The values of this moment.
    pub(super) fn read(&self) -> Vec<Observation> {
        let image = Arc::clone(&self.image.borrow());
        let state = *self.state.borrow();
        let applied_end = self.feed.borrow().applied_end;
        let position = image.position;
        let mut values = vec![
            (
                "fenced",
                "1 while the controllers hold this broker out of service",
                u64::from(state.is_fenced),
            ),
            (
                "heartbeat_answered",
                "1 while the last heartbeat was answered",
                u64::from(state.is_heard),
            ),
            (
                "broker_epoch",
                "The registration in force",
                state.broker_epoch.0,
            ),
            (
                "metadata_index",
                "Index of the last metadata entry replayed",
                position.index,
            ),
            (
                "metadata_next_offset",
                "Metadata records replayed",
                position.next_offset.0,
            ),
            (
                "metadata_lag_entries",
                "Entries that the last controller to answer had and this broker lacks",
                applied_end.saturating_sub(position.index.saturating_add(1)),
            ),
            (
                "append_bytes_waiting",
                "Bytes of appends that wait for their acknowledgement",
                self.replicas.waiting_append_bytes() as u64,
            ),
            (
                "request_body_bytes",
                "Bytes of request bodies in memory",
                self.body_budget.used_bytes() as u64,
            ),
            (
                "response_body_bytes",
                "Bytes of records in memory that were read and wait to be sent",
                self.answer_budget.used_bytes() as u64,
            ),
        ];
        values.extend(self.partitions(&image));
        values.extend(self.damage());
        let cleaner = &self.log_cleaner;
        values.extend(cleaner.stats().observations(cleaner.uncleanable()));
        values.extend(self.log_scrub.stats().observations());
        values
    }

    fn damage(&self) -> [Observation; 4] {
        [
            (
                "stray_logs_kept",
                "Logs that are kept although no committed record explains them",
                self.replicas.strays_kept(),
            ),
            (
                "replicas_damaged",
                "Replicas out of service because their log is damaged or gone",
                self.replicas.damaged_replicas() as u64,
            ),
            (
                "replicas_begun_anew",
                "Damaged replicas that were set aside and fetched anew since the start",
                self.replicas.replicas_begun_anew(),
            ),
            (
                "damaged_logs_kept",
                "Damaged logs that are kept in the log directory",
                self.replicas.damaged_logs_kept(),
            ),
        ]
    }

    fn partitions(&self, image: &MetadataImage) -> [Observation; 7] {
        let (mut led, mut followed, mut idle, mut failed) = (0, 0, 0, 0);
        let (mut lag_records, mut lag_records_max) = (0_u64, 0_u64);
        for handle in self.replicas.table().all() {
            let status = handle.status();
            match status.role {
                PartitionRole::Leader => {
                    led += 1;
                    let lag = status.log_end.distance_from(status.high_watermark);
                    lag_records = lag_records.saturating_add(lag.unsigned_abs());
                    lag_records_max = lag_records_max.max(lag.unsigned_abs());
                }
                PartitionRole::Follower => followed += 1,
                PartitionRole::Idle | PartitionRole::Stopped => idle += 1,
                PartitionRole::Failed => failed += 1,
            }
        }
        let under_replicated = image
            .partitions_led_by(self.broker_id)
            .filter(|found| found.state.isr.len() < found.state.replicas.len())
            .count();
        [
            ("partitions_led", "Partitions that this broker leads", led),
            (
                "partitions_followed",
                "Partitions that this broker copies from a leader",
                followed,
            ),
            (
                "partitions_idle",
                "Replicas that neither lead nor follow",
                idle,
            ),
            ("partitions_failed", "Replicas out of service", failed),
            (
                "partitions_under_replicated",
                "Partitions led here with a replica outside the ISR",
                under_replicated as u64,
            ),
            (
                "high_watermark_lag_records",
                "Records of led partitions that are written and not committed",
                lag_records,
            ),
            (
                "high_watermark_lag_records_max",
                "The same, of the partition that has most of them",
                lag_records_max,
            ),
        ]
    }
}
