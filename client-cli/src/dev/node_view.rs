//! [`NodeView`]: a node as people see it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::node_name::NodeName;

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum NodeState {
    /// Its process runs and it is not in service.
    Starting,
    /// It is in service.
    Ready,
    /// It was asked to stop.
    Stopping,
    /// It stopped because it was asked to.
    Stopped,
    /// It was killed because someone asked for it.
    Killed,
    /// Its process ended by itself.
    Died,
}

impl NodeState {
    /// The word for people, as in the JSON.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Killed => "killed",
            Self::Died => "died",
        }
    }
}

/// A node as people see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeView {
    pub(crate) node: NodeName,
    pub(crate) state: NodeState,
    /// What it waits for, or how it ended.
    pub(crate) detail: Option<String>,
    /// Its process, while it runs.
    pub(crate) pid: Option<u32>,
    /// Where people and programs reach it.
    pub(crate) address: String,
    /// What it says.
    pub(crate) log: PathBuf,
}

/// The columns of [`row`].
pub(crate) const HEADER: [&str; 5] = ["NODE", "STATE", "ADDRESS", "PID", "DETAIL"];

/// A line of the table of nodes.
pub(crate) fn row(view: &NodeView) -> Vec<String> {
    vec![
        view.node.to_string(),
        view.state.text().to_owned(),
        format!("http://{}", view.address),
        view.pid
            .map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
        view.detail.clone().unwrap_or_default(),
    ]
}
