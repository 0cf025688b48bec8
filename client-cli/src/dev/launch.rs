//! The step between `trimaran dev` and a node: asks the kernel to kill the node when `trimaran dev`
//! is gone, however it went, and becomes the node.
//!
//! A program can ask that only for itself and keeps it when it becomes another program. The kernel
//! watches the *thread* that started the node; `trimaran dev` starts nodes on its only one.

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::failure::Failure;

/// Becomes `program`, to live no longer than the process `parent`. Returns only on failure.
///
/// # Errors
/// When the parent is gone already, or the program cannot be run.
pub(super) fn become_node(parent: u32, program: &[OsString]) -> Result<(), Failure> {
    let [path, arguments @ ..] = program else {
        return Err(Failure::usage("no program to run"));
    };
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| Failure::failed(format!("cannot tie the node's life to ours: {error}")))?;
    // It may have died before the kernel knew our wish.
    let is_parent = |pid: Pid| u32::try_from(pid.as_raw_nonzero().get()) == Ok(parent);
    if !getppid().is_some_and(is_parent) {
        return Err(Failure::failed("whoever started this node is gone"));
    }
    let error = Command::new(path).args(arguments).exec();
    Err(Failure::failed(format!(
        "cannot run {}: {error}",
        path.to_string_lossy()
    )))
}
