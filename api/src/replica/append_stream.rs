//! The stream of small appends between two brokers: frames in both directions, answers in any order.
//!
//! It begins as HTTP: a `GET` of [`APPEND_STREAM`](crate::paths::APPEND_STREAM) that asks for an
//! upgrade to [`PROTOCOL`], with the headers of every call between nodes. After the 101 both sides
//! send frames, big-endian, each behind its length as u32:
//!
//! - append: id u64, topic id 16 bytes, partition u32, acks i8 (Kafka's numbers), timeout in
//!   milliseconds u32, record batches v2;
//! - appended: id u64, 0 u8, present bits u8 (1 base offset, 2 append time), base offset i64, append
//!   time i64, leader epoch i32;
//! - refused: id u64, 1 u8, HTTP status u16, the error body as JSON.
//!
//! An append that is larger than [`STREAMED_BYTES_MAX`] travels as a request of its own, so that small
//! ones never stand behind it.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use http::StatusCode;
use trimaran_types::{LeaderEpoch, Offset, PartitionIndex, Timestamp, TopicId, TopicIdPartition};

use super::{AppendResponse, RequiredAcks};
use crate::{ApiError, ErrorBody};

/// The name in the `Upgrade` headers; another form of the frames is another name.
pub const PROTOCOL: &str = "trimaran-append-1";

/// Most bytes of batches in one frame.
pub const STREAMED_BYTES_MAX: usize = 64 * 1024;

/// Most bytes of a frame, without its length: batches and their head, or a refusal.
const FRAME_BYTES_MAX: usize = STREAMED_BYTES_MAX + 1024;

const LENGTH_BYTES: usize = 4;
const APPEND_HEAD_BYTES: usize = 8 + 16 + 4 + 1 + 4;
const APPENDED_BYTES: usize = 8 + 1 + 1 + 8 + 8 + 4;
const REFUSED_HEAD_BYTES: usize = 8 + 1 + 2;

const APPENDED: u8 = 0;
const REFUSED: u8 = 1;
const HAS_BASE_OFFSET: u8 = 1;
const HAS_APPEND_TIME: u8 = 2;

/// Bytes that are no frame. The stream cannot go on: where the next frame begins is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than any frame may be.
    #[error("a frame of {bytes} bytes, the limit is {FRAME_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Shorter than its fields.
    #[error("a frame of {bytes} bytes, too few for its fields")]
    TooShort {
        /// Its length.
        bytes: usize,
    },
    /// A field has a value that it cannot have.
    #[error("field '{field}' of a frame is {value}")]
    Field {
        /// Which.
        field: &'static str,
        /// Its value.
        value: String,
    },
}

/// One append on its way to the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendFrame {
    /// Names it on this stream; the answer repeats it.
    pub id: u64,
    /// Where the batches go.
    pub partition: TopicIdPartition,
    /// When to answer.
    pub acks: RequiredAcks,
    /// How long the caller waits.
    pub timeout_ms: u32,
    /// Record batches, concatenated; at most [`STREAMED_BYTES_MAX`] bytes.
    pub batches: Bytes,
}

/// The answer to one append.
#[derive(Debug, Clone, PartialEq)]
pub struct AnswerFrame {
    /// The id of the append.
    pub id: u64,
    /// Where the records went, or the refusal.
    pub answer: Result<AppendResponse, ApiError>,
}

impl AppendFrame {
    /// Writes the frame behind what `out` has.
    ///
    /// # Errors
    /// The batches are longer than a frame may be; nothing was written.
    pub fn put(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        put_length(out, APPEND_HEAD_BYTES + self.batches.len())?;
        out.put_u64(self.id);
        out.put_slice(self.partition.topic_id.as_uuid().as_bytes());
        out.put_u32(self.partition.partition.0);
        out.put_i8(match self.acks {
            RequiredAcks::All => -1,
            RequiredAcks::Leader => 1,
            RequiredAcks::None => 0,
        });
        out.put_u32(self.timeout_ms);
        out.put_slice(&self.batches);
        Ok(())
    }

