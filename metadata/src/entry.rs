//! [`MetadataEntry`]: what one entry of the replicated log carries, and its bytes.
//!
//! Layout: one format byte (frozen: 1), then the MessagePack map of the fields, with their names.
//! Bytes after the map, a newer format, an unknown record or anything over the limits are refused.

use std::io::Cursor;

use serde::{Deserialize, Serialize};
use trimaran_types::limits::{METADATA_ENTRY_BYTES_MAX, METADATA_ENTRY_RECORDS_MAX};
use trimaran_types::{MetadataOffset, Timestamp};

use crate::record::{DecodedRecord, MetadataRecord};

/// The only format so far.
const ENTRY_FORMAT: u8 = 1;

/// The records of one atomic change, with the guard of what they were decided on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataEntry {
    /// The term of the controller that decided. Replay refuses the entry under any other.
    pub term: u64,
    /// The offset of the first record. Replay refuses the entry on any other position.
    pub base_offset: MetadataOffset,
    /// When it was decided, by the deciding controller's wall clock.
    pub timestamp: Timestamp,
    /// What changed, in order.
    pub records: Vec<MetadataRecord>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DecodedEntry {
    term: u64,
    base_offset: MetadataOffset,
    timestamp: Timestamp,
    records: Vec<DecodedRecord>,
}

/// Why bytes are no entry, or an entry cannot become bytes.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// No bytes at all.
    #[error("metadata entry is empty")]
    Empty,
    /// Written by a newer version of the software, or not an entry.
    #[error("metadata entry has format {format}, the only known one is {ENTRY_FORMAT}")]
    UnknownFormat {
        /// The leading byte.
        format: u8,
    },
    /// Over [`METADATA_ENTRY_BYTES_MAX`].
    #[error("metadata entry has {bytes} bytes, the limit is {METADATA_ENTRY_BYTES_MAX}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// Over [`METADATA_ENTRY_RECORDS_MAX`].
    #[error("metadata entry has {records} records, the limit is {METADATA_ENTRY_RECORDS_MAX}")]
    TooManyRecords {
        /// How many.
        records: usize,
    },
    /// A record that this software does not know.
    #[error("unknown record type '{type_name}' (version {version})")]
    UnknownType {
        /// The name in the envelope, cut to 64 characters.
        type_name: String,
        /// The version in the envelope.
        version: u16,
    },
    /// A record in a version that this software does not know.
    #[error(
        "version {version} of record type '{type_name}' is unknown, the newest known is {version_max}"
    )]
    UnknownVersion {
        /// The record type.
        type_name: &'static str,
        /// The version in the envelope.
        version: u16,
        /// The newest version that this software reads.
        version_max: u16,
    },
    /// Not the MessagePack of an entry.
    #[error("metadata entry is malformed")]
    Malformed(#[source] rmp_serde::decode::Error),
    /// Bytes after the end of the entry.
    #[error("metadata entry is followed by {bytes} stray bytes")]
    TrailingBytes {
        /// How many.
        bytes: u64,
    },
    /// The entry has no MessagePack form.
    #[error("metadata entry cannot be encoded")]
    Unencodable(#[source] rmp_serde::encode::Error),
}

impl MetadataEntry {
    /// The bytes of this entry.
    ///
    /// # Errors
    /// When it is over the limits, so that what was written can always be read.
    pub fn encode(&self) -> Result<Vec<u8>, EntryError> {
        if self.records.len() > METADATA_ENTRY_RECORDS_MAX {
            return Err(EntryError::TooManyRecords {
                records: self.records.len(),
            });
        }
        let mut bytes = vec![ENTRY_FORMAT];
        rmp_serde::encode::write_named(&mut bytes, self).map_err(EntryError::Unencodable)?;
        if bytes.len() > METADATA_ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge { bytes: bytes.len() });
        }
        Ok(bytes)
    }

    /// The entry in these bytes.
    ///
    /// # Errors
    /// When they are not exactly one entry that this software knows in full.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > METADATA_ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge { bytes: bytes.len() });
        }
        let entry: DecodedEntry = decode_formatted(bytes)?;
        if entry.records.len() > METADATA_ENTRY_RECORDS_MAX {
            return Err(EntryError::TooManyRecords {
                records: entry.records.len(),
            });
        }
        Ok(Self {
            term: entry.term,
            base_offset: entry.base_offset,
            timestamp: entry.timestamp,
            records: known_records(entry.records)?,
        })
    }
}

