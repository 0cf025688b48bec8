//! The talk between `trimaran dev` and the other terminals: one JSON line each way, on a Unix socket
//! in the cluster's folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::node_name::NodeName;
use super::node_view::NodeView;

/// Bytes of one line, at most.
pub(super) const LINE_BYTES_MAX: u64 = 256 * 1024;

/// How long an answer may take: a stop may take its time.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// What another terminal wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub(super) enum Request {
    Kill { node: NodeName },
    Stop { node: NodeName },
    Start { node: NodeName },
    Status,
}

/// What it gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Response {
    /// The nodes concerned, as they are now.
    Nodes(Vec<NodeView>),
    /// Why nothing was done.
    Refused(String),
}

/// The socket of the cluster in `folder`.
pub(super) fn socket_path(folder: &Path) -> PathBuf {
    folder.join("dev.sock")
}

/// Every broker of the development cluster that runs in a usual place under `folder`, if one does.
///
/// A folder whose cluster does not run names nobody: its ports may be someone else's by now.
pub(crate) fn running_brokers(folder: &Path) -> Option<Vec<String>> {
    ["", super::FOLDER_DEFAULT, crate::demo::FOLDER_DEFAULT]
        .iter()
        .map(|place| folder.join(place))
        .filter(|place| std::os::unix::net::UnixStream::connect(socket_path(place)).is_ok())
        .find_map(|place| Layout::open(&place).ok().flatten())
        .map(|layout| layout.broker_addresses())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_are_plain_json() {
        let request = Request::Kill {
            node: NodeName::broker(2),
        };
        let line = r#"{"command":"kill","node":"broker-2"}"#;
        assert_eq!(serde_json::to_string(&request).unwrap(), line);
        assert_eq!(serde_json::from_str::<Request>(line).unwrap(), request);
        assert!(serde_json::from_str::<Request>(r#"{"command":"kill"}"#).is_err());
        assert!(serde_json::from_str::<Request>(r#"{"command":"eat","node":"broker-2"}"#).is_err());
    }

    #[test]
    fn a_cluster_that_does_not_run_names_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = super::super::layout::Wanted {
            controllers: Some(1),
            brokers: Some(2),
            base_port: None,
        };
        let layout = Layout::open_or_create(folder.path(), wanted).unwrap();
        assert_eq!(running_brokers(folder.path()), None);
        let _socket = std::os::unix::net::UnixListener::bind(socket_path(folder.path())).unwrap();
        assert_eq!(
            running_brokers(folder.path()),
            Some(layout.broker_addresses())
        );
    }
}
