//! A type config, a codec, and short words for what every test here does.

use std::path::{Path, PathBuf};

use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::type_config::TypeConfigExt;
use openraft::vote::leader_id_std::{CommittedLeaderId, LeaderId};
use openraft::{Entry, EntryPayload, LogId};
use trimaran_raft_store::{
    AppCodec, CodecError, LogStore, RaftStore, StoreOptions, StoredEntry, StoredLogId,
};

openraft::declare_raft_types!(pub(crate) TypeConfig: LeaderId = LeaderId<u64, u64>);

pub(crate) type C = TypeConfig;
pub(crate) type Store = RaftStore<C, Text>;
pub(crate) type Log = LogStore<C, Text>;

/// Strings as their own bytes.
pub(crate) struct Text;

impl AppCodec<TypeConfig> for Text {
    fn encode_data(data: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(data.as_bytes());
        Ok(())
    }

    fn decode_data(bytes: &[u8]) -> Result<String, CodecError> {
        String::from_utf8(bytes.to_vec()).map_err(|error| CodecError::new("data", error))
    }

    fn encode_node(node: &openraft::impls::BasicNode, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(node.addr.as_bytes());
        Ok(())
    }

    fn decode_node(bytes: &[u8]) -> Result<openraft::impls::BasicNode, CodecError> {
        Self::decode_data(bytes).map(openraft::impls::BasicNode::new)
    }
}

/// Where a store lives, with room for the note beside it.
pub(crate) struct Directory {
    folder: tempfile::TempDir,
    path: PathBuf,
}

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn note(&self) -> PathBuf {
        self.folder.path().join("raft.synced-end")
    }
}

/// On the disk of the build, not on a memory file system.
pub(crate) fn directory() -> Directory {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = folder.path().join("raft");
    Directory { folder, path }
}

pub(crate) fn open(path: &Path) -> Store {
    Store::open(path, StoreOptions::default()).unwrap()
}

pub(crate) fn log_id(term: u64, index: u64) -> StoredLogId {
    LogId {
        leader_id: CommittedLeaderId::new(term),
        index,
    }
}

pub(crate) fn entry(term: u64, index: u64) -> StoredEntry<C> {
    let payload = EntryPayload::Normal(format!("{term}/{index}"));
    Entry {
        log_id: log_id(term, index),
        payload,
    }
}

/// Appends without waiting for the disk.
pub(crate) async fn submit(
    log: &mut Log,
    entries: Vec<StoredEntry<C>>,
) -> impl Future<Output = Result<(), std::io::Error>> + use<> {
    let (sender, receiver) = C::oneshot();
    log.append(entries, IOFlushed::signal(sender))
        .await
        .unwrap();
    async move { receiver.await.expect("every append is answered") }
}

pub(crate) async fn append(log: &mut Log, entries: Vec<StoredEntry<C>>) {
    submit(log, entries).await.await.unwrap();
}
