//! [`StateMachine`]: applies committed entries to the image, and keeps its snapshots.
//!
//! It holds no state on disk but snapshots: a restart loads the current one and replays the log
//! up to the committed index. An entry that the guard or replay refuses is refused alike on every
//! node, and that is the answer; but one that no leader of this history can have proposed shows
//! that the image is not the leader's. Then nothing more is applied, and the controller ends.

use std::io;
use std::sync::Arc;

use futures_util::{Stream, StreamExt as _};
use openraft::storage::{
    EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot as RaftSnapshot,
};
use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{EntryPayload, OptionalSend};
use trimaran_metadata::{ApplyOutcome, MetadataImage, Snapshot};
use trimaran_raft_store::{
    SnapshotBody, SnapshotStore, StoredEntry, StoredLogId, StoredMembership, StoredMeta, WriteError,
};

use crate::feed_ring::AppliedEntry;
use crate::published::Published;
use crate::stored_codec::StoredCodec;
use crate::type_config::{ControllerNode, EntryOutcome, TypeConfig};

/// Entries that are published together, at most.
const ENTRIES_AT_ONCE_MAX: usize = 64;

/// A snapshot on its way in or out.
#[derive(Debug, Clone)]
pub(crate) struct ImageSnapshot {
    /// Its bytes in the store.
    pub body: SnapshotBody,
    /// The image in them; present exactly on what a leader sent.
    pub image: Option<MetadataImage>,
}

type MetaOf = StoredMeta<TypeConfig>;
type ImageRaftSnapshot = RaftSnapshot<CommittedLeaderId<u64>, u64, ControllerNode, ImageSnapshot>;

/// The image as the log makes it. Owned by openraft.
pub(crate) struct StateMachine {
    image: MetadataImage,
    last_applied: Option<StoredLogId>,
    membership: StoredMembership<TypeConfig>,
    published: Arc<Published>,
    snapshots: SnapshotStore<TypeConfig, StoredCodec>,
}

impl StateMachine {
    /// Nothing applied; openraft restores it from the current snapshot and the log.
    #[must_use]
    pub(crate) fn new(
        published: Arc<Published>,
        snapshots: SnapshotStore<TypeConfig, StoredCodec>,
    ) -> Self {
        Self {
            image: MetadataImage::default(),
            last_applied: None,
            membership: StoredMembership::<TypeConfig>::default(),
            published,
            snapshots,
        }
    }

    /// `is_own`: this node proposed it, so its own image is what it was decided on.
    fn apply_entry(
        &mut self,
        entry: &StoredEntry<TypeConfig>,
        is_own: bool,
    ) -> Result<EntryOutcome, io::Error> {
        let (index, term) = (entry.log_id.index, entry.log_id.leader_id.term);
        let outcome = match &entry.payload {
            EntryPayload::Blank => {
                self.image = self.image.advance(index, term);
                EntryOutcome::NoRecords
            }
            EntryPayload::Membership(membership) => {
                self.membership =
                    StoredMembership::<TypeConfig>::new(Some(entry.log_id), membership.clone());
                self.image = self.image.advance(index, term);
                EntryOutcome::NoRecords
            }
            EntryPayload::Normal(data) => {
                let (image, outcome) = self.image.apply(index, term, data.entry());
                let outcome = match outcome {
                    ApplyOutcome::Applied { .. } => EntryOutcome::Applied,
                    ApplyOutcome::Refused(cause) if cause.is_of_another_history() && !is_own => {
                        let cause = format!(
                            "entry {index} of term {term} cannot be of this controller's history: {cause}"
                        );
                        return Err(io::Error::other(self.snapshots.diverged(cause)));
                    }
                    ApplyOutcome::Refused(cause) => {
                        tracing::warn!(index, term, %cause, "refused a metadata entry");
                        EntryOutcome::Refused {
                            cause: cause.to_string(),
                        }
                    }
                };
                self.image = image;
                outcome
            }
        };
        self.last_applied = Some(entry.log_id);
        Ok(outcome)
    }
}

fn applied_entry(entry: StoredEntry<TypeConfig>) -> AppliedEntry {
    AppliedEntry {
        index: entry.log_id.index,
        term: entry.log_id.leader_id.term,
        data: match entry.payload {
            EntryPayload::Normal(data) => Some(data),
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
        },
    }
}

/// First index after what `last` names.
fn end_after(last: Option<StoredLogId>) -> u64 {
    last.map_or(0, |log_id| log_id.index.saturating_add(1))
}