    /// Takes the frame at the front of `input`; `None` while it is not all there.
    ///
    /// # Errors
    /// The bytes are no frame of this kind.
    pub fn take(input: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(mut frame) = take_frame(input, APPEND_HEAD_BYTES)? else {
            return Ok(None);
        };
        let id = frame.get_u64();
        let topic_id = TopicId::from_uuid(uuid::Uuid::from_u128(frame.get_u128()));
        let partition = PartitionIndex(frame.get_u32());
        let acks = match frame.get_i8() {
            -1 => RequiredAcks::All,
            1 => RequiredAcks::Leader,
            0 => RequiredAcks::None,
            other => {
                return Err(FrameError::Field {
                    field: "acks",
                    value: other.to_string(),
                });
            }
        };
        let timeout_ms = frame.get_u32();
        Ok(Some(Self {
            id,
            partition: TopicIdPartition {
                topic_id,
                partition,
            },
            acks,
            timeout_ms,
            batches: frame,
        }))
    }
}

impl AnswerFrame {
    /// Writes the frame behind what `out` has.
    ///
    /// # Errors
    /// A refusal is longer than a frame may be; nothing was written.
    pub fn put(&self, out: &mut BytesMut) -> Result<(), FrameError> {
        match &self.answer {
            Ok(appended) => {
                put_length(out, APPENDED_BYTES)?;
                out.put_u64(self.id);
                out.put_u8(APPENDED);
                let base = appended.base_offset.map_or(0, |_| HAS_BASE_OFFSET);
                let time = appended.log_append_time.map_or(0, |_| HAS_APPEND_TIME);
                out.put_u8(base | time);
                out.put_i64(appended.base_offset.map_or(0, |offset| offset.0));
                out.put_i64(appended.log_append_time.map_or(0, |time| time.0));
                out.put_i32(appended.leader_epoch.0);
            }
            Err(refusal) => {
                // A struct of numbers and text always has a JSON form.
                let body = serde_json::to_vec(&*refusal.body).unwrap_or_default();
                put_length(out, REFUSED_HEAD_BYTES + body.len())?;
                out.put_u64(self.id);
                out.put_u8(REFUSED);
                out.put_u16(refusal.status.as_u16());
                out.put_slice(&body);
            }
        }
        Ok(())
    }

    /// Takes the frame at the front of `input`; `None` while it is not all there.
    ///
    /// # Errors
    /// The bytes are no frame of this kind.
    pub fn take(input: &mut BytesMut) -> Result<Option<Self>, FrameError> {
        let Some(mut frame) = take_frame(input, REFUSED_HEAD_BYTES)? else {
            return Ok(None);
        };
        let bytes = frame.len();
        let id = frame.get_u64();
        let answer = match frame.get_u8() {
            APPENDED if bytes == APPENDED_BYTES => Ok(appended(&mut frame)),
            APPENDED => return Err(FrameError::TooShort { bytes }),
            REFUSED => Err(refusal(&mut frame)?),
            other => {
                return Err(FrameError::Field {
                    field: "kind",
                    value: other.to_string(),
                });
            }
        };
        Ok(Some(Self { id, answer }))
    }
}

fn appended(frame: &mut Bytes) -> AppendResponse {
    let present = frame.get_u8();
    let (base_offset, time) = (Offset(frame.get_i64()), Timestamp(frame.get_i64()));
    AppendResponse {
        base_offset: (present & HAS_BASE_OFFSET != 0).then_some(base_offset),
        log_append_time: (present & HAS_APPEND_TIME != 0).then_some(time),
        leader_epoch: LeaderEpoch(frame.get_i32()),
    }
}

fn refusal(frame: &mut Bytes) -> Result<ApiError, FrameError> {
    let status = frame.get_u16();
    let wrong = |field, value: String| FrameError::Field { field, value };
    let status = StatusCode::from_u16(status).map_err(|_| wrong("status", status.to_string()))?;
    let body: ErrorBody =
        serde_json::from_slice(frame).map_err(|error| wrong("body", error.to_string()))?;
    Ok(ApiError {
        status,
        body: Box::new(body),
    })
}

