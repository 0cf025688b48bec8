//! A log that follows: it copies what a second log has, which began as a copy of it and has led since.

use bytes::Bytes;
use trimaran_types::Offset;

use super::model::{Batch, Model};
use super::operation::{Follow, Lead};
use super::replica::Replica;

impl Replica {
    pub(super) fn follow(&mut self, follow: &Follow) {
        let mut leader = self.copied();
        let mut shared_end = self.model.log_end;
        if let Some(fork) = &follow.fork {
            let to = Model::place(fork, leader.model.committed, leader.model.log_end);
            leader.truncate(to);
            shared_end = leader.model.log_end;
        }
        leader.new_epoch();
        for lead in &follow.lead {
            leader.lead_on(lead);
            leader.check();
        }
        // Below the high watermark both have the same, so the cut lies at or above it.
        self.truncate(shared_end);
        let start = leader.model.log_start;
        if follow.anew || self.model.log_end < start {
            self.start_over(start);
        }
        for _ in 0..follow.reads {
            self.fetch(&leader, follow.bytes_max);
            self.check();
        }
    }

    fn lead_on(&mut self, lead: &Lead) {
        match lead {
            Lead::Append(batches) => self.append(batches),
            Lead::Commit => {
                self.flush();
                self.commit();
            }
            Lead::Trim(to) => self.trim(to),
            Lead::Clean(pass) => self.clean(pass),
            Lead::AllowGaps => self.log.allow_gaps().unwrap(),
        }
    }

    /// One read of the leader's log, appended as it is.
    fn fetch(&mut self, leader: &Self, bytes_max: usize) {
        let from = self.model.log_end;
        let reader = leader.log.reader();
        let bytes = reader
            .read(Offset(from), Offset(i64::MAX), bytes_max)
            .unwrap();
        if bytes.is_empty() {
            assert_eq!(from, leader.model.log_end);
            return;
        }
        let now = self.now();
        let mut left: Bytes = bytes.clone();
        let is_next = |batch: &&Batch| batch.last >= from;
        for batch in leader.model.visible().iter().filter(is_next) {
            if left.is_empty() {
                break;
            }
            assert!(
                left.starts_with(&batch.bytes),
                "not the one at {}",
                batch.base
            );
            let _ = left.split_to(batch.bytes.len());
            if batch.base < from {
                // The leader's log starts inside of its first batch.
                assert_eq!(self.model.durable_start, from);
                self.model.durable_start = batch.base;
                self.model.committed = batch.base;
            }
            self.model.push(Batch {
                appended_at: now.0,
                ..batch.clone()
            });
        }
        assert!(left.is_empty());
        self.model.assigned = None;
        let done = self.log.append_as_follower(bytes, now).unwrap();
        assert_eq!(done.end.0, self.model.log_end);
    }
}