/// Reads the format byte and the one MessagePack value after it.
pub(crate) fn decode_formatted<T: for<'de> Deserialize<'de>>(
    bytes: &[u8],
) -> Result<T, EntryError> {
    let (format, body) = bytes.split_first().ok_or(EntryError::Empty)?;
    if *format != ENTRY_FORMAT {
        return Err(EntryError::UnknownFormat { format: *format });
    }
    let mut deserializer = rmp_serde::Deserializer::new(Cursor::new(body));
    let value = T::deserialize(&mut deserializer).map_err(EntryError::Malformed)?;
    let rest = (body.len() as u64).saturating_sub(deserializer.position());
    if rest > 0 {
        return Err(EntryError::TrailingBytes { bytes: rest });
    }
    Ok(value)
}

/// Turns the first record that is too new into an error that names it.
pub(crate) fn known_records(
    decoded: Vec<DecodedRecord>,
) -> Result<Vec<MetadataRecord>, EntryError> {
    decoded
        .into_iter()
        .map(|record| match record {
            DecodedRecord::Known(record) => Ok(record),
            DecodedRecord::UnknownType { type_name, version } => {
                Err(EntryError::UnknownType { type_name, version })
            }
            DecodedRecord::UnknownVersion {
                record_type,
                version,
            } => Err(EntryError::UnknownVersion {
                type_name: record_type.name(),
                version,
                version_max: record_type.version_max(),
            }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::NoOp;

    fn entry() -> MetadataEntry {
        MetadataEntry {
            term: 3,
            base_offset: MetadataOffset(7),
            timestamp: Timestamp(1_700_000_000_000),
            records: vec![NoOp {}.into()],
        }
    }

    #[test]
    fn an_entry_reads_back_from_its_bytes_and_from_json() {
        let bytes = entry().encode().unwrap();
        assert_eq!(MetadataEntry::decode(&bytes).unwrap(), entry());
        let json = serde_json::to_string(&entry()).unwrap();
        assert_eq!(
            json,
            r#"{"term":3,"base_offset":7,"timestamp":1700000000000,"records":[{"type":"NoOp","version":0,"data":{}}]}"#
        );
        assert_eq!(
            serde_json::from_str::<MetadataEntry>(&json).unwrap(),
            entry()
        );
    }

    #[test]
    fn the_bytes_of_an_entry_are_frozen() {
        let golden =
            b"\x01\x84\xa4term\x03\xabbase_offset\x07\xa9timestamp\xcf\0\0\x01\x8b\xcf\xe5\x68\0\
            \xa7records\x91\x83\xa4type\xa4NoOp\xa7version\0\xa4data\x80";
        assert_eq!(entry().encode().unwrap(), golden);
    }

    #[test]
    fn every_cut_and_every_stray_byte_is_refused() {
        let bytes = entry().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(
                MetadataEntry::decode(&bytes[..length]).is_err(),
                "cut to {length}"
            );
        }
        let mut longer = bytes.clone();
        longer.push(0);
        assert!(matches!(
            MetadataEntry::decode(&longer),
            Err(EntryError::TrailingBytes { bytes: 1 })
        ));
        let mut newer = bytes;
        newer[0] = 2;
        assert!(matches!(
            MetadataEntry::decode(&newer),
            Err(EntryError::UnknownFormat { format: 2 })
        ));
    }

    #[test]
    fn limits_hold_both_ways() {
        let mut large = entry();
        large.records = vec![NoOp {}.into(); METADATA_ENTRY_RECORDS_MAX + 1];
        assert!(matches!(
            large.encode(),
            Err(EntryError::TooManyRecords { records: 20_001 })
        ));
        let bytes = vec![ENTRY_FORMAT; METADATA_ENTRY_BYTES_MAX + 1];
        assert!(matches!(
            MetadataEntry::decode(&bytes),
            Err(EntryError::TooLarge { .. })
        ));
    }

    #[test]
    fn a_record_from_the_future_is_named() {
        let replaced = |from: &[u8], to: &[u8]| {
            let bytes = entry().encode().unwrap();
            let place = bytes
                .windows(from.len())
                .position(|window| window == from)
                .unwrap();
            let mut changed = bytes[..place].to_vec();
            changed.extend_from_slice(to);
            changed.extend_from_slice(&bytes[place + from.len()..]);
            MetadataEntry::decode(&changed).unwrap_err().to_string()
        };
        assert_eq!(
            replaced(b"NoOp", b"NoXp"),
            "unknown record type 'NoXp' (version 0)"
        );
        assert_eq!(
            replaced(b"\xa7version\x00", b"\xa7version\x05"),
            "version 5 of record type 'NoOp' is unknown, the newest known is 0"
        );
    }
}
