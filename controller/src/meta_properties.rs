//! [`MetaProperties`]: the text of `meta.properties`, in Kafka's form (KIP-853's directory ids).

use std::fmt;

use trimaran_api::controller::BootstrapVoter;
use trimaran_types::{ClusterId, ControllerId, DirectoryId};
use uuid::Uuid;

/// The only version so far. Frozen.
const VERSION: &str = "1";

/// Whose directory it is, and which cluster it founded or joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MetaProperties {
    /// The controller.
    pub node_id: ControllerId,
    /// The directory, drawn at its first use.
    pub directory_id: DirectoryId,
    /// The cluster; absent until its first start is complete.
    pub cluster_id: Option<ClusterId>,
    /// The founding voters; empty until the cluster is known.
    pub voters: Vec<BootstrapVoter>,
    /// Whether the raft log was begun here. From then on it must be there.
    pub is_raft_initialized: bool,
}

/// Why the text is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMetaProperties {
    /// A key that must be there is not.
    #[error("'{0}' is missing")]
    Missing(&'static str),
    /// A value that cannot be.
    #[error("'{key}' cannot be '{value}'")]
    Value {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
    },
}

impl MetaProperties {
    /// The identity of an empty directory.
    #[must_use]
    pub(crate) fn drawn(node_id: ControllerId) -> Self {
        Self {
            node_id,
            directory_id: DirectoryId::from_uuid(Uuid::new_v4()),
            cluster_id: None,
            voters: Vec::new(),
            is_raft_initialized: false,
        }
    }

    /// Reads the text; keys that are not known are left alone, as Kafka does.
    ///
    /// # Errors
    /// When a key is missing, a value cannot be, or a newer version wrote it.
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidMetaProperties> {
        let value_of = |key: &'static str| {
            text.lines()
                .filter(|line| !line.starts_with('#'))
                .filter_map(|line| line.split_once('='))
                .find(|(name, _)| name.trim() == key)
                .map(|(_, value)| value.trim())
        };
        let required = |key: &'static str| value_of(key).ok_or(InvalidMetaProperties::Missing(key));
        let version = required("version")?;
        if version != VERSION {
            return Err(invalid("version", version));
        }
        let node = required("node.id")?;
        let directory = required("directory.id")?;
        let cluster = value_of("cluster.id");
        let voters = value_of("controller.voters").unwrap_or("");
        Ok(Self {
            node_id: ControllerId(node.parse().map_err(|_| invalid("node.id", node))?),
            directory_id: directory
                .parse()
                .map_err(|_| invalid("directory.id", directory))?,
            cluster_id: cluster
                .map(|text| text.parse().map_err(|_| invalid("cluster.id", text)))
                .transpose()?,
            voters: voters
                .split(',')
                .filter(|voter| !voter.is_empty())
                .map(|voter| parse_voter(voter).ok_or_else(|| invalid("controller.voters", voter)))
                .collect::<Result<_, _>>()?,
            is_raft_initialized: value_of("raft.initialized") == Some("true"),
        })
    }
}

fn invalid(key: &'static str, value: &str) -> InvalidMetaProperties {
    InvalidMetaProperties::Value {
        key,
        value: value.chars().take(100).collect(),
    }
}

/// `id@host:port@directory`.
fn parse_voter(text: &str) -> Option<BootstrapVoter> {
    let (id, rest) = text.split_once('@')?;
    let (address, directory) = rest.rsplit_once('@')?;
    Some(BootstrapVoter {
        controller_id: ControllerId(id.parse().ok()?),
        address: address.to_owned(),
        directory_id: directory.parse().ok()?,
    })
}

impl fmt::Display for MetaProperties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "version={VERSION}")?;
        writeln!(f, "node.id={}", self.node_id)?;
        writeln!(f, "directory.id={}", self.directory_id)?;
        if let Some(cluster_id) = self.cluster_id {
            writeln!(f, "cluster.id={cluster_id}")?;
        }
        if !self.voters.is_empty() {
            let voters = self.voters.iter().map(|voter| {
                format!(
                    "{}@{}@{}",
                    voter.controller_id, voter.address, voter.directory_id
                )
            });
            writeln!(
                f,
                "controller.voters={}",
                voters.collect::<Vec<_>>().join(",")
            )?;
        }
        writeln!(f, "raft.initialized={}", self.is_raft_initialized)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_frozen_and_reads_back() {
        let directory_id = DirectoryId::from_uuid(Uuid::from_u128(1));
        let properties = MetaProperties {
            node_id: ControllerId(3),
            directory_id,
            cluster_id: Some(ClusterId::from_uuid(Uuid::from_u128(2))),
            voters: vec![BootstrapVoter {
                controller_id: ControllerId(3),
                address: "[::1]:9093".to_owned(),
                directory_id,
            }],
            is_raft_initialized: true,
        };
        let text = properties.to_string();
        assert_eq!(
            text,
            "version=1\nnode.id=3\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\n\
             cluster.id=AAAAAAAAAAAAAAAAAAAAAg\n\
             controller.voters=3@[::1]:9093@AAAAAAAAAAAAAAAAAAAAAQ\nraft.initialized=true\n"
        );
        assert_eq!(MetaProperties::parse(&text), Ok(properties));
        let drawn = MetaProperties::drawn(ControllerId(1));
        assert_eq!(MetaProperties::parse(&drawn.to_string()), Ok(drawn));
    }

    #[test]
    fn damage_is_named() {
        assert_eq!(
            MetaProperties::parse(""),
            Err(InvalidMetaProperties::Missing("version"))
        );
        let newer = MetaProperties::parse("version=2\n").unwrap_err();
        assert_eq!(newer.to_string(), "'version' cannot be '2'");
    }
}
