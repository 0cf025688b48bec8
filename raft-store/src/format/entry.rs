//! A log entry, stored under its index.
//!
//! ```text
//! term u64 | kind u8 (0 blank, 1 normal, 2 membership) | payload
//! ```
//! The payload of a normal entry is the application's bytes. The kinds are frozen.

use openraft::vote::leader_id_std::CommittedLeaderId;
use openraft::{Entry, EntryPayload, LogId};

use super::membership::{encode_membership, scan_membership};
use super::scanner::Scanner;
use super::{FormatError, log_key, open, seal};
use crate::app_codec::AppCodec;
use crate::stored_types::{StoredEntry, StoredTypes};

const KIND_BLANK: u8 = 0;
const KIND_NORMAL: u8 = 1;
const KIND_MEMBERSHIP: u8 = 2;

/// The whole stored value of `entry`, envelope included.
pub(crate) fn encode_entry<C: StoredTypes, K: AppCodec<C>>(
    entry: &StoredEntry<C>,
) -> Result<Vec<u8>, FormatError> {
    let mut body = Vec::with_capacity(64);
    body.extend_from_slice(&entry.log_id.leader_id.term.to_be_bytes());
    match &entry.payload {
        EntryPayload::Blank => body.push(KIND_BLANK),
        EntryPayload::Normal(data) => {
            body.push(KIND_NORMAL);
            K::encode_data(data, &mut body)?;
        }
        EntryPayload::Membership(membership) => {
            body.push(KIND_MEMBERSHIP);
            encode_membership::<C, K>(membership, &mut body)?;
        }
    }
    Ok(seal(&log_key(entry.log_id.index), &body))
}

/// The entry stored as `value` under `index`.
pub(crate) fn decode_entry<C: StoredTypes, K: AppCodec<C>>(
    index: u64,
    value: &[u8],
) -> Result<StoredEntry<C>, FormatError> {
    let mut scanner = Scanner::new(open(&log_key(index), value)?);
    let term = scanner.number64()?;
    let payload = match scanner.byte()? {
        KIND_BLANK => {
            scanner.end()?;
            EntryPayload::Blank
        }
        KIND_NORMAL => EntryPayload::Normal(K::decode_data(scanner.rest())?),
        KIND_MEMBERSHIP => {
            let membership = scan_membership::<C, K>(&mut scanner)?;
            scanner.end()?;
            EntryPayload::Membership(membership)
        }
        other => {
            return Err(FormatError::Field {
                field: "entry kind",
                value: other.into(),
            });
        }
    };
    Ok(Entry {
        log_id: LogId {
            leader_id: CommittedLeaderId::new(term),
            index,
        },
        payload,
    })
}

/// Checks the sum of the value under `index` and reads its term, without touching the payload.
pub(crate) fn decode_entry_term(index: u64, value: &[u8]) -> Result<u64, FormatError> {
    Scanner::new(open(&log_key(index), value)?).number64()
}
