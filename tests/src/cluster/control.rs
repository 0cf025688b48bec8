//! What tests do to several nodes, or to one and then wait.

use std::time::Duration;

use anyhow::Result;

use super::{Cluster, NodeName};

/// How long a restarted node may take to become ready.
const RESTART_PATIENCE: Duration = Duration::from_secs(60);

/// How long a node may take to end after SIGTERM; more than its own bound for a hand-over.
const STOP_PATIENCE: Duration = Duration::from_secs(45);

impl Cluster {
    /// SIGKILL to one node.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill(&mut self, name: NodeName) -> Result<()> {
        self.node_mut(name)?.kill()
    }

    /// SIGKILL to every running node, one right after the other.
    ///
    /// # Errors
    /// One cannot be killed.
    pub fn kill_all(&mut self) -> Result<()> {
        let running = self.nodes.values_mut();
        for node in running.filter(|node| node.process_id().is_some()) {
            node.kill()?;
        }
        Ok(())
    }

    /// Starts one node again and waits until it is ready.
    ///
    /// # Errors
    /// It runs already, ends, or is not ready in time.
    pub async fn restart(&mut self, name: NodeName) -> Result<()> {
        self.node_mut(name)?.start()?;
        self.wait_until_node_ready(name, RESTART_PATIENCE).await
    }

    /// Starts every node again and waits until all are ready.
    ///
    /// # Errors
    /// One ends or is not ready in time.
    pub async fn restart_all(&mut self) -> Result<()> {
        self.start_all()?;
        self.wait_until_ready(RESTART_PATIENCE).await
    }

    /// SIGTERM to every running node, brokers before controllers, and waits for each.
    ///
    /// # Errors
    /// One does not end in time, or not with success.
    pub async fn stop_all(&mut self) -> Result<()> {
        let mut names = self.names();
        // Brokers hand their partitions over to the controllers, so these must live longer.
        names.reverse();
        for name in names {
            let node = self.node_mut(name)?;
            if node.process_id().is_none() {
                continue;
            }
            let status = node.terminate(STOP_PATIENCE).await?;
            anyhow::ensure!(status.success(), "{name} ended with {status} on SIGTERM");
        }
        Ok(())
    }
}
