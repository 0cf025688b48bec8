//! The configuration file of a node: only what differs from the defaults.

use super::layout::Layout;
use super::node_name::{NodeName, NodeRole};

/// The TOML text for `node`.
pub(super) fn text(layout: &Layout, node: NodeName) -> String {
    let controllers: Vec<NodeName> = layout
        .nodes()
        .into_iter()
        .filter(|node| node.role == NodeRole::Controller)
        .collect();
    let data = quoted(&layout.data_path(node).to_string_lossy());
    let head = "# Written by `trimaran dev` at each start: changes made here are lost.\n";
    match node.role {
        NodeRole::Controller => {
            let voters = controllers
                .iter()
                .map(|voter| quoted(&format!("{}@{}", voter.id, layout.address(*voter))));
            format!(
                "{head}node.id = {}\nmetadata.log.dir = {data}\ncontroller.quorum.voters = [{}]\n",
                node.id,
                joined(voters),
            )
        }
        NodeRole::Broker => {
            let servers = controllers
                .iter()
                .map(|server| quoted(&layout.address(*server)));
            format!(
                "{head}node.id = {}\nlog.dirs = {data}\n\
                 controller.quorum.bootstrap.servers = [{}]\n\
                 listeners.client = {}\nlisteners.inter_node = {}\n",
                node.id,
                joined(servers),
                quoted(&layout.address(node)),
                quoted(&layout.inter_node_address(node.id)),
            )
        }
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dev::layout::Wanted;

    fn value(table: &toml::Table, key: &str) -> toml::Value {
        let mut value = toml::Value::Table(table.clone());
        for part in key.split('.') {
            value = value.get(part).unwrap_or_else(|| panic!("{key}")).clone();
        }
        value
    }

    #[test]
    fn the_files_are_toml_and_name_each_other() {
        let folder = tempfile::tempdir().unwrap();
        // A quote and a backslash in the path must not end the text.
        let folder = folder.path().join("it's \"a\\b");
        let wanted = Wanted {
            controllers: Some(3),
            brokers: Some(2),
            base_port: None,
        };
        let layout = Layout::open_or_create(&folder, wanted).unwrap();
        let parse = |node| text(&layout, node).parse::<toml::Table>().unwrap();
        let controller = parse(NodeName::controller(2));
        let voters = value(&controller, "controller.quorum.voters");
        let expected = format!("2@{}", layout.address(NodeName::controller(2)));
        assert_eq!(
            voters.as_array().unwrap()[1].as_str(),
            Some(expected.as_str())
        );
        let broker = parse(NodeName::broker(2));
        assert_eq!(
            value(&broker, "listeners.client").as_str(),
            Some(layout.address(NodeName::broker(2)).as_str())
        );
        assert_eq!(
            value(&broker, "log.dirs").as_str(),
            layout.data_path(NodeName::broker(2)).to_str()
        );
    }
}
