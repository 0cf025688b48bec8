//! [`StoredCodec`]: how entries and nodes lie in the raft store.
//!
//! An entry is the metadata entry's own bytes. A node is a version byte and two texts:
//!
//! ```text
//! version u8 (1, frozen) | address length u16, big-endian | address | directory id, 22 characters
//! ```

use bytes::Bytes;
use trimaran_raft_store::{AppCodec, CodecError};
use trimaran_types::DirectoryId;

use crate::type_config::{ControllerNode, LogData, TypeConfig};

const NODE_VERSION: u8 = 1;

/// The controller's half of the raft store's formats.
pub(crate) struct StoredCodec;

impl AppCodec<TypeConfig> for StoredCodec {
    fn encode_data(data: &LogData, out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend_from_slice(data.bytes());
        Ok(())
    }

    fn decode_data(bytes: &[u8]) -> Result<LogData, CodecError> {
        LogData::from_bytes(Bytes::copy_from_slice(bytes))
            .map_err(|error| CodecError::new("metadata entry", error))
    }

    fn encode_node(node: &ControllerNode, out: &mut Vec<u8>) -> Result<(), CodecError> {
        let length = u16::try_from(node.address.len())
            .map_err(|error| CodecError::new("controller address", error))?;
        out.push(NODE_VERSION);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(node.address.as_bytes());
        out.extend_from_slice(node.directory_id.to_string().as_bytes());
        Ok(())
    }

    fn decode_node(bytes: &[u8]) -> Result<ControllerNode, CodecError> {
        let malformed = || CodecError::new("controller node", "malformed");
        let (version, rest) = bytes.split_first().ok_or_else(malformed)?;
        if *version != NODE_VERSION {
            return Err(CodecError::new(
                "controller node",
                format!("unknown version {version}"),
            ));
        }
        let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(malformed)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (address, directory) = rest.split_at_checked(length).ok_or_else(malformed)?;
        let text = |bytes: &[u8]| {
            String::from_utf8(bytes.to_vec())
                .map_err(|error| CodecError::new("controller node", error))
        };
        let directory_id: DirectoryId = text(directory)?
            .parse()
            .map_err(|error| CodecError::new("controller directory", error))?;
        Ok(ControllerNode {
            address: text(address)?,
            directory_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_have_frozen_bytes() {
        let directory_id = DirectoryId::from_uuid(uuid::Uuid::from_u128(1));
        let node = ControllerNode {
            address: "h:1".to_owned(),
            directory_id,
        };
        let mut bytes = Vec::new();
        StoredCodec::encode_node(&node, &mut bytes).unwrap();
        assert_eq!(bytes, b"\x01\x00\x03h:1AAAAAAAAAAAAAAAAAAAAAQ");
        assert_eq!(StoredCodec::decode_node(&bytes).unwrap(), node);
        for length in 0..bytes.len() {
            assert!(
                StoredCodec::decode_node(&bytes[..length]).is_err(),
                "cut to {length}"
            );
        }
        bytes[0] = 2;
        assert!(
            StoredCodec::decode_node(&bytes)
                .unwrap_err()
                .to_string()
                .contains("version 2")
        );
    }
}
