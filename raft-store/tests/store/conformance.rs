//! openraft's own storage suite, with a state machine that keeps its snapshots in our store.

use std::io;

use futures_util::{Stream, TryStreamExt};
use openraft::entry::RaftEntry;
use openraft::storage::{EntryResponder, RaftSnapshotBuilder, RaftStateMachine, Snapshot};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt;
use openraft::{OptionalSend, StorageError};
use trimaran_raft_store::{SnapshotBody, SnapshotStore, StoredLogId, StoredMembership, StoredMeta};

use crate::support::{C, Directory, Log, Text, directory, open};

#[derive(Clone)]
struct StateMachine {
    applied: Option<StoredLogId>,
    membership: StoredMembership<C>,
    snapshots: SnapshotStore<C, Text>,
}

type BodySnapshot = Snapshot<
    openraft::vote::leader_id_std::CommittedLeaderId<u64>,
    u64,
    openraft::impls::BasicNode,
    SnapshotBody,
>;

impl RaftSnapshotBuilder<C> for StateMachine {
    type SnapshotData = SnapshotBody;

    async fn build_snapshot(&mut self) -> Result<BodySnapshot, io::Error> {
        let meta = StoredMeta::<C> {
            last_log_id: self.applied,
            last_membership: self.membership.clone(),
        };
        let bytes = format!("state at {:?}", self.applied);
        let snapshot = self.snapshots.save(&meta, bytes.as_bytes()).await?;
        Ok(Snapshot { meta, snapshot })
    }
}

impl RaftStateMachine<C> for StateMachine {
    type SnapshotData = SnapshotBody;
    type SnapshotBuilder = Self;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<StoredLogId>, StoredMembership<C>), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        while let Some((entry, responder)) = entries.try_next().await? {
            self.applied = Some(entry.log_id);
            if let Some(membership) = entry.get_membership() {
                self.membership = StoredMembership::<C>::new(Some(entry.log_id), membership);
            }
            if let Some(responder) = responder {
                responder.send(String::new());
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self {
        self.clone()
    }

    async fn install_snapshot(
        &mut self,
        meta: &StoredMeta<C>,
        snapshot: SnapshotBody,
    ) -> Result<(), io::Error> {
        let bytes = snapshot.read_all().await.map_err(io::Error::other)?;
        assert!(bytes.starts_with(b"state at "));
        // The suite installs into another store what the first one built.
        self.snapshots.save(meta, &bytes).await?;
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<BodySnapshot>, io::Error> {
        Ok(self.snapshots.current().map(|current| Snapshot {
            meta: current.meta,
            snapshot: current.body,
        }))
    }
}

struct Builder;

impl StoreBuilder<C, Log, StateMachine, Directory> for Builder {
    async fn build(&self) -> Result<(Directory, Log, StateMachine), StorageError<C>> {
        let directory = directory();
        let store = open(directory.path());
        let machine = StateMachine {
            applied: None,
            membership: StoredMembership::<C>::default(),
            snapshots: store.snapshots(),
        };
        Ok((directory, store.log(), machine))
    }
}

#[test]
fn openrafts_suite_passes() {
    C::run(async {
        Suite::test_all(Builder).await.unwrap();
    });
}
