//! The Rust files of the workspace.

use std::path::{Path, PathBuf};

use super::workspace::{metadata, root};

/// A source file.
pub(crate) struct Source {
    /// Its path from the workspace's folder.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
}

/// Every `.rs` file below every member's folder.
pub(crate) fn sources() -> Vec<Source> {
    let metadata = metadata();
    let mut sources = Vec::new();
    for package in metadata.workspace_packages() {
        let folder = package
            .manifest_path
            .parent()
            .expect("a manifest lies in a folder");
        collect(folder.as_std_path(), &mut sources);
    }
    assert!(
        sources.len() > 50,
        "only {} source files were found",
        sources.len()
    );
    sources
}

fn collect(folder: &Path, sources: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("an entry of the workspace").path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(&path, sources);
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file is text");
            let path = path.strip_prefix(root()).unwrap_or(&path).to_owned();
            sources.push(Source { path, text });
        }
    }
}
