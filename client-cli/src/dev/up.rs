//! `trimaran dev`: starts a cluster and stays with it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::UpArguments;
use super::cluster::{Cluster, not_running};
use super::layout::Layout;
use super::node_name::{NodeName, NodeRole};
use super::node_view::{HEADER, NodeState, NodeView, row};
use super::programs::Programs;
use super::signals::Signals;
use crate::failure::Failure;
use crate::output::{Printer, milliseconds, table};

/// Starts the cluster, says where it is, and stops it when asked to end.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn run(arguments: UpArguments, mut printer: Printer) -> Result<(), Failure> {
    let programs = Programs::find()?;
    let layout = Layout::open_or_create(&arguments.data, arguments.wanted())?;
    let mut signals = Signals::catch()?;
    let cluster = Cluster::start(layout, programs).await?;
    let ready = tokio::select! {
        ready = cluster.ready() => ready,
        () = signals.next() => {
            stop(&cluster, &mut signals).await;
            return Ok(());
        }
    };
    let told = match ready {
        Ok(views) => tell(&cluster, &views, &arguments.data, &mut printer),
        Err(failure) => Err(failure),
    };
    if let Err(failure) = told {
        stop(&cluster, &mut signals).await;
        return Err(failure);
    }
    stay(&cluster, &mut signals).await;
    stop(&cluster, &mut signals).await;
    Ok(())
}

/// Where everything is, and what to try.
fn tell(
    cluster: &Cluster,
    views: &[NodeView],
    data: &Path,
    printer: &mut Printer,
) -> Result<(), Failure> {
    let took = cluster.started().elapsed();
    let result = json!({
        "data": cluster.layout().folder(),
        "ready_seconds": took.as_secs_f64(),
        "nodes": views,
    });
    printer.result(&result, |_| {
        let first = views.iter().find(|view| view.node.role == NodeRole::Broker);
        let first = first.map_or("127.0.0.1:8082", |view| view.address.as_str());
        let server = if data == Path::new(super::FOLDER_DEFAULT) {
            String::new()
        } else {
            format!(
                "  export TRIMARAN_SERVER={}\n",
                cluster.layout().broker_addresses().join(",")
            )
        };
        format!(
            "{}\n\nReady in {}. Data: {}\n\nTry, in another terminal:\n{server}  \
             trimaran topic create orders --partitions 3\n  \
             echo '{{\"id\": 1}}' | trimaran produce orders --key-field id\n  \
             trimaran consume orders --follow\n  \
             trimaran quorum\n  \
             trimaran dev kill broker-1{data_option}     (SIGKILL; then: trimaran broker list)\n  \
             curl -s http://{first}/topics\n\n\
             Ctrl-C stops the cluster; the same command resumes it.",
            table(&HEADER, views.iter().map(row).collect()),
            milliseconds(took),
            cluster.layout().folder().display(),
            data_option = data_option(data),
        )
    })
}

fn data_option(data: &Path) -> String {
    if data == Path::new(super::FOLDER_DEFAULT) {
        String::new()
    } else {
        format!(" --data {}", data.display())
    }
}

/// Reports nodes that end by themselves, until asked to end.
pub(crate) async fn stay(cluster: &Cluster, signals: &mut Signals) {
    let mut nodes = cluster.nodes().clone();
    let mut reported: BTreeSet<NodeName> = BTreeSet::new();
    loop {
        for view in nodes.views() {
            if view.state != NodeState::Died {
                reported.remove(&view.node);
            } else if reported.insert(view.node) {
                not_running(&view).report(crate::output::OutputFormat::Table);
                say(&format!(
                    "  to start it again: trimaran dev start {}",
                    view.node
                ));
            }
        }
        tokio::select! {
            () = nodes.changed() => {}
            () = signals.next() => return,
        }
    }
}

/// Stops the cluster; a second signal ends it at once.
pub(crate) async fn stop(cluster: &Cluster, signals: &mut Signals) {
    say("stopping: brokers hand over their leaderships, then the controllers stop; again to kill");
    tokio::select! {
        () = cluster.stop() => {}
        () = signals.next() => cluster.kill().await,
    }
}

fn say(text: &str) {
    // Standard error may be gone with its terminal.
    let _ = writeln!(std::io::stderr(), "{text}");
}
