//! One message on a stream: its length as u32, big-endian, then MessagePack with field names.

use bytes::{Buf as _, BytesMut};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use trimaran_api::body::{self, BodyError};

const LENGTH_BYTES: usize = 4;

/// Room for a message is taken in steps of this size as it arrives: a length is only a claim.
const ROOM_BYTES: usize = 1024 * 1024;

/// Why there is no message. The stream cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MessageError {
    /// The other side has ended the stream.
    #[error("the stream was closed")]
    Closed,
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Longer than the reader accepts.
    #[error("a message of {bytes} bytes, the limit is {bytes_max}")]
    TooLong {
        /// Its length.
        bytes: usize,
        /// The reader's limit.
        bytes_max: usize,
    },
    /// Not the message expected.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// A message's room is kept for the next one up to this size.
const KEPT_BYTES_MAX: usize = 1024 * 1024;

/// Writes a message. `output` is room from the last one, or empty; nothing in it counts.
///
/// # Errors
/// It cannot be encoded, or the connection broke.
pub(crate) async fn write_message<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    output: &mut Vec<u8>,
    message: &T,
) -> Result<(), MessageError> {
    output.clear();
    output.extend_from_slice(&[0; LENGTH_BYTES]);
    body::put_msgpack(message, output)?;
    let bytes = output.len() - LENGTH_BYTES;
    let length = u32::try_from(bytes).map_err(|_| MessageError::TooLong {
        bytes,
        bytes_max: usize::try_from(u32::MAX).unwrap_or(usize::MAX),
    })?;
    output[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    stream.write_all(output).await?;
    output.clear();
    output.shrink_to(KEPT_BYTES_MAX);
    Ok(())
}

/// Reads a message of at most `bytes_max`; `input` keeps what arrived beyond it. A call that is
/// given up midway leaves `input` as far as it came, and may be repeated.
///
/// # Errors
/// As [`MessageError`] tells.
pub(crate) async fn read_message<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
    bytes_max: usize,
) -> Result<T, MessageError> {
    loop {
        if let Some(length) = input.first_chunk::<LENGTH_BYTES>() {
            let bytes = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
            if bytes > bytes_max {
                return Err(MessageError::TooLong { bytes, bytes_max });
            }
            if input.len() >= LENGTH_BYTES + bytes {
                input.advance(LENGTH_BYTES);
                return Ok(body::from_msgpack(&input.split_to(bytes))?);
            }
            input.reserve((LENGTH_BYTES + bytes - input.len()).min(ROOM_BYTES));
        }
        if stream.read_buf(input).await? == 0 {
            return Err(MessageError::Closed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_come_back_one_by_one_and_large_ones_in_pieces() {
        let (mut near, mut far) = tokio::io::duplex(1_000);
        let messages = [vec![1_u8; 3], Vec::new(), vec![2; 100_000]];
        let writing = async {
            let mut output = Vec::new();
            for message in &messages {
                write_message(&mut near, &mut output, message)
                    .await
                    .unwrap();
            }
            drop(near);
        };
        let reading = async {
            let mut input = BytesMut::new();
            let mut read = Vec::new();
            loop {
                match read_message::<Vec<u8>>(&mut far, &mut input, 1 << 20).await {
                    Ok(message) => read.push(message),
                    Err(MessageError::Closed) => return read,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        let ((), read) = tokio::join!(writing, reading);
        assert_eq!(read, messages);
    }

    #[tokio::test]
    async fn a_claim_beyond_the_limit_takes_no_memory() {
        let (mut near, mut far) = tokio::io::duplex(64);
        near.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        let mut input = BytesMut::new();
        let read = read_message::<u8>(&mut far, &mut input, 1 << 20).await;
        assert!(
            matches!(read, Err(MessageError::TooLong { .. })),
            "{read:?}"
        );
        assert!(input.capacity() < 1 << 16);
        let mut output = Vec::new();
        let near = write_message(&mut near, &mut output, &7_u8);
        near.await.unwrap();
    }
}