fn put_length(out: &mut BytesMut, bytes: usize) -> Result<(), FrameError> {
    let too_long = FrameError::TooLong { bytes };
    let length = u32::try_from(bytes).map_err(|_| too_long.clone())?;
    if bytes > FRAME_BYTES_MAX {
        return Err(too_long);
    }
    out.reserve(LENGTH_BYTES + bytes);
    out.put_u32(length);
    Ok(())
}

/// The frame at the front, without its length; at least `head` bytes long.
fn take_frame(input: &mut BytesMut, head: usize) -> Result<Option<Bytes>, FrameError> {
    let Some(length) = input.first_chunk::<LENGTH_BYTES>() else {
        return Ok(None);
    };
    let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
    if bytes > FRAME_BYTES_MAX {
        return Err(FrameError::TooLong { bytes });
    }
    if bytes < head {
        return Err(FrameError::TooShort { bytes });
    }
    if input.len() < LENGTH_BYTES + bytes {
        return Ok(None);
    }
    input.advance(LENGTH_BYTES);
    Ok(Some(input.split_to(bytes).freeze()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use trimaran_types::KafkaError;

    fn append(id: u64, batches: &'static [u8]) -> AppendFrame {
        AppendFrame {
            id,
            partition: TopicIdPartition {
                topic_id: TopicId::from_uuid(uuid::Uuid::from_u128(7)),
                partition: PartitionIndex(3),
            },
            acks: RequiredAcks::All,
            timeout_ms: 30_000,
            batches: Bytes::from_static(batches),
        }
    }

    fn answers() -> Vec<AnswerFrame> {
        let appended = AppendResponse {
            base_offset: Some(Offset(41)),
            log_append_time: None,
            leader_epoch: LeaderEpoch(2),
        };
        let refusal = ApiError::kafka(KafkaError::NotLeaderOrFollower, "moved")
            .with_details(serde_json::json!({ "outcome": "nothing-written" }));
        vec![
            AnswerFrame {
                id: 1,
                answer: Ok(appended),
            },
            AnswerFrame {
                id: u64::MAX,
                answer: Err(refusal),
            },
        ]
    }

    #[test]
    fn frames_come_back_however_they_are_cut() {
        let appends = [append(1, b""), append(2, b"batches")];
        let mut wire = BytesMut::new();
        for frame in &appends {
            frame.put(&mut wire).unwrap();
        }
        let golden = "0000002100000000000000010000000000000000000000000000000700000003ff00007530";
        let front: String = wire[..37]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(front, golden);
        let (mut input, mut taken) = (BytesMut::new(), Vec::new());
        for byte in wire {
            input.put_u8(byte);
            taken.extend(AppendFrame::take(&mut input).unwrap());
        }
        assert_eq!(taken, appends);
        let mut wire = BytesMut::new();
        for frame in answers() {
            frame.put(&mut wire).unwrap();
        }
        let (mut input, mut taken) = (BytesMut::new(), Vec::new());
        for byte in wire {
            input.put_u8(byte);
            taken.extend(AnswerFrame::take(&mut input).unwrap());
        }
        assert_eq!(taken, answers());
    }

    #[test]
    fn what_is_no_frame_is_refused_before_it_is_read() {
        let mut long = BytesMut::from(&u32::MAX.to_be_bytes()[..]);
        assert!(matches!(
            AppendFrame::take(&mut long),
            Err(FrameError::TooLong { .. })
        ));
        let mut short = BytesMut::from(&[0, 0, 0, 3, 1, 2, 3][..]);
        assert!(matches!(
            AnswerFrame::take(&mut short),
            Err(FrameError::TooShort { bytes: 3 })
        ));
        let mut wire = BytesMut::new();
        append(1, b"x").put(&mut wire).unwrap();
        wire[4 + 28] = 9;
        assert!(matches!(
            AppendFrame::take(&mut wire),
            Err(FrameError::Field { field: "acks", .. })
        ));
        let large = AppendFrame {
            batches: Bytes::from(vec![0; FRAME_BYTES_MAX]),
            ..append(1, b"")
        };
        let mut wire = BytesMut::new();
        assert!(large.put(&mut wire).is_err());
        assert!(wire.is_empty());
    }
}
