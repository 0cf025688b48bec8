//! [`Layout`]: a development cluster's folder: which nodes, on which ports, and where their files
//! lie. Written once, at the first start; every later start finds the same cluster.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::node_name::{NodeName, NodeRole};
use super::{node_config, ports};
use crate::failure::Failure;

/// The version of the file's form.
const FORMAT: u32 = 1;

/// Nodes of one kind in a development cluster, at most.
pub(super) const NODES_MAX: u32 = 20;

/// Where the layout is kept, in the folder.
const FILE: &str = "dev.json";

/// What a start asks for; `None` takes what is there, or the default.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Wanted {
    pub(crate) controllers: Option<u32>,
    pub(crate) brokers: Option<u32>,
    pub(crate) base_port: Option<u16>,
}

/// A development cluster's folder.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    folder: PathBuf,
    file: File,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct File {
    format: u32,
    controllers: Vec<ControllerPlace>,
    brokers: Vec<BrokerPlace>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ControllerPlace {
    id: u32,
    port: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct BrokerPlace {
    id: u32,
    client_port: u16,
    inter_node_port: u16,
}

impl Layout {
    /// The layout in `folder`: as it is there, or made for a new cluster.
    ///
    /// # Errors
    /// When the folder cannot be used, or holds another cluster than the one wanted.
    pub(crate) fn open_or_create(folder: &Path, wanted: Wanted) -> Result<Self, Failure> {
        fs::create_dir_all(folder.join("logs"))
            .and_then(|()| fs::create_dir_all(folder.join("config")))
            .map_err(|error| {
                Failure::failed(format!("cannot make {}: {error}", folder.display()))
            })?;
        let layout = match Self::open(folder)? {
            Some(layout) => layout.checked(wanted)?,
            None => Self::create(folder, wanted)?,
        };
        layout.write_configs()?;
        Ok(layout)
    }

    /// The layout in `folder`, if there is one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Failure> {
        let path = folder.join(FILE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(Failure::failed(format!(
                    "cannot read {}: {error}",
                    path.display()
                )));
            }
        };
        let unusable = |cause: String| {
            Failure::failed(format!("{} is not usable: {cause}", path.display()))
                .try_next("another folder: --data DIR")
        };
        let file: File =
            serde_json::from_str(&text).map_err(|error| unusable(error.to_string()))?;
        if file.format != FORMAT {
            return Err(unusable(format!("format {} is not known", file.format)));
        }
        let folder = std::path::absolute(folder).map_err(|error| unusable(error.to_string()))?;
        Ok(Some(Self { folder, file }))
    }

    fn create(folder: &Path, wanted: Wanted) -> Result<Self, Failure> {
        let controllers = wanted.controllers.unwrap_or(3).min(NODES_MAX);
        let brokers = wanted.brokers.unwrap_or(3).min(NODES_MAX);
        let count = u16::try_from(controllers + 2 * brokers).unwrap_or(u16::MAX);
        let mut ports = ports::choose(count, wanted.base_port)?.into_iter();
        let mut take = |count: u32| -> Vec<u16> { ports.by_ref().take(count as usize).collect() };
        let client_ports = take(brokers);
        let inter_node_ports = take(brokers);
        let controller_ports = take(controllers);
        let file = File {
            format: FORMAT,
            controllers: (1..)
                .zip(controller_ports)
                .map(|(id, port)| ControllerPlace { id, port })
                .collect(),
            brokers: (1..)
                .zip(client_ports.into_iter().zip(inter_node_ports))
                .map(|(id, (client_port, inter_node_port))| BrokerPlace {
                    id,
                    client_port,
                    inter_node_port,
                })
                .collect(),
        };
        let folder = std::path::absolute(folder)
            .map_err(|error| Failure::failed(format!("{}: {error}", folder.display())))?;
        let layout = Self { folder, file };
        layout.check_folder()?;
        layout.save()?;
        Ok(layout)
    }

    /// A node's configuration takes lists apart at commas, so its folder may not have one.
    fn check_folder(&self) -> Result<(), Failure> {
        match self.folder.to_str() {
            Some(text) if !text.contains(',') && !text.chars().any(char::is_control) => Ok(()),
            _ => Err(Failure::failed(format!(
                "{} has a comma, a control character or no Unicode name",
                self.folder.display()
            ))
            .try_next("another folder: --data DIR")),
        }
    }

    fn checked(self, wanted: Wanted) -> Result<Self, Failure> {
        let there = (self.file.controllers.len(), self.file.brokers.len());
        let asked = (
            wanted.controllers.map_or(there.0, |count| count as usize),
            wanted.brokers.map_or(there.1, |count| count as usize),
        );
        let base_port = self.file.brokers.first().map(|broker| broker.client_port);
        let is_other_port = wanted.base_port.is_some() && wanted.base_port != base_port;
        if asked != there || is_other_port {
            return Err(Failure::failed(format!(
                "{} holds a cluster of {} controllers and {} brokers from port {} on",
                self.folder.display(),
                there.0,
                there.1,
                base_port.unwrap_or(0)
            ))
            .try_next("the same without these options, or another folder: --data DIR"));
        }
        Ok(self)
    }

    fn save(&self) -> Result<(), Failure> {
        let path = self.folder.join(FILE);
        let written = serde_json::to_vec_pretty(&self.file)
            .map_err(std::io::Error::from)
            .and_then(|bytes| replace(&path, &bytes));
        written
            .map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))
    }

    fn write_configs(&self) -> Result<(), Failure> {
        for node in self.nodes() {
            let path = self.config_path(node);
            replace(&path, node_config::text(self, node).as_bytes()).map_err(|error| {
                Failure::failed(format!("cannot write {}: {error}", path.display()))
            })?;
        }
        Ok(())
    }

    /// All nodes, controllers first.
    pub(crate) fn nodes(&self) -> Vec<NodeName> {
        let controllers = self
            .file
            .controllers
            .iter()
            .map(|place| NodeName::controller(place.id));
        controllers
            .chain(
                self.file
                    .brokers
                    .iter()
                    .map(|place| NodeName::broker(place.id)),
            )
            .collect()
    }

    /// Where people and programs reach the node, `host:port`: its client listener, or a
    /// controller's only one. Empty for a node that is not here.
    pub(crate) fn address(&self, node: NodeName) -> String {
        let port = match node.role {
            NodeRole::Controller => self
                .file
                .controllers
                .iter()
                .find(|place| place.id == node.id)
                .map(|p| p.port),
            NodeRole::Broker => self
                .file
                .brokers
                .iter()
                .find(|place| place.id == node.id)
                .map(|p| p.client_port),
        };
        port.map(on_loopback).unwrap_or_default()
    }

    /// Where brokers reach the broker.
    pub(super) fn inter_node_address(&self, id: u32) -> String {
        let place = self.file.brokers.iter().find(|place| place.id == id);
        place
            .map(|place| on_loopback(place.inter_node_port))
            .unwrap_or_default()
    }

    /// Every broker's client listener.
    pub(crate) fn broker_addresses(&self) -> Vec<String> {
        self.file
            .brokers
            .iter()
            .map(|place| on_loopback(place.client_port))
            .collect()
    }

    /// The folder, absolute.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The node's configuration.
    pub(super) fn config_path(&self, node: NodeName) -> PathBuf {
        self.folder.join("config").join(format!("{node}.toml"))
    }

    /// Where the node's data lies.
    pub(super) fn data_path(&self, node: NodeName) -> PathBuf {
        self.folder.join(node.to_string())
    }

    /// What the node says.
    pub(super) fn log_path(&self, node: NodeName) -> PathBuf {
        self.folder.join("logs").join(format!("{node}.log"))
    }
}

