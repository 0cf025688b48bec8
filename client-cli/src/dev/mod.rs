//! `trimaran dev`: a cluster of real processes on this machine, to try and to disturb.

mod child;
mod cluster;
mod control;
mod control_client;
mod control_server;
mod event;
mod launch;
mod layout;
mod node_config;
mod node_name;
mod node_view;
mod ports;
mod programs;
mod progress;
mod readiness;
mod signals;
mod supervisor;
mod up;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) use cluster::Cluster;
pub(crate) use control::running_brokers;
pub(crate) use layout::{Layout, Wanted};
pub(crate) use node_name::NodeName;
pub(crate) use programs::Programs;
pub(crate) use signals::Signals;
pub(crate) use up::{stay, stop};

use crate::failure::Failure;
use crate::output::{Printer, table};
use control::Request;
use node_view::{HEADER, NodeView, row};

/// Where a development cluster lies when nobody says otherwise.
pub(crate) const FOLDER_DEFAULT: &str = ".trimaran-dev";

/// Start a cluster, or disturb the one that runs.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct DevArguments {
    #[command(subcommand)]
    command: Option<DevCommand>,
    #[command(flatten)]
    up: UpArguments,
}

/// What to start.
#[derive(Debug, Args)]
pub(crate) struct UpArguments {
    /// Controllers; default 3, or what the folder holds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(layout::NODES_MAX)))]
    controllers: Option<u32>,
    /// Brokers; default 3, or what the folder holds.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(layout::NODES_MAX)))]
    brokers: Option<u32>,
    /// Where data, configuration and logs lie; the same folder resumes the same cluster.
    #[arg(long, value_name = "DIR", default_value = FOLDER_DEFAULT)]
    data: PathBuf,
    /// First of the consecutive ports to use; default: free ones, from 8082 on if those are.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    base_port: Option<u16>,
}

/// What to do to a running cluster, from another terminal.
#[derive(Debug, Subcommand)]
enum DevCommand {
    /// Kill a node with SIGKILL, as a crash would.
    Kill(NodeArguments),
    /// Stop a node gracefully.
    Stop(NodeArguments),
    /// Start a node again.
    Start(NodeArguments),
    /// Show the nodes and their processes.
    Status {
        /// The cluster's folder.
        #[arg(long, value_name = "DIR", default_value = FOLDER_DEFAULT)]
        data: PathBuf,
    },
    /// Runs a node that ends with its parent; `dev` starts its nodes by it.
    #[command(hide = true)]
    Node {
        #[arg(long)]
        parent: u32,
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<OsString>,
    },
}

/// Which node of which cluster.
#[derive(Debug, Args)]
struct NodeArguments {
    /// The node: broker-2, controller-1.
    node: NodeName,
    /// The cluster's folder.
    #[arg(long, value_name = "DIR", default_value = FOLDER_DEFAULT)]
    data: PathBuf,
}

impl UpArguments {
    fn wanted(&self) -> Wanted {
        Wanted {
            controllers: self.controllers,
            brokers: self.brokers,
            base_port: self.base_port,
        }
    }
}

impl DevArguments {
    /// Whether this process is to become a node.
    pub(crate) fn launches_node(&self) -> bool {
        matches!(self.command, Some(DevCommand::Node { .. }))
    }

    /// Becomes a node; returns only on failure.
    ///
    /// # Errors
    /// When it cannot.
    pub(crate) fn launch_node(self) -> Result<(), Failure> {
        match self.command {
            Some(DevCommand::Node { parent, program }) => launch::become_node(parent, &program),
            _ => Err(Failure::usage("no node to launch")),
        }
    }

    /// Starts a cluster and stays with it, or passes a wish to the one that runs.
    ///
    /// # Errors
    /// As the command says.
    pub(crate) async fn run(self, mut printer: Printer) -> Result<(), Failure> {
        let (data, request) = match self.command {
            None => return Box::pin(up::run(self.up, printer)).await,
            Some(DevCommand::Kill(NodeArguments { node, data })) => (data, Request::Kill { node }),
            Some(DevCommand::Stop(NodeArguments { node, data })) => (data, Request::Stop { node }),
            Some(DevCommand::Start(NodeArguments { node, data })) => {
                (data, Request::Start { node })
            }
            Some(DevCommand::Status { data }) => (data, Request::Status),
            Some(DevCommand::Node { .. }) => return Err(Failure::usage("no node to launch here")),
        };
        let nodes = control_client::ask(&data, request).await?;
        printer.result(&nodes, |nodes| status(nodes))
    }
}

fn status(nodes: &[NodeView]) -> String {
    table(&HEADER, nodes.iter().map(row).collect())
}
