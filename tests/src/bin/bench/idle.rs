//! What a cluster costs that nobody uses.

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, sleep};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, Storage};

use super::options::Options;
use super::report::Report;
use super::resources::{cpu_seconds, resident_mib};
use super::statistics::largest;

const PART: &str = "idle";

pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<()> {
    let spec = ClusterSpec::three_and_three().storage(Storage::Disk);
    let cluster = Cluster::start(&spec).await?;
    sleep(options.warm_up()).await;
    let (began, before) = (Instant::now(), cpu_seconds(&cluster)?);
    sleep(options.row_length().max(Duration::from_secs(2))).await;
    let cpu = (cpu_seconds(&cluster)? - before) / began.elapsed().as_secs_f64();
    let largest_of = |name: fn(u32) -> NodeName| -> Result<f64> {
        let sizes: Result<Vec<f64>> = (1..=3).map(|id| resident_mib(&cluster, name(id))).collect();
        Ok(largest(&sizes?))
    };
    let controller = largest_of(NodeName::Controller)?;
    let broker = largest_of(NodeName::Broker)?;
    report.add(
        PART,
        "resident memory of a controller, largest of 3".to_owned(),
        controller,
        "MiB",
    );
    report.add(
        PART,
        "resident memory of a broker, largest of 3".to_owned(),
        broker,
        "MiB",
    );
    report.add(
        PART,
        "processor time of all six together".to_owned(),
        cpu * 100.0,
        "% of a core",
    );
    Ok(())
}
