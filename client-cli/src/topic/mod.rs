//! `trimaran topic`: one file an operation.

mod create;
mod delete;
mod describe;
mod list;
mod trim;

use clap::Subcommand;
use trimaran_types::TopicName;

pub(crate) use create::CreateArguments;
pub(crate) use delete::delete;
pub(crate) use describe::{describe, describe_created, text as description};
pub(crate) use trim::TrimArguments;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::Printer;

/// What to do with topics.
#[derive(Debug, Subcommand)]
pub(crate) enum TopicCommand {
    /// Create a topic; answers when its partitions have leaders.
    Create(CreateArguments),
    /// List all topics.
    #[command(visible_alias = "ls")]
    List,
    /// Show a topic's partitions: leaders, in-sync replicas, epochs, and the last change.
    Describe {
        /// The topic.
        topic: TopicName,
    },
    /// Delete a topic and its records, for good.
    #[command(visible_alias = "rm")]
    Delete {
        /// The topic.
        topic: TopicName,
    },
    /// Delete the oldest records of a partition, for good, on every replica.
    Trim(TrimArguments),
}

impl TopicCommand {
    /// # Errors
    /// As the operation says.
    pub(crate) async fn run(
        self,
        connection: &Connection,
        mut printer: Printer,
    ) -> Result<(), Failure> {
        match self {
            Self::Create(arguments) => {
                let data = arguments.create(connection).await?;
                if let Some(warning) = create::warning(&arguments.configs, &data) {
                    eprint_line(&warning);
                }
                let created = describe_created(connection, &arguments.topic).await?;
                printer.result(&created, description)
            }
            Self::List => printer.result(&list::all(connection).await?, list::text),
            Self::Describe { topic } => {
                printer.result(&describe(connection, &topic).await?, description)
            }
            Self::Delete { topic } => {
                delete(connection, &topic).await?;
                printer.result(&serde_json::json!({ "deleted": topic }), |_| {
                    format!("topic '{topic}' is deleted")
                })
            }
            Self::Trim(arguments) => printer.result(&arguments.trim(connection).await?, trim::text),
        }
    }
}

/// A word beside the result, for people alone.
fn eprint_line(text: &str) {
    use std::io::Write as _;
    // A terminal that is gone needs no word.
    let _ = writeln!(std::io::stderr(), "{text}");
}
