//! The pointer to the current snapshot: which chunks it has, what they sum to, what they cover.
//!
//! ```text
//! sequence u64 | length u64 | chunks u32 | crc32c u32 of all bytes
//! last log id, optional | membership log id, optional | membership
//! ```

use super::log_id::{encode_optional_log_id, scan_optional_log_id};
use super::membership::{encode_membership, scan_membership};
use super::scanner::Scanner;
use super::{FormatError, META_SNAPSHOT, open, seal};
use crate::app_codec::AppCodec;
use crate::stored_types::{StoredMembership, StoredMeta, StoredTypes};

/// Where the bytes of a finished snapshot are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SnapshotPointer {
    /// Names its chunks; never used twice in the life of a store.
    pub(crate) sequence: u64,
    pub(crate) length: u64,
    pub(crate) chunks: u32,
    pub(crate) checksum: u32,
}

impl SnapshotPointer {
    /// The whole stored value, envelope included.
    pub(crate) fn encode<C: StoredTypes, K: AppCodec<C>>(
        &self,
        meta: &StoredMeta<C>,
    ) -> Result<Vec<u8>, FormatError> {
        let mut body = Vec::with_capacity(128);
        body.extend_from_slice(&self.sequence.to_be_bytes());
        body.extend_from_slice(&self.length.to_be_bytes());
        body.extend_from_slice(&self.chunks.to_be_bytes());
        body.extend_from_slice(&self.checksum.to_be_bytes());
        encode_optional_log_id(meta.last_log_id.as_ref(), &mut body);
        encode_optional_log_id(meta.last_membership.log_id().as_ref(), &mut body);
        encode_membership::<C, K>(meta.last_membership.membership(), &mut body)?;
        Ok(seal(META_SNAPSHOT, &body))
    }

    pub(crate) fn decode<C: StoredTypes, K: AppCodec<C>>(
        value: &[u8],
    ) -> Result<(Self, StoredMeta<C>), FormatError> {
        let mut scanner = Scanner::new(open(META_SNAPSHOT, value)?);
        let pointer = Self {
            sequence: scanner.number64()?,
            length: scanner.number64()?,
            chunks: scanner.number32()?,
            checksum: scanner.number32()?,
        };
        let last_log_id = scan_optional_log_id(&mut scanner)?;
        let membership_log_id = scan_optional_log_id(&mut scanner)?;
        let membership = scan_membership::<C, K>(&mut scanner)?;
        scanner.end()?;
        let last_membership = StoredMembership::<C>::new(membership_log_id, membership);
        Ok((
            pointer,
            StoredMeta::<C> {
                last_log_id,
                last_membership,
            },
        ))
    }
}
