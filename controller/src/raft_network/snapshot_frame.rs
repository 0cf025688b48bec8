//! The body of a snapshot call: a framed head, then the snapshot's bytes.
//!
//! ```text
//! head length u32, big-endian | head, MessagePack | bytes
//! ```

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};
use openraft::type_config::alias::{SnapshotMetaOf, VoteOf};
use serde::{Deserialize, Serialize};
use trimaran_api::body::{BodyError, from_msgpack, to_msgpack};
use trimaran_raft_store::{SnapshotBody, SnapshotReadError, SnapshotStore};

use crate::stored_codec::StoredCodec;
use crate::type_config::TypeConfig;

/// A head is a vote, two log ids and a membership.
const HEAD_BYTES_MAX: usize = 1024 * 1024;

/// Largest snapshot that is taken, 4 GiB: more would never fit the image into memory.
const SNAPSHOT_BYTES_MAX: u64 = 4 * 1024 * 1024 * 1024;

/// What the bytes are and who sends them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct SnapshotHead {
    pub(crate) vote: VoteOf<TypeConfig>,
    pub(crate) meta: SnapshotMetaOf<TypeConfig>,
    pub(crate) length: u64,
    pub(crate) checksum: u32,
}

/// Why a snapshot did not come through.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TransferError {
    #[error(transparent)]
    Head(#[from] BodyError),
    #[error("the head has {0} bytes")]
    HeadLength(usize),
    #[error("the snapshot has {0} bytes, the limit is {SNAPSHOT_BYTES_MAX}")]
    TooLarge(u64),
    #[error("the transfer broke off: {0}")]
    BrokenOff(String),
    #[error("{length} bytes came, with checksum {checksum:08x}, not those that were announced")]
    Mismatch { length: u64, checksum: u32 },
    #[error(transparent)]
    Store(#[from] trimaran_raft_store::WriteError),
}

/// The framed head, then one chunk after the other, read as they are sent.
pub(crate) fn outgoing(
    head: &SnapshotHead,
    body: SnapshotBody,
) -> Result<impl Stream<Item = Result<Bytes, SnapshotReadError>> + Send + use<>, TransferError> {
    let head = to_msgpack(head)?;
    let length = u32::try_from(head.len()).map_err(|_| TransferError::HeadLength(head.len()))?;
    let mut framed = length.to_be_bytes().to_vec();
    framed.extend_from_slice(&head);
    let first = futures_util::stream::iter([Ok(Bytes::from(framed))]);
    let chunks = futures_util::stream::iter(0..body.chunks()).then(move |number| {
        let body = body.clone();
        async move { body.chunk(number).await.map(Bytes::from) }
    });
    Ok(first.chain(chunks))
}

/// Takes a snapshot in beside the current one and checks it against its head.
pub(crate) async fn incoming<S, E>(
    mut body: S,
    snapshots: &SnapshotStore<TypeConfig, StoredCodec>,
) -> Result<(SnapshotHead, SnapshotBody), TransferError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    let mut buffer = BytesMut::new();
    let head: SnapshotHead = {
        fill(&mut body, &mut buffer, 4).await?;
        let prefix: [u8; 4] = buffer.split_to(4)[..].try_into().unwrap_or_default();
        let length = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
        if length > HEAD_BYTES_MAX {
            return Err(TransferError::HeadLength(length));
        }
        fill(&mut body, &mut buffer, length).await?;
        from_msgpack(&buffer.split_to(length))?
    };
    if head.length > SNAPSHOT_BYTES_MAX {
        return Err(TransferError::TooLarge(head.length));
    }
    let mut writer = snapshots.writer();
    writer.write(&buffer).await?;
    while let Some(piece) = next(&mut body).await? {
        if writer.length() > head.length {
            break;
        }
        writer.write(&piece).await?;
    }
    let staged = writer.finish().await?;
    let (length, checksum) = (staged.length(), staged.checksum());
    if length != head.length || checksum != head.checksum {
        return Err(TransferError::Mismatch { length, checksum });
    }
    Ok((head, staged))
}

async fn fill<S, E>(body: &mut S, buffer: &mut BytesMut, wanted: usize) -> Result<(), TransferError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    while buffer.len() < wanted {
        let Some(piece) = next(body).await? else {
            return Err(TransferError::BrokenOff(
                "it ends within the head".to_owned(),
            ));
        };
        buffer.extend_from_slice(&piece);
    }
    Ok(())
}

async fn next<S, E>(body: &mut S) -> Result<Option<Bytes>, TransferError>
where
    S: Stream<Item = Result<Bytes, E>> + Unpin,
    E: std::fmt::Display,
{
    match body.next().await {
        Some(Ok(piece)) => Ok(Some(piece)),
        Some(Err(error)) => Err(TransferError::BrokenOff(error.to_string())),
        None => Ok(None),
    }
}
