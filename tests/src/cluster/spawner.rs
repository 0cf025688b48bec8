//! Starts processes that cannot outlive this one, not even when it is killed.
//!
//! The system can kill a child when the *thread* that started it ends. So one thread, which lives as
//! long as the process, starts them all; `setpriv` asks the system for it and then becomes the
//! program, under the same process id. Where `setpriv` is missing, children end with their owner's
//! destructor only.

use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, mpsc};

use anyhow::{Context as _, Result};

type Reply = mpsc::SyncSender<std::io::Result<Child>>;

static SPAWNER: LazyLock<mpsc::Sender<(Command, Reply)>> = LazyLock::new(|| {
    let (jobs, inbox) = mpsc::channel::<(Command, Reply)>();
    std::thread::spawn(move || {
        while let Ok((mut command, reply)) = inbox.recv() {
            // Whoever asked may be gone; then the child is dropped with the reply.
            let _ = reply.send(command.spawn());
        }
    });
    jobs
});

static HAS_SETPRIV: LazyLock<bool> = LazyLock::new(|| {
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "true"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
});

/// A command for `program` that dies with this process, where the system can do that.
pub(super) fn bound_command(program: &std::path::Path) -> Command {
    if *HAS_SETPRIV {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program);
        command
    } else {
        Command::new(program)
    }
}

/// Starts `command` from the thread that never ends.
///
/// # Errors
/// The system does not start it.
pub(super) fn spawn(command: Command) -> Result<Child> {
    let (reply, answer) = mpsc::sync_channel(1);
    SPAWNER
        .send((command, reply))
        .context("the spawning thread is gone")?;
    answer
        .recv()
        .context("the spawning thread is gone")?
        .context("cannot start the process")
}