fn on_loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Writes a file whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    fs::write(&beside, bytes)?;
    fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_start_finds_the_same_cluster() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            controllers: Some(2),
            brokers: Some(2),
            base_port: None,
        };
        let made = Layout::open_or_create(folder.path(), wanted).unwrap();
        let again = Layout::open_or_create(folder.path(), Wanted::default()).unwrap();
        assert_eq!(made.file, again.file);
        assert_eq!(
            again
                .nodes()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            ["controller-1", "controller-2", "broker-1", "broker-2"]
        );
        let addresses: std::collections::BTreeSet<String> = again
            .nodes()
            .into_iter()
            .map(|node| again.address(node))
            .collect();
        assert_eq!(addresses.len(), 4, "{addresses:?}");
        assert_eq!(again.address(NodeName::broker(9)), "");
    }

    #[test]
    fn another_shape_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            controllers: Some(1),
            brokers: Some(1),
            base_port: None,
        };
        Layout::open_or_create(folder.path(), wanted).unwrap();
        let other = Wanted {
            brokers: Some(2),
            ..Wanted::default()
        };
        let failure = Layout::open_or_create(folder.path(), other).unwrap_err();
        assert!(
            failure.message().contains("1 controllers and 1 brokers"),
            "{failure:?}"
        );
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        let failure = Layout::open(folder.path()).unwrap_err();
        assert!(
            failure.message().contains("dev.json is not usable"),
            "{failure:?}"
        );
        fs::write(
            folder.path().join(FILE),
            r#"{"format":9,"controllers":[],"brokers":[]}"#,
        )
        .unwrap();
        assert!(
            Layout::open(folder.path())
                .unwrap_err()
                .message()
                .contains("format 9")
        );
    }
}
