//! The metadata snapshot as a stream: an image of any size, a bounded piece at a time.
//!
//! `GET /v1/metadata/snapshot` answers with it where [`SNAPSHOT_STREAM`] is accepted. The body is
//! frames, each behind its length as u32, big-endian. The first is a [`SnapshotHead`]; the others are
//! records behind each other, in the snapshot's order, until as many have come as the head says. All
//! of it is MessagePack with field names. What ends before is broken, never a smaller image.

use bytes::{Buf as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use trimaran_metadata::{ImagePosition, MetadataRecord, Snapshot};
use trimaran_types::ClusterId;

use crate::body::{BodyError, from_msgpack, to_msgpack};

/// The content type of the stream.
pub const SNAPSHOT_STREAM: &str = "application/vnd.trimaran.metadata-snapshot";

/// A frame ends with the record that reaches so many bytes.
pub const SNAPSHOT_PART_BYTES: usize = 1024 * 1024;

/// Most bytes of one frame: a part, and a record that is as large as a whole entry may be.
pub const SNAPSHOT_FRAME_BYTES_MAX: usize = SNAPSHOT_PART_BYTES + 8 * 1024 * 1024;

/// Most records of a snapshot; each costs some hundred bytes of memory on every node.
pub const SNAPSHOT_RECORDS_MAX: u64 = 20_000_000;

const LENGTH_BYTES: usize = 4;

/// What comes, in the first frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// The cluster.
    pub cluster_id: ClusterId,
    /// Where the image stands.
    pub position: ImagePosition,
    /// Records in the frames that follow.
    pub records: u64,
}

/// Why a stream is no snapshot. It cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotStreamError {
    /// A frame is longer than any may be.
    #[error("a frame of {bytes} bytes, the limit is {bytes_max}")]
    FrameTooLong {
        /// Its length.
        bytes: usize,
        /// The reader's limit.
        bytes_max: usize,
    },
    /// The head promises more than any node could hold.
    #[error("{records} records, the limit is {SNAPSHOT_RECORDS_MAX}")]
    TooManyRecords {
        /// What it promises.
        records: u64,
    },
    /// More records than the head has promised.
    #[error("records beyond the {records} that were promised")]
    Surplus {
        /// What the head has promised.
        records: u64,
    },
    /// The stream ended too early.
    #[error("the stream ended with {missing} records missing")]
    BrokenOff {
        /// Records that have not come; absent when not even the head has.
        missing: u64,
    },
    /// A frame is not what it should be.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// The frames of a snapshot, made one after the other.
#[derive(Debug)]
pub struct SnapshotFrames {
    head: Option<SnapshotHead>,
    records: std::vec::IntoIter<MetadataRecord>,
    part_bytes: usize,
}

impl SnapshotFrames {
    /// Of `snapshot`, in parts of about `part_bytes`; see [`SNAPSHOT_PART_BYTES`].
    #[must_use]
    pub fn of(cluster_id: ClusterId, snapshot: Snapshot, part_bytes: usize) -> Self {
        let head = SnapshotHead {
            cluster_id,
            position: snapshot.position,
            records: u64::try_from(snapshot.records.len()).unwrap_or(u64::MAX),
        };
        Self {
            head: Some(head),
            records: snapshot.records.into_iter(),
            part_bytes,
        }
    }

    fn part(&mut self) -> Result<Option<Vec<u8>>, BodyError> {
        if let Some(head) = self.head.take() {
            return to_msgpack(&head).map(Some);
        }
        let mut part = Vec::new();
        while part.len() < self.part_bytes
            && let Some(record) = self.records.next()
        {
            part.extend(to_msgpack(&record)?);
        }
        Ok((!part.is_empty()).then_some(part))
    }
}

impl Iterator for SnapshotFrames {
    type Item = Result<Bytes, BodyError>;

    fn next(&mut self) -> Option<Self::Item> {
        let part = self.part().transpose()?;
        Some(part.map(|part| {
            // A record is never near 4 GiB: entries are bounded.
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            let mut frame = BytesMut::with_capacity(LENGTH_BYTES + part.len());
            frame.extend_from_slice(&length.to_be_bytes());
            frame.extend_from_slice(&part);
            frame.freeze()
        }))
    }
}

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub enum SnapshotPiece {
    /// The first.
    Head(SnapshotHead),
    /// The next records.
    Records(Vec<MetadataRecord>),
}

/// Takes the stream apart as it comes, whatever pieces the network makes of it.
#[derive(Debug)]
pub struct SnapshotReader {
    input: BytesMut,
    frame_bytes_max: usize,
    promised: Option<u64>,
    missing: u64,
}

impl SnapshotReader {
    /// Refuses frames above `frame_bytes_max`; see [`SNAPSHOT_FRAME_BYTES_MAX`].
    #[must_use]
    pub fn new(frame_bytes_max: usize) -> Self {
        Self {
            input: BytesMut::new(),
            frame_bytes_max,
            promised: None,
            missing: 0,
        }
    }

