//! Memory and processor time of the cluster's processes, from `/proc`.

use anyhow::{Context as _, Result};
use trimaran_tests::cluster::{Cluster, NodeName};

/// Clock ticks a second in `/proc/PID/stat`; 100 on every Linux that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Resident memory of one node in MiB.
pub(crate) fn resident_mib(cluster: &Cluster, name: NodeName) -> Result<f64> {
    let pid = cluster
        .node(name)?
        .process_id()
        .context("it does not run")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .context("no VmRSS")?;
    let kib: f64 = line
        .split_whitespace()
        .nth(1)
        .context("no value of VmRSS")?
        .parse()?;
    Ok(kib / 1_024.0)
}

/// Descriptors that one node has open.
pub(crate) fn open_files(cluster: &Cluster, name: NodeName) -> Result<f64> {
    let pid = cluster
        .node(name)?
        .process_id()
        .context("it does not run")?;
    let count = std::fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    Ok(u32::try_from(count).map_or(f64::MAX, f64::from))
}

/// User and system time of all running nodes together, in seconds.
pub(crate) fn cpu_seconds(cluster: &Cluster) -> Result<f64> {
    let mut ticks = 0.0;
    for name in cluster.names() {
        let Some(pid) = cluster.node(name)?.process_id() else {
            continue;
        };
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The program's name may hold spaces, so count from behind its closing bracket.
        let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
        let mut fields = fields.split_whitespace().skip(11);
        for _ in 0..2 {
            ticks += fields.next().context("stat is too short")?.parse::<f64>()?;
        }
    }
    Ok(ticks / TICKS_PER_SECOND)
}
