//! The bytes of every stored format, frozen. A failure here means that an upgrade would not read
//! the data of the version before it: add a version, do not change these.

use std::collections::{BTreeMap, BTreeSet};

use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{Entry, EntryPayload, LogId, Membership, Vote};

use super::{
    META_COMMITTED, META_FORMAT, META_LAST_PURGED, META_VOTE, SnapshotPointer, SyncedEnd,
    decode_entry, decode_log_id, decode_vote, encode_entry, encode_log_id, encode_vote, log_key,
    open, seal, snapshot_chunk_key,
};
use crate::app_codec::{AppCodec, CodecError};
use crate::stored_types::{StoredEntry, StoredLogId, StoredMembership, StoredMeta};

openraft::declare_raft_types!(TypeConfig: LeaderId = openraft::vote::leader_id_std::LeaderId<u64, u64>, Node = String);

struct Text;

impl AppCodec<TypeConfig> for Text {
    fn encode_data(data: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(data.as_bytes());
        Ok(())
    }

    fn decode_data(bytes: &[u8]) -> Result<String, CodecError> {
        String::from_utf8(bytes.to_vec()).map_err(|error| CodecError::new("data", error))
    }

    fn encode_node(node: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Self::encode_data(node, out)
    }

    fn decode_node(bytes: &[u8]) -> Result<String, CodecError> {
        Self::decode_data(bytes)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn log_id(term: u64, index: u64) -> StoredLogId {
    LogId {
        leader_id: CommittedLeaderId::new(term),
        index,
    }
}

fn membership() -> Membership<u64, String> {
    let nodes = BTreeMap::from([(1, "a:1".to_owned()), (2, "b:2".to_owned())]);
    Membership::new(vec![BTreeSet::from([1, 2]), BTreeSet::from([2])], nodes).unwrap()
}

fn entry(
    term: u64,
    index: u64,
    payload: EntryPayload<String, u64, String>,
) -> StoredEntry<TypeConfig> {
    Entry {
        log_id: log_id(term, index),
        payload,
    }
}

#[test]
fn keys() {
    assert_eq!(hex(&log_key(0x0102)), "0000000000000102");
    assert_eq!(hex(&snapshot_chunk_key(3, 4)), "000000000000000300000004");
}

#[test]
fn vote() {
    let vote = Vote::new_committed(7, 2);
    let value = seal(META_VOTE, &encode_vote(&vote));
    assert_eq!(hex(&value), "01000000000000000700000000000000020187c29fcf");
    assert_eq!(decode_vote(open(META_VOTE, &value).unwrap()).unwrap(), vote);
}

#[test]
fn markers() {
    assert_eq!(hex(&seal(META_FORMAT, &[])), "019b0ad667");
    let mut body = Vec::new();
    encode_log_id(&log_id(5, 9), &mut body);
    for (key, golden) in [
        (META_COMMITTED, "010000000000000005000000000000000981badc9a"),
        (
            META_LAST_PURGED,
            "01000000000000000500000000000000096a146683",
        ),
    ] {
        let value = seal(key, &body);
        assert_eq!(hex(&value), golden);
        assert_eq!(
            decode_log_id(open(key, &value).unwrap()).unwrap(),
            log_id(5, 9)
        );
    }
}

#[test]
fn synced_end() {
    let key = b"synced-end";
    let whole = SyncedEnd {
        last: Some(log_id(5, 9)),
        vote: Some(Vote::new_committed(7, 2)),
    };
    let cases = [
        (
            whole,
            "010100000000000000050000000000000009010000000000000007000000000000000201252c\
             1a8c",
        ),
        (
            SyncedEnd::default(),
            "010000000000000000000000000000000000000000000000000000000000000000000000e442\
             9acb",
        ),
    ];
    for (end, golden) in cases {
        let value = seal(key, &end.encode());
        assert_eq!(hex(&value), golden);
        assert_eq!(SyncedEnd::decode(open(key, &value).unwrap()).unwrap(), end);
    }
}

#[test]
fn entries() {
    let cases = [
        (EntryPayload::Blank, "010000000000000003009aaa7bd4"),
        (
            EntryPayload::Normal("hello".to_owned()),
            "0100000000000000030168656c6c6f215eb8fb",
        ),
        (
            EntryPayload::Membership(membership()),
            "01000000000000000302000000020000000200000000000000010000000000000002000000010000\
             00000000000200000002000000000000000100000003613a31000000000000000200000003623a32\
             038ce093",
        ),
    ];
    for (payload, golden) in cases {
        let entry = entry(3, 8, payload);
        let value = encode_entry::<TypeConfig, Text>(&entry).unwrap();
        assert_eq!(hex(&value), golden);
        assert_eq!(decode_entry::<TypeConfig, Text>(8, &value).unwrap(), entry);
        assert!(
            decode_entry::<TypeConfig, Text>(9, &value).is_err(),
            "under another index"
        );
    }
}

#[test]
fn snapshot_pointer() {
    let pointer = SnapshotPointer {
        sequence: 6,
        length: 1_048_577,
        chunks: 2,
        checksum: 0xdead_beef,
    };
    let meta = StoredMeta::<TypeConfig> {
        last_log_id: Some(log_id(3, 8)),
        last_membership: StoredMembership::<TypeConfig>::new(Some(log_id(1, 0)), membership()),
    };
    let value = pointer.encode::<TypeConfig, Text>(&meta).unwrap();
    assert_eq!(
        hex(&value),
        "010000000000000006000000000010000100000002deadbeef010000000000000003000000000000\
         00080100000000000000010000000000000000000000020000000200000000000000010000000000\
         00000200000001000000000000000200000002000000000000000100000003613a31000000000000\
         000200000003623a321347ec9d"
    );
    let (pointer_read, meta_read) = SnapshotPointer::decode::<TypeConfig, Text>(&value).unwrap();
    assert_eq!((pointer_read, meta_read), (pointer, meta));
}

#[test]
fn hostile_counts_are_refused_before_allocation() {
    let mut body = 3_u64.to_be_bytes().to_vec();
    body.push(2);
    body.extend_from_slice(&u32::MAX.to_be_bytes());
    let value = seal(&log_key(1), &body);
    assert!(decode_entry::<TypeConfig, Text>(1, &value).is_err());
}