    /// More bytes have come. They must be taken before the next ones: what is kept is then less than
    /// a frame.
    pub fn fill(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    /// The next frame; `None` while it is not all there.
    ///
    /// # Errors
    /// As [`SnapshotStreamError`] tells.
    pub fn take(&mut self) -> Result<Option<SnapshotPiece>, SnapshotStreamError> {
        let Some(length) = self.input.first_chunk::<LENGTH_BYTES>() else {
            return Ok(None);
        };
        let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if bytes > self.frame_bytes_max {
            let bytes_max = self.frame_bytes_max;
            return Err(SnapshotStreamError::FrameTooLong { bytes, bytes_max });
        }
        if self.input.len() - LENGTH_BYTES < bytes {
            return Ok(None);
        }
        self.input.advance(LENGTH_BYTES);
        let frame = self.input.split_to(bytes).freeze();
        match self.promised {
            None => self.head(&frame).map(Some),
            Some(promised) => self.records(frame, promised).map(Some),
        }
    }

    fn head(&mut self, frame: &[u8]) -> Result<SnapshotPiece, SnapshotStreamError> {
        let head: SnapshotHead = from_msgpack(frame)?;
        let records = head.records;
        if records > SNAPSHOT_RECORDS_MAX {
            return Err(SnapshotStreamError::TooManyRecords { records });
        }
        (self.promised, self.missing) = (Some(records), records);
        Ok(SnapshotPiece::Head(head))
    }

    fn records(
        &mut self,
        frame: Bytes,
        promised: u64,
    ) -> Result<SnapshotPiece, SnapshotStreamError> {
        let mut rest = frame.reader();
        let mut records = Vec::new();
        while rest.get_ref().has_remaining() {
            let surplus = SnapshotStreamError::Surplus { records: promised };
            self.missing = self.missing.checked_sub(1).ok_or(surplus)?;
            let record = rmp_serde::from_read(&mut rest).map_err(BodyError::Decode)?;
            records.push(record);
        }
        Ok(SnapshotPiece::Records(records))
    }

    /// The stream has ended, and every frame was taken.
    ///
    /// # Errors
    /// It ended too early.
    pub fn finish(self) -> Result<(), SnapshotStreamError> {
        let missing = self.missing;
        if missing > 0 || self.promised.is_none() || !self.input.is_empty() {
            return Err(SnapshotStreamError::BrokenOff { missing });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use trimaran_metadata::{MetadataImage, SnapshotReplay, record::Topic};
    use trimaran_types::{TopicId, TopicName};

    use super::*;

    fn cluster_id() -> ClusterId {
        ClusterId::from_uuid(uuid::Uuid::from_u128(1))
    }

    fn image(topics: u128) -> MetadataImage {
        let topic = |number: u128| {
            MetadataRecord::Topic(Topic {
                name: TopicName::new(&format!("topic-{number}")).unwrap(),
                topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(number)),
            })
        };
        let records: Vec<_> = (1..=topics).map(topic).collect();
        MetadataImage::default().replay_pending(&records).unwrap()
    }

    fn frames(topics: u128, part_bytes: usize) -> Vec<Bytes> {
        let frames = SnapshotFrames::of(cluster_id(), Snapshot::of(&image(topics)), part_bytes);
        frames.map(Result::unwrap).collect()
    }

    fn read(bytes: &[u8], frame_bytes_max: usize) -> Result<MetadataImage, SnapshotStreamError> {
        let mut reader = SnapshotReader::new(frame_bytes_max);
        let mut replay = None;
        for piece in bytes.chunks(7) {
            reader.fill(piece);
            while let Some(piece) = reader.take()? {
                match piece {
                    SnapshotPiece::Head(head) => {
                        replay = Some(SnapshotReplay::begin(head.position));
                    }
                    SnapshotPiece::Records(records) => {
                        let replay: &mut SnapshotReplay = replay.as_mut().unwrap();
                        replay.replay(&records).unwrap();
                    }
                }
            }
        }
        reader.finish()?;
        Ok(replay.unwrap().finish())
    }

    #[test]
    fn an_image_comes_through_in_frames_that_are_much_smaller_than_it() {
        let frames = frames(500, 300);
        assert!(frames.len() > 50, "{} frames", frames.len());
        let longest = frames.iter().map(Bytes::len).max().unwrap();
        assert!(longest < 500, "{longest} bytes");
        assert_eq!(read(&frames.concat(), 500).unwrap(), image(500));
        let empty = self::frames(0, 300);
        assert_eq!(empty.len(), 1);
        assert_eq!(read(&empty.concat(), 500).unwrap(), image(0));
    }

    #[test]
    fn what_ends_early_or_promises_too_much_is_no_image() {
        let frames = frames(20, 300);
        let whole = frames.concat();
        for end in 0..whole.len() {
            let broken = read(&whole[..end], 500);
            assert!(
                matches!(broken, Err(SnapshotStreamError::BrokenOff { .. })),
                "{end}: {broken:?}"
            );
        }
        let more = [&whole[..], frames.last().unwrap()].concat();
        let surplus = read(&more, 500);
        assert!(matches!(
            surplus,
            Err(SnapshotStreamError::Surplus { records: 20 })
        ));
        let long = read(&whole, 200);
        assert!(matches!(
            long,
            Err(SnapshotStreamError::FrameTooLong { .. })
        ));
        let head = SnapshotHead {
            cluster_id: cluster_id(),
            position: image(0).position,
            records: SNAPSHOT_RECORDS_MAX + 1,
        };
        let head = to_msgpack(&head).unwrap();
        let length = u32::try_from(head.len()).unwrap().to_be_bytes();
        let vast = read(&[&length[..], &head].concat(), 500);
        assert!(matches!(
            vast,
            Err(SnapshotStreamError::TooManyRecords { .. })
        ));
    }
}
