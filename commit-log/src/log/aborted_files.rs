//! The files of a log's aborted transactions: cut with the log, and noted with their checksums.

use std::io;
use std::sync::Arc;

use trimaran_types::Offset;

use super::Log;
use super::checkpoint::CloseError;
use super::truncate::TruncateError;
use crate::aborted::{AbortedSum, AbortedSums, AbortedTail, format_sums};
use crate::damage::Damage;
use crate::disk::{DiskFile, OpenHow};
use crate::names::{ABORTED_SUMS, SegmentFile};
use crate::reader::{ReadError, is_unreadable};
use crate::shared::SegmentView;

/// A file that is to be cut, and what stays of it.
#[derive(Debug)]
pub(super) struct CutAborted {
    file: Arc<dyn DiskFile>,
    kept: AbortedSum,
}

impl Log {
    /// The file of a segment's aborted transactions, if it has one, and what a cut at `end` leaves of
    /// it; `same` says that the segment is the one that is written.
    pub(super) fn open_aborted(
        &self,
        segment: &SegmentView,
        end: Offset,
        same: bool,
    ) -> Result<Option<CutAborted>, TruncateError> {
        let sum = {
            let state = self.shared.read();
            match same {
                true => state.aborted.written,
                false => state
                    .aborted_in
                    .get(&segment.base)
                    .copied()
                    .unwrap_or_default(),
            }
        };
        if sum.entries == 0 {
            return Ok(None);
        }
        let path = || self.shared.path(SegmentFile::Aborted, segment.base);
        let unread = |source| ReadError::Io {
            path: path(),
            source,
        };
        let stays = end > segment.base;
        let opened = self
            .shared
            .file(segment, SegmentFile::Aborted, OpenHow::Existing);
        let file = match opened {
            Ok(file) => file,
            Err(error) if !stays && error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if is_unreadable(&error) => return Err(unread(error).into()),
            Err(error) => return Err(self.close_error(error).into()),
        };
        if !stays {
            let kept = AbortedSum::default();
            return Ok(Some(CutAborted { file, kept }));
        }
        // What stays would go on being believed.
        let entries = sum.read_from(file.as_ref()).map_err(unread)?;
        let entries = entries.ok_or_else(|| ReadError::Corrupt {
            file: path(),
            position: 0,
            offset: segment.base,
            cause: Damage::AbortedTransactions,
        })?;
        let kept = entries.partition_point(|entry| entry.last < end);
        let kept = AbortedSum::of(&entries[..kept]);
        Ok(Some(CutAborted { file, kept }))
    }

    /// Cuts the aborted transactions that end at or beyond `end` out of the segment that is active
    /// from now on, and of its file, if they have one; `same` says that it was before.
    pub(super) fn cut_aborted(
        &self,
        segment: &SegmentView,
        end: Offset,
        same: bool,
        file: Option<&CutAborted>,
    ) -> io::Result<()> {
        let mut tail = {
            let mut state = self.shared.write();
            let _ = state.aborted_in.split_off(&segment.base);
            if same {
                std::mem::take(&mut state.aborted)
            } else {
                AbortedTail::default()
            }
        };
        tail.pending.retain(|entry| entry.last < end);
        tail.written = AbortedSum::default();
        if let Some(CutAborted { file, kept }) = file {
            // They fitted the file before.
            file.truncate(kept.bytes().unwrap_or(0))?;
            tail.written = *kept;
        }
        self.shared.write().aborted = tail;
        Ok(())
    }

    /// What the files hold, as it is to be noted.
    fn aborted_sums(&self) -> AbortedSums {
        let state = self.shared.read();
        // Of those before it retention has taken the files.
        let first = state.segments[0].base;
        let finished = state.aborted_in.range(first..);
        let mut sums: AbortedSums = finished.map(|(base, sum)| (*base, *sum)).collect();
        if state.aborted.written.entries > 0 {
            sums.insert(self.active.base, state.aborted.written);
        }
        sums
    }

    pub(super) fn aborted_sums_are_new(&self) -> bool {
        self.aborted_on_disk.as_ref() != Some(&self.aborted_sums())
    }

    /// Writes `txnindex-checksums` durably if it has changed. What still waits in memory is not noted.
    pub(super) fn write_aborted_sums(&mut self) -> Result<(), CloseError> {
        let sums = self.aborted_sums();
        if self.aborted_on_disk.as_ref() == Some(&sums) {
            return Ok(());
        }
        let path = self.dir().join(ABORTED_SUMS);
        self.aborted_on_disk = None;
        self.replace_file(&path, format_sums(&sums).as_bytes())?;
        self.aborted_on_disk = Some(sums);
        Ok(())
    }
}
