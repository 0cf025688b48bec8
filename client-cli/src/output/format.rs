//! [`OutputFormat`].

/// For whom output is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum OutputFormat {
    /// Aligned columns, for people.
    Table,
    /// One JSON value, or one a line where results stream; for programs.
    Json,
}
