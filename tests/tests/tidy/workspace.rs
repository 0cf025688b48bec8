//! What cargo says of the workspace.

use std::path::{Path, PathBuf};

use cargo_metadata::{Metadata, MetadataCommand, Package};

/// The folder of the workspace.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("this crate lies in the workspace's folder")
        .to_owned()
}

/// The members and their dependencies, as their manifests name them.
pub(crate) fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo describes its own workspace")
}

/// A member's name without the prefix that all have.
pub(crate) fn short_name(package: &Package) -> &str {
    let name = package.name.as_str();
    name.strip_prefix("trimaran-").unwrap_or(name)
}
