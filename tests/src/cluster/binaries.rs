//! [`find_binary`]: the programs under test.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Overrides the folder of the programs.
const BIN_DIR: &str = "TRIMARAN_BIN_DIR";

/// The path of `program`: in `TRIMARAN_BIN_DIR` when that is set, else where this test was built.
///
/// # Errors
/// It is not there; the message says how to build it.
pub fn find_binary(program: &str) -> Result<PathBuf> {
    let folder = match std::env::var_os(BIN_DIR) {
        Some(folder) => PathBuf::from(folder),
        None => build_folder()?,
    };
    let path = folder.join(program);
    if !path.is_file() {
        bail!(
            "no {program} in {}: build it (`make build`) or set {BIN_DIR}",
            folder.display()
        );
    }
    Ok(path)
}

/// Where cargo puts this build's programs: the parent of `deps`, where it puts the tests.
fn build_folder() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot tell the path of this test")?;
    let folder = own.parent().context("this test has no folder")?;
    Ok(match folder.file_name() {
        Some(name) if name == "deps" => folder.parent().unwrap_or(folder).to_owned(),
        _ => folder.to_owned(),
    })
}

/// Cargo's folder for what tests write to a real disk: `tmp` beside the profiles' folders.
///
/// # Errors
/// The path of this test cannot be told.
pub(super) fn disk_folder() -> Result<PathBuf> {
    let build = build_folder()?;
    Ok(build.parent().unwrap_or(Path::new(".")).join("tmp"))
}
