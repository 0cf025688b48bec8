//! The arrows between crates: a new one is a change of the design, not of a manifest.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Package};

use super::workspace::{metadata, short_name};

/// What a crate may name outside the workspace, in what it ships.
enum Outside {
    /// These and no others: crates that must stay pure.
    Only(&'static [&'static str]),
    /// Anything but these.
    AnyBut(&'static [&'static str]),
}

/// A crate, the crates of ours that it may name, and what else.
struct Rule {
    name: &'static str,
    ours: &'static [&'static str],
    outside: Outside,
}

/// The consensus library and its data base belong to the quorum alone.
const QUORUM_ONLY: &[&str] = &["openraft", "rocksdb"];

/// The table of ARCHITECTURE.md. A crate without a row is refused.
const RULES: &[Rule] = &[
    Rule {
        name: "types",
        ours: &[],
        outside: Outside::Only(&["bytes", "serde", "thiserror", "crc-fast", "uuid", "base64"]),
    },
    Rule {
        name: "metadata",
        ours: &["types"],
        outside: Outside::Only(&["serde", "imbl", "rmp-serde", "thiserror"]),
    },
    Rule {
        name: "replication",
        ours: &["types"],
        outside: Outside::Only(&["thiserror"]),
    },
    Rule {
        name: "coordinator",
        ours: &["types", "metadata"],
        outside: Outside::Only(&["thiserror"]),
    },
    Rule {
        name: "commit-log",
        ours: &["types"],
        outside: Outside::AnyBut(&["openraft", "rocksdb", "tokio", "axum", "reqwest", "hyper"]),
    },
    Rule {
        name: "raft-store",
        ours: &[],
        outside: Outside::AnyBut(&["axum", "reqwest", "hyper"]),
    },
    Rule {
        name: "api",
        ours: &["types", "metadata"],
        outside: Outside::AnyBut(QUORUM_ONLY),
    },
    Rule {
        name: "config",
        ours: &[],
        outside: Outside::Only(&["toml", "thiserror", "strsim"]),
    },
    Rule {
        name: "listener",
        ours: &[],
        outside: Outside::AnyBut(QUORUM_ONLY),
    },
    Rule {
        name: "controller",
        ours: &[
            "types",
            "metadata",
            "raft-store",
            "api",
            "config",
            "listener",
        ],
        outside: Outside::AnyBut(&["rocksdb"]),
    },
    Rule {
        name: "broker",
        ours: &[
            "types",
            "metadata",
            "replication",
            "coordinator",
            "commit-log",
            "api",
            "config",
            "listener",
        ],
        outside: Outside::AnyBut(QUORUM_ONLY),
    },
    Rule {
        name: "client-cli",
        ours: &["types", "api", "metadata", "commit-log"],
        outside: Outside::AnyBut(QUORUM_ONLY),
    },
    Rule {
        name: "tests",
        ours: &[
            "types",
            "metadata",
            "replication",
            "coordinator",
            "commit-log",
            "raft-store",
            "api",
            "config",
            "listener",
            "controller",
            "broker",
        ],
        outside: Outside::AnyBut(&[]),
    },
];

#[test]
fn no_crate_names_another_that_the_table_does_not_allow() {
    let metadata = metadata();
    let members = metadata.workspace_packages();
    let ours: BTreeSet<&str> = members
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    let mut broken = Vec::new();
    for package in members {
        match RULES.iter().find(|rule| rule.name == short_name(package)) {
            Some(rule) => broken.extend(broken_arrows(package, rule, &ours)),
            None => broken.push(format!(
                "{} has no row in the table of arrows",
                package.name
            )),
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn broken_arrows(package: &Package, rule: &Rule, ours: &BTreeSet<&str>) -> Vec<String> {
    let mut broken = Vec::new();
    for dependency in &package.dependencies {
        let name = dependency.name.as_str();
        let allowed = if ours.contains(name) {
            rule.ours
                .contains(&name.strip_prefix("trimaran-").unwrap_or(name))
        } else if dependency.kind == DependencyKind::Development {
            // Tests of one crate may use any outside crate.
            true
        } else {
            match rule.outside {
                Outside::Only(these) => these.contains(&name),
                Outside::AnyBut(these) => !these.contains(&name),
            }
        };
        if !allowed {
            broken.push(format!("{} must not name {name}", rule.name));
        }
    }
    broken
}

#[test]
fn the_table_itself_has_no_circle() {
    let arrows: BTreeMap<&str, &[&str]> = RULES.iter().map(|rule| (rule.name, rule.ours)).collect();
    for rule in RULES {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&str> = rule.ours.to_vec();
        while let Some(name) = waiting.pop() {
            assert_ne!(name, rule.name, "{name} reaches itself");
            if reached.insert(name) {
                waiting.extend(arrows.get(name).copied().unwrap_or_default());
            }
        }
    }
}
