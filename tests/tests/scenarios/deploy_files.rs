//! The files in `deploy/` are not prose: a cluster starts from exactly these, but for the folders.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, scenario};
use trimaran_tests::workload::{Workload, WorkloadPlan};

#[test]
fn a_cluster_starts_from_the_files_in_deploy() {
    let ports = match fixed_ports() {
        Ok(ports) => ports,
        Err(error) => panic!("{error:#}"),
    };
    if let Some(port) = ports
        .iter()
        .find(|port| TcpListener::bind(("127.0.0.1", **port)).is_err())
    {
        eprintln!("skipped: port {port}, which a file in deploy/ names, is taken on this machine");
        return;
    }
    // The cluster of the harness only lends its folder and its book-keeping.
    scenario(&ClusterSpec::new(0, 0), async |_: &mut Cluster| run().await);
}

async fn run() -> Result<()> {
    let mut cluster = Cluster::prepare(&ClusterSpec::three_and_three())?;
    let outcome = start_and_use(&mut cluster).await;
    if outcome.is_err() {
        cluster.keep_folder();
    }
    outcome.with_context(|| cluster.report())
}

async fn start_and_use(cluster: &mut Cluster) -> Result<()> {
    for name in cluster.names() {
        let file = deploy_folder().join(format!("{name}.toml"));
        let addresses = addresses(name, &file)?;
        let node = cluster.node_mut(name)?;
        let data = node.data_path().display().to_string();
        let key = match name {
            NodeName::Controller(_) => "metadata.log.dir",
            NodeName::Broker(_) => "log.dirs",
        };
        node.use_config(file);
        node.add_arguments(["--set".to_owned(), format!("{key}={data}")]);
        node.use_addresses(addresses.0, addresses.1);
    }
    cluster.restart_all().await?;
    let mut workload = Workload::start(cluster, WorkloadPlan::new("deployed")).await?;
    workload.wait_for_progress(20).await?;
    workload.finish().await?;
    cluster.stop_all().await?;
    tokio::time::timeout(Duration::from_secs(1), async { cluster.check_health() }).await?
}

fn deploy_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy")
}

/// The listeners that a file names: for clients and for nodes. A controller listens where the list of
/// voters says.
fn addresses(name: NodeName, file: &Path) -> Result<(String, String)> {
    let text =
        std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(key));
        let value = line.and_then(|rest| rest.trim_start().strip_prefix('='));
        value.with_context(|| format!("{} does not set {key}", file.display()))
    };
    let plain = |text: &str| {
        text.trim()
            .trim_matches(['"', '\'', '[', ']', ' '])
            .to_owned()
    };
    Ok(match name {
        NodeName::Controller(id) => {
            let voters = value("controller.quorum.voters")?;
            let own = format!("{id}@");
            let voters = voters.split(',').map(plain);
            let address = voters
                .into_iter()
                .find_map(|it| it.strip_prefix(&own).map(str::to_owned));
            let address = address.with_context(|| format!("{name} is no voter of its own file"))?;
            (address.clone(), address)
        }
        NodeName::Broker(_) => (
            plain(value("listeners.client")?),
            plain(value("listeners.inter_node")?),
        ),
    })
}

fn fixed_ports() -> Result<Vec<u16>> {
    let mut ports = Vec::new();
    for id in 1..=3 {
        for name in [NodeName::Controller(id), NodeName::Broker(id)] {
            let file = deploy_folder().join(format!("{name}.toml"));
            let (client, inter_node) = addresses(name, &file)?;
            for address in [client, inter_node] {
                let port = address
                    .rsplit(':')
                    .next()
                    .context("an address without a port")?;
                ports.push(port.parse()?);
            }
        }
    }
    Ok(ports)
}
