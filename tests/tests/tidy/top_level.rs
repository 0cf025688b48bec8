//! What lies at the top of the repository: a file that somebody left there by chance is found.

use std::collections::BTreeSet;
use std::process::Command;

use super::workspace::{metadata, root};

/// What is no member of the workspace.
const OTHERS: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "Makefile",
    "README.md",
    "SECURITY.md",
    "clippy.toml",
    "deny.toml",
    "deploy",
    "docs",
    "fuzz",
    "rust-toolchain.toml",
    "rustfmt.toml",
];

#[test]
fn nothing_else_lies_at_the_top() {
    let listed = Command::new("git")
        .args(["ls-files", "-z"])
        .current_dir(root())
        .output()
        .expect("git lists what it tracks");
    assert!(listed.status.success(), "{listed:?}");
    let listed = String::from_utf8(listed.stdout).expect("names are text");
    let top: BTreeSet<&str> = listed
        .split_terminator('\0')
        .map(|path| path.split('/').next().unwrap_or(path))
        .collect();
    assert!(top.contains("Cargo.toml"), "{top:?}");
    let members: BTreeSet<String> = metadata()
        .packages
        .iter()
        .filter_map(|package| package.manifest_path.parent()?.file_name())
        .map(str::to_owned)
        .collect();
    let strange: Vec<_> = top
        .into_iter()
        .filter(|name| !OTHERS.contains(name) && !members.contains(*name))
        .collect();
    assert!(strange.is_empty(), "{strange:?}");
}
