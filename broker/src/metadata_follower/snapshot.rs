//! Loading a snapshot: a stream of bounded frames, replayed as they come.
//!
//! The image may have any size that this broker can hold; what is on its way is one frame.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{ACCEPT, CONTENT_TYPE};
use trimaran_api::client::{CallError, call_bytes};
use trimaran_api::controller::{
    SNAPSHOT_FRAME_BYTES_MAX, SNAPSHOT_STREAM, SnapshotPiece, SnapshotPointer, SnapshotReader,
};
use trimaran_metadata::{MetadataImage, SnapshotReplay};
use trimaran_types::ClusterId;

use super::feed::of_cluster;
use crate::controller_link::ControllerLink;

/// How long a controller may send nothing. There is no bound for the whole: a large image takes its
/// time, and one that goes on coming is on its way.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// A snapshot as a controller has it.
pub(super) struct Loaded {
    pub(super) cluster_id: ClusterId,
    pub(super) image: MetadataImage,
}

/// Loads the snapshot that `pointer` names from the controller that named it.
pub(super) async fn load(
    link: &ControllerLink,
    cluster_id: ClusterId,
    address: &str,
    pointer: &SnapshotPointer,
) -> Result<Loaded, CallError> {
    let request = link
        .http()
        .get(format!("http://{address}{}", pointer.path))
        .header(ACCEPT, SNAPSHOT_STREAM);
    let asking = call_bytes(of_cluster(request, Some(cluster_id)), address);
    let response = within(asking, address).await??;
    let kind = response.headers().get(CONTENT_TYPE);
    if kind.is_none_or(|kind| kind.as_bytes() != SNAPSHOT_STREAM.as_bytes()) {
        return Err(unreadable(address, "it is no stream of a snapshot"));
    }
    let mut arriving = Arriving {
        reader: SnapshotReader::new(SNAPSHOT_FRAME_BYTES_MAX),
        loading: None,
    };
    let mut body = response.bytes_stream();
    while let Some(bytes) = within(body.next(), address).await? {
        let bytes = bytes.map_err(|error| CallError::of(&error, address))?;
        arriving.reader.fill(&bytes);
        arriving = arriving.take_frames(address).await?;
    }
    arriving.finish(address)
}

/// What has come so far.
struct Arriving {
    reader: SnapshotReader,
    loading: Option<(ClusterId, SnapshotReplay)>,
}

impl Arriving {
    async fn take_frames(mut self, address: &str) -> Result<Self, CallError> {
        while let Some(piece) = self
            .reader
            .take()
            .map_err(|error| unreadable(address, error))?
        {
            match (piece, self.loading.take()) {
                (SnapshotPiece::Head(head), _) => {
                    let replay = SnapshotReplay::begin(head.position);
                    self.loading = Some((head.cluster_id, replay));
                }
                (SnapshotPiece::Records(records), Some((cluster_id, mut replay))) => {
                    // Some milliseconds for a frame: not on the threads that serve.
                    let replaying = tokio::task::spawn_blocking(move || {
                        replay.replay(&records).map(|()| replay)
                    });
                    let replayed = replaying.await;
                    let replayed = replayed.map_err(|error| unreadable(address, error))?;
                    let replay =
                        replayed.map_err(|error| unreadable(address, format!("{error:?}")))?;
                    self.loading = Some((cluster_id, replay));
                }
                (SnapshotPiece::Records(_), None) => {
                    return Err(unreadable(address, "records before the head"));
                }
            }
        }
        Ok(self)
    }

    fn finish(self, address: &str) -> Result<Loaded, CallError> {
        let ended = self.reader.finish();
        ended.map_err(|error| unreadable(address, error))?;
        let (cluster_id, replay) = self
            .loading
            .ok_or_else(|| unreadable(address, "no snapshot came"))?;
        let image = replay.finish();
        Ok(Loaded { cluster_id, image })
    }
}

async fn within<T>(step: impl Future<Output = T>, address: &str) -> Result<T, CallError> {
    let in_time = tokio::time::timeout(SILENCE_MAX, step).await;
    in_time.map_err(|_| CallError::TimedOut {
        address: address.to_owned(),
    })
}

fn unreadable(address: &str, cause: impl ToString) -> CallError {
    CallError::Unreadable {
        address: address.to_owned(),
        cause: cause.to_string(),
    }
}
