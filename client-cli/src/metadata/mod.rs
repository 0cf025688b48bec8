//! `trimaran metadata`: the log of every decision of the cluster, and what it adds up to.

mod get;
mod known;
mod log;
mod record_text;

use clap::Subcommand;

pub(crate) use log::LogArguments;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Printer;

/// What to read of the metadata.
#[derive(Debug, Subcommand)]
pub(crate) enum MetadataCommand {
    /// The committed metadata log, one line a record, oldest first.
    Log(LogArguments),
    /// What the cluster knows now, as JSON: all of it, or the part at PATH.
    Get {
        /// The way into the tree, such as topics/orders or brokers/1; default: all of it.
        #[arg(default_value = "")]
        path: String,
    },
}

impl MetadataCommand {
    /// # Errors
    /// When no controller answers, or there is nothing at the place asked for.
    pub(crate) async fn run(
        self,
        connection: &Connection,
        mut printer: Printer,
    ) -> Result<(), Failure> {
        match self {
            Self::Log(arguments) => arguments.run(connection, &mut printer).await,
            Self::Get { path } => get::run(connection, &path, &mut printer).await,
        }
    }
}
