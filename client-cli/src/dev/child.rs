//! [`Child`]: one running process of a node, from start to end.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::event::{Event, Run};
use super::layout::Layout;
use super::node_name::NodeName;
use super::programs::Programs;

/// How long a node gets to stop by itself; longer than it takes to hand its leaderships over.
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// A log beyond this is put aside at the next start, in bytes.
const LOG_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What to do to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Ask it to stop (SIGTERM); after a while, kill it.
    Stop,
    /// End it now (SIGKILL).
    Kill,
}

/// A process that was started.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: u32,
    orders: mpsc::Sender<Order>,
}

impl Child {
    /// Starts the node of `run`; its end comes as [`Event::Exited`].
    ///
    /// # Errors
    /// When the log cannot be opened or the process cannot be started.
    pub(super) fn start(
        layout: &Layout,
        programs: &Programs,
        run: Run,
        events: mpsc::Sender<Event>,
    ) -> std::io::Result<Self> {
        let node = run.node;
        let log = open_log(&layout.log_path(node), node)?;
        let mut process = Command::new("/proc/self/exe")
            .args([
                "dev",
                "node",
                "--parent",
                &std::process::id().to_string(),
                "--",
            ])
            .arg(programs.of(node.role))
            .arg("--config")
            .arg(layout.config_path(node))
            // A log file is read with other tools than a terminal.
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // Ctrl-C in the terminal is ours to answer, in order: brokers first.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let pid = process.id().unwrap_or(0);
        let (orders, mut received) = mpsc::channel(4);
        tokio::spawn(async move {
            let status = keep(&mut process, &mut received).await;
            // Nobody is left to tell once the supervisor is gone.
            let _ = events.send(Event::Exited(run, status)).await;
        });
        Ok(Self { pid, orders })
    }

    /// Passes an order on. A process that has just ended needs none.
    pub(super) fn order(&self, order: Order) {
        // A full queue holds orders enough to end it.
        let _ = self.orders.try_send(order);
    }
}

async fn keep(process: &mut tokio::process::Child, orders: &mut mpsc::Receiver<Order>) -> String {
    let mut kill_at: Option<Instant> = None;
    loop {
        let deadline = kill_at.unwrap_or_else(Instant::now);
        tokio::select! {
            status = process.wait() => return describe(status),
            Some(order) = orders.recv() => match order {
                Order::Stop => {
                    terminate(process);
                    kill_at = Some(Instant::now() + STOP_PATIENCE);
                }
                Order::Kill => kill(process),
            },
            () = tokio::time::sleep_until(deadline), if kill_at.is_some() => {
                kill(process);
                kill_at = None;
            }
        }
    }
}

/// The id is the process's own until it is waited for, which only the caller does.
fn terminate(process: &tokio::process::Child) {
    let pid = process
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It can only fail for a process that has ended.
        let _ = kill_process(pid, Signal::TERM);
    }
}

fn kill(process: &mut tokio::process::Child) {
    // Likewise.
    let _ = process.start_kill();
}

fn describe(status: std::io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => status.to_string(),
        Err(error) => format!("its end was missed: {error}"),
    }
}

fn open_log(path: &Path, node: NodeName) -> std::io::Result<File> {
    if path.metadata().is_ok_and(|log| log.len() > LOG_BYTES_MAX) {
        std::fs::rename(path, path.with_extension("log.old"))?;
    }
    let mut log = OpenOptions::new().create(true).append(true).open(path)?;
    let now = humantime::format_rfc3339_millis(SystemTime::now());
    writeln!(log, "=== {node} starts at {now} ===")?;
    Ok(log)
}

/// The last lines of a log, for the report of a death.
pub(super) fn last_lines(path: &Path, count: usize) -> Vec<String> {
    const TAIL_BYTES: u64 = 8 * 1024;
    let read = || -> std::io::Result<String> {
        let mut log = File::open(path)?;
        let length = log.metadata()?.len();
        log.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        log.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let skipped = lines.len().saturating_sub(count);
    lines
        .into_iter()
        .skip(skipped)
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_of_a_log_is_short() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        assert!(last_lines(&path, 3).is_empty());
        let text: String = (0..5_000).map(|n| format!("line {n}\n\n")).collect();
        std::fs::write(&path, text).unwrap();
        assert_eq!(last_lines(&path, 2), ["line 4998", "line 4999"]);
    }
}
