//! [`Cluster`]: the nodes of one cluster and where they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::folder::RunFolder;
use super::layout::lay_out;
use super::{ClusterSpec, Node, NodeName, is_ready};

/// How long a whole cluster may take to become ready, on a machine with much else to do.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How many lines of each log are printed on failure.
const LOG_TAIL_LINES: usize = 40;

/// How often a start is tried when another process took one of the ports.
const START_TRIES: usize = 3;

/// A cluster. Its processes are killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    pub(super) nodes: BTreeMap<NodeName, Node>,
    folder: RunFolder,
    http: reqwest::Client,
}

impl Cluster {
    /// Starts all nodes of `spec` and waits until every one is ready.
    ///
    /// # Errors
    /// A node ends or does not become ready in time; the error has the ends of the logs.
    pub async fn start(spec: &ClusterSpec) -> Result<Self> {
        for attempt in 1.. {
            let mut cluster = Self::prepare(spec)?;
            cluster.start_all()?;
            let Err(error) = cluster.wait_until_ready(START_PATIENCE).await else {
                return Ok(cluster);
            };
            let report = cluster.report();
            if attempt < START_TRIES && is_port_clash(&report) {
                continue;
            }
            cluster.keep_folder();
            return Err(error.context(report));
        }
        bail!("no attempt was made")
    }

    /// Lays the cluster out and starts nothing.
    ///
    /// # Errors
    /// Its folder cannot be made, or no port is free.
    pub fn prepare(spec: &ClusterSpec) -> Result<Self> {
        let folder = RunFolder::create(spec.storage)?;
        let places = lay_out(spec, folder.path())?;
        let nodes = places
            .into_iter()
            .map(|(name, place)| (name, Node::new(name, place)))
            .collect();
        let http = trimaran_api::client::http_client(Duration::from_secs(2))?;
        Ok(Self {
            nodes,
            folder,
            http,
        })
    }

    /// Starts every node that does not run.
    ///
    /// # Errors
    /// One cannot be started.
    pub fn start_all(&mut self) -> Result<()> {
        let idle = self.nodes.values_mut();
        for node in idle.filter(|node| node.process_id().is_none()) {
            node.start()?;
        }
        Ok(())
    }

    /// Waits until every running node is ready.
    ///
    /// # Errors
    /// One ends, or is not ready within `patience`.
    pub async fn wait_until_ready(&mut self, patience: Duration) -> Result<()> {
        let names: Vec<NodeName> = self.nodes.keys().copied().collect();
        for name in names {
            self.wait_until_node_ready(name, patience).await?;
        }
        Ok(())
    }

    /// Waits until one node is ready.
    ///
    /// # Errors
    /// It ends, or is not ready within `patience`.
    pub async fn wait_until_node_ready(
        &mut self,
        name: NodeName,
        patience: Duration,
    ) -> Result<()> {
        let http = self.http.clone();
        let node = self.node_mut(name)?;
        let address = node.address().to_owned();
        let mut ended = None;
        crate::until(&format!("{name} to be ready"), patience, async || {
            if let Some(status) = node.unexpected_end() {
                ended = Some(status);
                return Ok(Some(()));
            }
            is_ready(&http, &address).await.map(Some)
        })
        .await?;
        match ended {
            Some(status) => bail!("{name} ended with {status} instead of becoming ready"),
            None => Ok(()),
        }
    }

    /// One node.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn node(&self, name: NodeName) -> Result<&Node> {
        let node = self.nodes.get(&name);
        node.with_context(|| format!("the cluster has no {name}"))
    }

    /// One node, to do something to it.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn node_mut(&mut self, name: NodeName) -> Result<&mut Node> {
        let node = self.nodes.get_mut(&name);
        node.with_context(|| format!("the cluster has no {name}"))
    }

    /// The names of all nodes, controllers first.
    #[must_use]
    pub fn names(&self) -> Vec<NodeName> {
        self.nodes.keys().copied().collect()
    }

    /// The client listeners of all brokers, running or not, by id.
    #[must_use]
    pub fn broker_addresses(&self) -> Vec<String> {
        self.addresses(|name| matches!(name, NodeName::Broker(_)))
    }

    /// The listeners of all controllers, running or not, by id.
    #[must_use]
    pub fn controller_addresses(&self) -> Vec<String> {
        self.addresses(|name| matches!(name, NodeName::Controller(_)))
    }

    fn addresses(&self, wanted: impl Fn(NodeName) -> bool) -> Vec<String> {
        let nodes = self.nodes.values().filter(|node| wanted(node.name()));
        nodes.map(|node| node.address().to_owned()).collect()
    }

    /// The pooled HTTP client of this cluster's tests.
    #[must_use]
    pub fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// The folder with configurations, data and logs.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves the folder behind when the cluster goes.
    pub fn keep_folder(&mut self) {
        self.folder.keep();
    }

    /// Where everything is, and the end of each log.
    #[must_use]
    pub fn report(&self) -> String {
        let mut report = format!("cluster in {}\n", self.folder.path().display());
        for (name, node) in &self.nodes {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
            // Writing to a string cannot fail.
            let _ = writeln!(
                report,
                "--- {name} at {}\n{}",
                node.address(),
                tail.join("\n")
            );
        }
        report
    }

    /// Refuses a run in which a process ended by itself or panicked.
    ///
    /// # Errors
    /// The first such node.
    pub fn check_health(&mut self) -> Result<()> {
        for (name, node) in &mut self.nodes {
            if let Some(status) = node.unexpected_end() {
                bail!("{name} ended by itself with {status}");
            }
            let log = node.log();
            if let Some(line) = log.lines().find(|line| line.contains("panicked at")) {
                bail!("{name} panicked: {line}");
            }
        }
        Ok(())
    }
}

fn is_port_clash(report: &str) -> bool {
    let report = report.to_lowercase();
    report.contains("address already in use") || report.contains("address in use")
}
