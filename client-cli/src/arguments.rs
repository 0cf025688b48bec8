//! [`Arguments`]: the command line, and where it finds a cluster.

use std::path::Path;

use clap::{Args, Parser, Subcommand};

use crate::broker::BrokerCommand;
use crate::connection::Connection;
use crate::consume::ConsumeArguments;
use crate::demo::DemoArguments;
use crate::dev::{self, DevArguments};
use crate::failure::Failure;
use crate::log_files::LogCommand;
use crate::metadata::MetadataCommand;
use crate::output::OutputFormat;
use crate::produce::ProduceArguments;
use crate::server_address::ServerAddress;
use crate::topic::TopicCommand;

/// Where a broker listens when nobody says otherwise.
const DEFAULT_SERVER: &str = "127.0.0.1:8082";

/// Runs, uses and inspects a Trimaran cluster.
#[derive(Debug, Parser)]
#[command(
    name = "trimaran",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Start here:\n  trimaran dev                          three controllers, three brokers, on this machine\n  \
                  trimaran topic create orders -p 3     in another terminal\n  \
                  echo '{\"id\": 1}' | trimaran produce orders --key-field id\n  \
                  trimaran consume orders\n\n\
                  Exit codes: 0 done, 1 failed, 2 not understood, 130 interrupted."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) server: ServerArguments,
    /// How results are written: tables for people, JSON for programs.
    #[arg(short, long, global = true, value_enum, default_value_t = OutputFormat::Table)]
    pub(crate) output: OutputFormat,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which brokers to ask.
#[derive(Debug, Args)]
pub(crate) struct ServerArguments {
    /// Brokers to ask, comma-separated; any one of them knows the whole cluster. Default: the
    /// development cluster that runs in this folder, else http://127.0.0.1:8082.
    #[arg(
        short,
        long = "server",
        global = true,
        env = "TRIMARAN_SERVER",
        value_delimiter = ',',
        value_name = "URL"
    )]
    pub(crate) servers: Vec<ServerAddress>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a cluster of real processes on this machine, or disturb it.
    Dev(DevArguments),
    /// Show on real data that killing a leader loses nothing.
    Demo(DemoArguments),
    /// Show the controllers: who leads, who lags.
    Quorum,
    /// Look at the brokers.
    #[command(subcommand)]
    Broker(BrokerCommand),
    /// Create, list, describe and delete topics.
    #[command(subcommand)]
    Topic(TopicCommand),
    /// Send lines from standard input to a topic.
    Produce(ProduceArguments),
    /// Read records of a topic.
    Consume(ConsumeArguments),
    /// Read what the cluster knows, and how it came to know it.
    #[command(subcommand)]
    Metadata(MetadataCommand),
    /// Read the files of partitions offline: show them, or check every byte.
    #[command(subcommand)]
    Log(LogCommand),
}

impl ServerArguments {
    /// The brokers to ask, as given or as found.
    ///
    /// # Errors
    /// When the system gives no resources for a client.
    pub(crate) fn connect(&self) -> Result<Connection, Failure> {
        let mut addresses: Vec<String> = self
            .servers
            .iter()
            .map(|server| server.authority().to_owned())
            .collect();
        if addresses.is_empty() {
            addresses = dev::running_brokers(Path::new("."))
                .unwrap_or_else(|| vec![DEFAULT_SERVER.to_owned()]);
        }
        Connection::open(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn servers_are_separated_by_commas() {
        let parsed = Arguments::parse_from(["trimaran", "-s", "http://a:1,b:2", "quorum"]);
        let servers: Vec<&str> = parsed
            .server
            .servers
            .iter()
            .map(ServerAddress::authority)
            .collect();
        assert_eq!(servers, ["a:1", "b:2"]);
        assert!(Arguments::try_parse_from(["trimaran", "-s", "https://a:1", "quorum"]).is_err());
    }

    #[test]
    fn mistakes_of_usage_exit_with_two() {
        for line in [
            vec!["trimaran", "quorums"],
            vec!["trimaran", "topic", "create", "a/b"],
            vec!["trimaran", "topic", "create", "t", "--config", "no-equals"],
            vec!["trimaran", "consume", "t", "--from", "middle"],
            vec!["trimaran", "consume", "t", "--from-time", "soon"],
            vec![
                "trimaran",
                "consume",
                "t",
                "--from",
                "3",
                "--from-time",
                "-1h",
            ],
            vec!["trimaran", "dev", "kill", "cat-1"],
            vec!["trimaran", "dev", "--brokers", "0"],
            vec!["trimaran", "-o", "yaml", "quorum"],
        ] {
            let error = Arguments::try_parse_from(&line).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line:?}");
        }
    }

    #[test]
    fn every_command_of_the_manual_parses() {
        for line in [
            "trimaran dev",
            "trimaran dev --controllers 1 --brokers 2 --data /tmp/x --base-port 20000",
            "trimaran dev kill broker-2 --data /tmp/x",
            "trimaran dev stop controller-1",
            "trimaran dev start broker-2",
            "trimaran dev status",
            "trimaran quorum -o json",
            "trimaran broker list",
            "trimaran topic create t --partitions 6 --replication-factor 3 --config a=b --config c=d",
            "trimaran topic list",
            "trimaran topic describe t",
            "trimaran topic delete t",
            "trimaran produce t --key-field f --format json",
            "trimaran consume t --partition 1 --from latest --count 5 --follow --format json",
            "trimaran consume t --from 17",
            "trimaran consume t --from-time -1h --follow",
            "trimaran consume t --from-time 2026-11-21T10:00:00Z",
            "trimaran metadata log --from 3 --limit 7 --follow",
            "trimaran metadata log --last 10",
            "trimaran metadata get topics/flights",
            "trimaran log dump DIR --records --indexes --from 7 -n 3",
            "trimaran log verify DIR -o json",
            "trimaran demo --data f.ndjson --once --dir d",
        ] {
            let parsed = Arguments::try_parse_from(line.split(' '));
            assert!(parsed.is_ok(), "{line}: {}", parsed.unwrap_err());
        }
    }
}
