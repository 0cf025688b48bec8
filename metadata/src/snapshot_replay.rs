//! [`SnapshotReplay`]: an image built from a snapshot's records as they come.

use trimaran_types::Timestamp;

use crate::image::{ImagePosition, MetadataImage};
use crate::record::{ChangeOrigin, MetadataRecord};
use crate::snapshot::SnapshotError;

/// A snapshot that has arrived in part. It is no image before [`SnapshotReplay::finish`].
#[derive(Debug)]
pub struct SnapshotReplay {
    position: ImagePosition,
    image: MetadataImage,
    records: usize,
}

impl SnapshotReplay {
    /// Of the snapshot that was taken at `position`.
    #[must_use]
    pub fn begin(position: ImagePosition) -> Self {
        Self {
            position,
            image: MetadataImage::default(),
            records: 0,
        }
    }

    /// The next records of the snapshot, in order.
    ///
    /// # Errors
    /// When a record makes no sense after those before it: the snapshot is damaged.
    pub fn replay(&mut self, records: &[MetadataRecord]) -> Result<(), SnapshotError> {
        // Every record of a snapshot that needs an origin carries its own.
        let ImagePosition {
            index, next_offset, ..
        } = self.position;
        let origin = ChangeOrigin {
            at: Timestamp(0),
            index,
            offset: next_offset,
        };
        for record in records {
            let invalid = |cause| SnapshotError::Invalid {
                record: self.records,
                cause,
            };
            self.image.replay(record, origin).map_err(invalid)?;
            self.records += 1;
        }
        Ok(())
    }

    /// All records have come.
    #[must_use]
    pub fn finish(mut self) -> MetadataImage {
        self.image.position = self.position;
        debug_assert_eq!(self.image.validate(), Ok(()), "replay keeps the invariants");
        self.image
    }
}