/// A gap or a repetition here would make an image that no other node has.
fn check_follows(last: Option<StoredLogId>, index: u64) -> Result<(), io::Error> {
    let expected = end_after(last);
    if index == expected {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidData,
        format!("entry {index} was to be applied where entry {expected} comes next"),
    ))
}

impl RaftStateMachine<TypeConfig> for StateMachine {
    type SnapshotData = ImageSnapshot;
    type SnapshotBuilder = FrozenImage;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<StoredLogId>, StoredMembership<TypeConfig>), io::Error> {
        Ok((self.last_applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<TypeConfig>, io::Error>> + Unpin + OptionalSend,
    {
        let mut groups = entries.ready_chunks(ENTRIES_AT_ONCE_MAX);
        while let Some(group) = groups.next().await {
            let mut applied = Vec::with_capacity(group.len());
            let mut answers = Vec::new();
            for item in group {
                let (entry, responder) = item?;
                check_follows(self.last_applied, entry.log_id.index)?;
                let outcome = self.apply_entry(&entry, responder.is_some())?;
                if let Some(responder) = responder {
                    answers.push((responder, outcome));
                }
                applied.push(applied_entry(entry));
            }
            self.published
                .advance(self.image.clone(), applied, end_after(self.last_applied));
            // After publishing, so that who is answered can read what was answered.
            for (responder, outcome) in answers {
                responder.send(outcome);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> FrozenImage {
        FrozenImage {
            image: self.image.clone(),
            meta: MetaOf {
                last_log_id: self.last_applied,
                last_membership: self.membership.clone(),
            },
            snapshots: self.snapshots.clone(),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &MetaOf,
        snapshot: ImageSnapshot,
    ) -> Result<(), io::Error> {
        // Only the route that takes a leader's snapshots in has decoded them already.
        let is_of_leader = snapshot.image.is_some();
        let image = match snapshot.image {
            Some(image) => image,
            None => read_image(&snapshot.body).await?,
        };
        if image.position.index != meta.last_log_id.map_or(0, |log_id| log_id.index) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the snapshot of {:?} holds {:?}",
                    meta.last_log_id, image.position
                ),
            ));
        }
        self.snapshots.switch_to(meta, &snapshot.body).await?;
        self.image = image;
        self.last_applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        self.published.restart(
            self.image.clone(),
            end_after(self.last_applied),
            is_of_leader,
        );
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<ImageRaftSnapshot>, io::Error> {
        Ok(current(&self.snapshots))
    }
}

fn current(snapshots: &SnapshotStore<TypeConfig, StoredCodec>) -> Option<ImageRaftSnapshot> {
    snapshots.current().map(|current| RaftSnapshot {
        meta: current.meta,
        snapshot: ImageSnapshot {
            body: current.body,
            image: None,
        },
    })
}

/// The image in a stored snapshot; read and decoded on a blocking thread.
///
/// # Errors
/// When the bytes are gone or damaged, or this build does not know a record in them.
pub(crate) async fn read_image(body: &SnapshotBody) -> Result<MetadataImage, io::Error> {
    let body = body.clone();
    tokio::task::spawn_blocking(move || {
        let bytes = body.read_all_blocking().map_err(io::Error::other)?;
        Snapshot::decode(&bytes)
            .and_then(|snapshot| snapshot.image())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    })
    .await
    .map_err(io::Error::other)?
}

/// The image of one moment, which becomes a snapshot while the log goes on.
pub(crate) struct FrozenImage {
    image: MetadataImage,
    meta: MetaOf,
    snapshots: SnapshotStore<TypeConfig, StoredCodec>,
}

impl RaftSnapshotBuilder<TypeConfig> for FrozenImage {
    type SnapshotData = ImageSnapshot;

    async fn build_snapshot(&mut self) -> Result<ImageRaftSnapshot, io::Error> {
        let image = self.image.clone();
        let bytes = tokio::task::spawn_blocking(move || Snapshot::of(&image).encode())
            .await
            .map_err(io::Error::other)?
            .map_err(io::Error::other)?;
        match self.snapshots.save(&self.meta, &bytes).await {
            Ok(body) => Ok(RaftSnapshot {
                meta: self.meta.clone(),
                snapshot: ImageSnapshot { body, image: None },
            }),
            // A snapshot of the leader came in meanwhile and covers more: it is as good.
            Err(error) if is_superseded(&error) => current(&self.snapshots).ok_or(error),
            Err(error) => Err(error),
        }
    }
}

fn is_superseded(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|error| error.downcast_ref::<WriteError>())
        .is_some_and(|error| matches!(error, WriteError::Superseded))
}
