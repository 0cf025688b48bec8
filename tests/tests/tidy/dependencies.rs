//! Every dependency is explained in ARCHITECTURE.md, and none is listed that nobody uses.

use std::collections::BTreeSet;

use super::workspace::{metadata, root};

#[test]
fn every_dependency_is_explained_in_the_architecture() {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let explained = words(&text);
    let missing: Vec<String> = listed()
        .into_iter()
        .filter(|name| !explained.contains(name.as_str()))
        .collect();
    assert!(
        missing.is_empty(),
        "ARCHITECTURE.md gives no reason for {missing:?}"
    );
}

#[test]
fn every_listed_dependency_is_used_by_some_crate() {
    let metadata = metadata();
    let used: BTreeSet<&str> = metadata
        .workspace_packages()
        .into_iter()
        .flat_map(|package| &package.dependencies)
        .map(|dependency| dependency.name.as_str())
        .collect();
    let idle: Vec<String> = listed()
        .into_iter()
        .filter(|name| !used.contains(name.as_str()))
        .collect();
    assert!(
        idle.is_empty(),
        "the workspace lists and nobody uses {idle:?}"
    );
}

/// The names in the workspace's list.
fn listed() -> BTreeSet<String> {
    let manifest = std::fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    let mut names = BTreeSet::new();
    let mut within = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            within = line.trim() == "[workspace.dependencies]";
        } else if within && let Some((name, _)) = line.split_once('=') {
            names.insert(name.trim().to_owned());
        }
    }
    assert!(
        names.len() > 10,
        "the workspace's list was not found: {names:?}"
    );
    names
}

fn words(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_')))
        .collect()
}
