//! [`NodeName`]: `broker-2`, `controller-1`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What a node does. Controllers come first: brokers need them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeRole {
    Controller,
    Broker,
}

/// One node of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct NodeName {
    pub(crate) role: NodeRole,
    /// Its `node.id`, from 1.
    pub(crate) id: u32,
}

/// A text that names no node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' names no node: expected broker-1, controller-2 and so on")]
pub(crate) struct InvalidNodeName(String);

impl NodeName {
    pub(crate) const fn controller(id: u32) -> Self {
        Self {
            role: NodeRole::Controller,
            id,
        }
    }

    pub(crate) const fn broker(id: u32) -> Self {
        Self {
            role: NodeRole::Broker,
            id,
        }
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let role = match self.role {
            NodeRole::Controller => "controller",
            NodeRole::Broker => "broker",
        };
        write!(f, "{role}-{}", self.id)
    }
}

impl FromStr for NodeName {
    type Err = InvalidNodeName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidNodeName(text.chars().take(64).collect());
        let (role, id) = text.split_once('-').ok_or_else(invalid)?;
        let id = id.parse().map_err(|_| invalid())?;
        match role {
            _ if id == 0 => Err(invalid()),
            "controller" => Ok(Self::controller(id)),
            "broker" => Ok(Self::broker(id)),
            _ => Err(invalid()),
        }
    }
}

impl TryFrom<String> for NodeName {
    type Error = InvalidNodeName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_order_controllers_first() {
        for text in ["controller-1", "broker-12"] {
            assert_eq!(text.parse::<NodeName>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "broker",
            "broker-",
            "broker-0",
            "broker--1",
            "Broker-1",
            "x-1",
        ] {
            assert!(text.parse::<NodeName>().is_err(), "{text}");
        }
        assert!(NodeName::controller(9) < NodeName::broker(1));
    }
}
