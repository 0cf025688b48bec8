//! Every crate opts into the workspace's lints and stays out of registries.

use super::workspace::metadata;

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("a manifest");
        let lines: Vec<&str> = manifest.lines().map(str::trim).collect();
        let opted = lines
            .windows(2)
            .any(|pair| pair == ["[lints]", "workspace = true"]);
        assert!(
            opted,
            "{} does not take the workspace's lints",
            package.name
        );
        assert!(
            package.publish.as_ref().is_some_and(Vec::is_empty),
            "{} could be published by accident",
            package.name
        );
    }
}
