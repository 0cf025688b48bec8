//! [`Event`]: what the supervisor hears.

use tokio::sync::oneshot;

use super::node_name::NodeName;
use super::node_view::NodeView;
use super::readiness::Readiness;

/// One life of a node's process; what belongs to an earlier life is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) node: NodeName,
    pub(super) number: u64,
}

/// What to do to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Start,
    /// SIGTERM; answered when it has ended.
    Stop,
    /// SIGKILL; answered when it has ended.
    Kill,
}

/// The node as it is after an action, or why the action makes no sense.
pub(super) type ActionResult = Result<NodeView, String>;

/// What the supervisor hears.
#[derive(Debug)]
pub(super) enum Event {
    /// Someone wants something done.
    Wanted(NodeName, Action, oneshot::Sender<ActionResult>),
    /// A process ended, with this status.
    Exited(Run, String),
    /// A node's own word on itself changed.
    Readiness(Run, Readiness),
}
