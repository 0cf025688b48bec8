//! A node's configuration file: TOML under Kafka's dotted names.
//!
//! TOML's dotted keys and tables are one and the same here: `broker.session.timeout.ms = 1500` and
//! `[broker.session]` with `timeout.ms = 1500` set the same key. A key that nobody asks for is an
//! error that names its nearest neighbour, so that a typing mistake never runs as a default.

mod error;
mod flatten;
mod settings;

pub use error::ConfigError;
pub use settings::Settings;
