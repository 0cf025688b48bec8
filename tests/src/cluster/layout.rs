//! Which node listens where, and its configuration file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{ClusterSpec, NodeName, free_port};

/// The addresses and folders of one node.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// A broker's client listener; a controller's only listener.
    pub(super) address: String,
    /// A broker's listener for other nodes; a controller's only listener again.
    pub(super) inter_node_address: String,
    /// Its TOML file.
    pub(super) config: PathBuf,
    /// Its data.
    pub(super) data: PathBuf,
    /// What it writes to its standard output and error.
    pub(super) log: PathBuf,
}

/// Draws ports for every node of `spec` and writes their files below `root`.
pub(super) fn lay_out(spec: &ClusterSpec, root: &Path) -> Result<BTreeMap<NodeName, Place>> {
    for folder in ["config", "data", "logs"] {
        std::fs::create_dir_all(root.join(folder)).context("cannot create the cluster's folder")?;
    }
    let controllers = (1..=spec.controllers).map(NodeName::Controller);
    let brokers = (1..=spec.brokers).map(NodeName::Broker);
    let mut places = BTreeMap::new();
    for name in controllers.chain(brokers) {
        places.insert(name, place(name, root)?);
    }
    let voters = voters(&places);
    for (name, place) in &places {
        let settings = match name {
            NodeName::Controller(_) => controller_settings(*name, place, &voters, spec),
            NodeName::Broker(_) => broker_settings(*name, place, &places, spec),
        };
        std::fs::write(&place.config, toml(&settings))
            .with_context(|| format!("cannot write {}", place.config.display()))?;
    }
    Ok(places)
}

fn place(name: NodeName, root: &Path) -> Result<Place> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let inter_node_address = match name {
        NodeName::Controller(_) => address.clone(),
        NodeName::Broker(_) => format!("127.0.0.1:{}", free_port()?),
    };
    Ok(Place {
        address,
        inter_node_address,
        config: root.join("config").join(format!("{name}.toml")),
        data: root.join("data").join(name.to_string()),
        log: root.join("logs").join(format!("{name}.log")),
    })
}

fn controller_addresses(places: &BTreeMap<NodeName, Place>) -> Vec<(u32, String)> {
    let controllers = places
        .iter()
        .filter(|(name, _)| matches!(name, NodeName::Controller(_)));
    controllers
        .map(|(name, place)| (name.id(), place.address.clone()))
        .collect()
}

fn voters(places: &BTreeMap<NodeName, Place>) -> String {
    let voters = controller_addresses(places).into_iter();
    voters
        .map(|(id, address)| format!("{id}@{address}"))
        .collect::<Vec<_>>()
        .join(",")
}

fn controller_settings(
    name: NodeName,
    place: &Place,
    voters: &str,
    spec: &ClusterSpec,
) -> Vec<(String, String)> {
    let mut settings = vec![
        ("node.id".to_owned(), name.id().to_string()),
        ("controller.quorum.voters".to_owned(), voters.to_owned()),
        (
            "metadata.log.dir".to_owned(),
            place.data.display().to_string(),
        ),
    ];
    settings.extend(spec.controller_settings.iter().cloned());
    settings
}

fn broker_settings(
    name: NodeName,
    place: &Place,
    places: &BTreeMap<NodeName, Place>,
    spec: &ClusterSpec,
) -> Vec<(String, String)> {
    let controllers: Vec<String> = controller_addresses(places)
        .into_iter()
        .map(|(_, address)| address)
        .collect();
    let mut settings = vec![
        ("node.id".to_owned(), name.id().to_string()),
        ("log.dirs".to_owned(), place.data.display().to_string()),
        ("listeners.client".to_owned(), place.address.clone()),
        (
            "listeners.inter_node".to_owned(),
            place.inter_node_address.clone(),
        ),
        (
            "controller.quorum.bootstrap.servers".to_owned(),
            controllers.join(","),
        ),
    ];
    settings.extend(spec.broker_settings.iter().cloned());
    settings
}

/// TOML with every value as text, which every setting accepts. Of a key given twice the last counts.
fn toml(settings: &[(String, String)]) -> String {
    let last: BTreeMap<&str, &str> = settings
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let mut text = String::new();
    for (key, value) in last {
        let value = value.replace('\\', "\\\\").replace('"', "\\\"");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{key} = \"{value}\"");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_gets_a_file_and_the_last_value_counts() {
        let root = tempfile::tempdir().unwrap();
        let spec = ClusterSpec::new(3, 1)
            .broker_setting("a.b", 1)
            .broker_setting("a.b", "two \"2\"");
        let places = lay_out(&spec, root.path()).unwrap();
        assert_eq!(places.len(), 4);
        let file = std::fs::read_to_string(&places[&NodeName::Broker(1)].config).unwrap();
        assert!(file.contains("a.b = \"two \\\"2\\\"\""), "{file}");
        assert!(file.contains("controller.quorum.bootstrap.servers = \"127.0.0.1:"));
        let file = std::fs::read_to_string(&places[&NodeName::Controller(2)].config).unwrap();
        assert!(file.contains("node.id = \"2\""), "{file}");
        assert_eq!(file.matches('@').count(), 3);
    }
}
