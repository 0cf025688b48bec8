//! [`NodeName`]: which process is meant.

/// A node of the cluster, by its role and `node.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NodeName {
    /// A voter of the metadata quorum.
    Controller(u32),
    /// A broker.
    Broker(u32),
}

impl NodeName {
    /// The node's `node.id`.
    #[must_use]
    pub const fn id(self) -> u32 {
        match self {
            Self::Controller(id) | Self::Broker(id) => id,
        }
    }

    /// The program that it runs.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Controller(_) => "trimaran-controller",
            Self::Broker(_) => "trimaran-broker",
        }
    }
}

impl std::fmt::Display for NodeName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Controller(id) => write!(f, "controller-{id}"),
            Self::Broker(id) => write!(f, "broker-{id}"),
        }
    }
}
