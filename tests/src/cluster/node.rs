//! [`Node`]: one process of the cluster, running or not.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::layout::Place;
use super::{NodeName, find_binary, spawner};

/// A node: its files stay, its process comes and goes.
#[derive(Debug)]
pub struct Node {
    name: NodeName,
    place: Place,
    child: Option<Child>,
    paused: bool,
    extra_arguments: Vec<String>,
}

impl Node {
    pub(super) fn new(name: NodeName, place: Place) -> Self {
        Self {
            name,
            place,
            child: None,
            paused: false,
            extra_arguments: Vec::new(),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> NodeName {
        self.name
    }

    /// Where its clients reach it: a broker's client listener, a controller's only one.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.place.address
    }

    /// Where other nodes reach it.
    #[must_use]
    pub fn inter_node_address(&self) -> &str {
        &self.place.inter_node_address
    }

    /// Its configuration file.
    #[must_use]
    pub fn config_path(&self) -> &Path {
        &self.place.config
    }

    /// Its data folder.
    #[must_use]
    pub fn data_path(&self) -> &Path {
        &self.place.data
    }

    /// Replaces the configuration file by another one, for the next start.
    pub fn use_config(&mut self, config: PathBuf) {
        self.place.config = config;
    }

    /// Further arguments for every later start, such as `--set key=value`.
    pub fn add_arguments(&mut self, arguments: impl IntoIterator<Item = String>) {
        self.extra_arguments.extend(arguments);
    }

    /// Moves the node's addresses, when its configuration is not ours.
    pub fn use_addresses(&mut self, address: String, inter_node_address: String) {
        self.place.address = address;
        self.place.inter_node_address = inter_node_address;
    }

    /// The process id, while it runs.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Whether it was stopped by [`Node::pause`] and not continued.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        self.paused
    }

    /// Starts the process. Its output is appended to its log.
    ///
    /// # Errors
    /// It runs already, or cannot be started.
    pub fn start(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("{} runs already", self.name);
        }
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.place.log)
            .with_context(|| format!("cannot write {}", self.place.log.display()))?;
        let mut command = spawner::bound_command(&find_binary(self.name.program())?);
        command
            .arg("--config")
            .arg(&self.place.config)
            .args(&self.extra_arguments)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share the log file")?)
            .stderr(log);
        self.child = Some(spawner::spawn(command).with_context(|| format!("{}", self.name))?);
        self.paused = false;
        Ok(())
    }

    /// SIGKILL, and waits until the system has taken the process away.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self) -> Result<()> {
        let mut child = self.take_child()?;
        child.kill().context("cannot kill")?;
        child.wait().context("cannot wait for a killed process")?;
        Ok(())
    }

    /// SIGSTOP: the process hangs, its connections stay open.
    ///
    /// # Errors
    /// It does not run.
    pub fn pause(&mut self) -> Result<()> {
        self.signal(Signal::STOP)?;
        self.paused = true;
        Ok(())
    }

    /// SIGCONT.
    ///
    /// # Errors
    /// It does not run.
    pub fn resume(&mut self) -> Result<()> {
        self.signal(Signal::CONT)?;
        self.paused = false;
        Ok(())
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Errors
    /// It does not run, or does not end within `patience`; then it is still running.
    pub async fn terminate(&mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal(Signal::TERM)?;
        self.wait_for_exit(patience).await
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Errors
    /// It does not run, or does not end within `patience`.
    pub async fn wait_for_exit(&mut self, patience: Duration) -> Result<ExitStatus> {
        let name = self.name;
        let status = crate::until(&format!("the end of {name}"), patience, async || {
            let child = self.child.as_mut().context("it does not run")?;
            Ok(child.try_wait()?)
        })
        .await?;
        self.child = None;
        Ok(status)
    }

    /// The status of a process that has ended though nobody asked it to.
    #[must_use]
    pub fn unexpected_end(&mut self) -> Option<ExitStatus> {
        let child = self.child.as_mut()?;
        let status = child.try_wait().ok()??;
        self.child = None;
        Some(status)
    }

    /// Removes all its data, as a new disk would.
    ///
    /// # Errors
    /// It runs, or the folder cannot be removed.
    pub fn wipe(&mut self) -> Result<()> {
        if self.child.is_some() {
            bail!("{} runs: its disk cannot be wiped", self.name);
        }
        std::fs::remove_dir_all(&self.place.data)
            .with_context(|| format!("cannot remove {}", self.place.data.display()))
    }

    /// Everything that it has written to its log.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = std::fs::read(&self.place.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let child = self.child.as_ref();
        let child = child.with_context(|| format!("{} does not run", self.name))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pid = pid.context("a process id that cannot be")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    fn take_child(&mut self) -> Result<Child> {
        let child = self.child.take();
        child.with_context(|| format!("{} does not run", self.name))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // It may have ended by itself; there is nobody to tell.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
