//! A membership: the voter sets (two while it changes) and every node that is known.
//!
//! ```text
//! configs u32 | per config: voters u32 | voter u64 ...
//! nodes u32   | per node: id u64 | length u32 | application bytes
//! ```

use std::collections::{BTreeMap, BTreeSet};

use openraft::Membership;

use super::FormatError;
use super::scanner::Scanner;
use crate::app_codec::AppCodec;
use crate::stored_types::StoredTypes;

pub(crate) fn encode_membership<C: StoredTypes, K: AppCodec<C>>(
    membership: &Membership<u64, C::Node>,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    let configs = membership.get_joint_config();
    out.extend_from_slice(&length(configs.len())?.to_be_bytes());
    for voters in configs {
        out.extend_from_slice(&length(voters.len())?.to_be_bytes());
        for voter in voters {
            out.extend_from_slice(&voter.to_be_bytes());
        }
    }
    let nodes: Vec<_> = membership.nodes().collect();
    out.extend_from_slice(&length(nodes.len())?.to_be_bytes());
    for (id, node) in nodes {
        let mut bytes = Vec::new();
        K::encode_node(node, &mut bytes)?;
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&length(bytes.len())?.to_be_bytes());
        out.extend_from_slice(&bytes);
    }
    Ok(())
}

pub(crate) fn scan_membership<C: StoredTypes, K: AppCodec<C>>(
    scanner: &mut Scanner<'_>,
) -> Result<Membership<u64, C::Node>, FormatError> {
    let config_count = scanner.count("voter sets", 4)?;
    let mut configs = Vec::with_capacity(config_count);
    for _ in 0..config_count {
        let voter_count = scanner.count("voters", 8)?;
        let mut voters = BTreeSet::new();
        for _ in 0..voter_count {
            voters.insert(scanner.number64()?);
        }
        configs.push(voters);
    }
    let node_count = scanner.count("nodes", 12)?;
    let mut nodes = BTreeMap::new();
    for _ in 0..node_count {
        let id = scanner.number64()?;
        nodes.insert(id, K::decode_node(scanner.sized()?)?);
    }
    if configs.is_empty() && nodes.is_empty() {
        return Ok(Membership::default());
    }
    let voters = configs.iter().map(BTreeSet::len).sum::<usize>();
    Membership::new(configs, nodes).map_err(|_| FormatError::Field {
        field: "voters",
        value: voters as u64,
    })
}

fn length(length: usize) -> Result<u32, FormatError> {
    u32::try_from(length).map_err(|_| FormatError::Field {
        field: "length",
        value: length as u64,
    })
}
