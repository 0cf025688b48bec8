//! How results reach people (tables) and programs (JSON).

mod ages;
mod counts;
mod format;
mod printer;
mod tables;

pub(crate) use ages::{age, milliseconds, timestamp};
pub(crate) use counts::{grouped, list};
pub(crate) use format::OutputFormat;
pub(crate) use printer::Printer;
pub(crate) use tables::table;
