//! A log id, alone or optional.
//!
//! ```text
//! log id:   term u64 | index u64
//! optional: present u8 (0, 1) | log id when present
//! ```

use openraft::LogId;
use openraft::vote::leader_id_std::CommittedLeaderId;

use super::FormatError;
use super::scanner::Scanner;
use crate::stored_types::StoredLogId;

pub(crate) fn encode_log_id(log_id: &StoredLogId, out: &mut Vec<u8>) {
    out.extend_from_slice(&log_id.leader_id.term.to_be_bytes());
    out.extend_from_slice(&log_id.index.to_be_bytes());
}

/// A log id that is the whole of `body`.
pub(crate) fn decode_log_id(body: &[u8]) -> Result<StoredLogId, FormatError> {
    let mut scanner = Scanner::new(body);
    let log_id = scan_log_id(&mut scanner)?;
    scanner.end()?;
    Ok(log_id)
}

pub(crate) fn scan_log_id(scanner: &mut Scanner<'_>) -> Result<StoredLogId, FormatError> {
    let term = scanner.number64()?;
    let index = scanner.number64()?;
    Ok(LogId {
        leader_id: CommittedLeaderId::new(term),
        index,
    })
}

pub(crate) fn encode_optional_log_id(log_id: Option<&StoredLogId>, out: &mut Vec<u8>) {
    out.push(u8::from(log_id.is_some()));
    if let Some(log_id) = log_id {
        encode_log_id(log_id, out);
    }
}

pub(crate) fn scan_optional_log_id(
    scanner: &mut Scanner<'_>,
) -> Result<Option<StoredLogId>, FormatError> {
    if scanner.flag("log id present")? {
        scan_log_id(scanner).map(Some)
    } else {
        Ok(None)
    }
}
