//! What crosses HTTP: paths, messages and errors, for clients and between nodes.
//!
//! Three listeners, three modules: [`rest`] is what users call on a broker, [`replica`] what brokers
//! call on each other, [`controller`] what brokers and operators call on a controller. The messages
//! decide nothing; whoever receives them validates. With the feature `client` there is a client for
//! the calls that nodes and tools make.

pub mod body;
#[cfg(feature = "client")]
pub mod client;
pub mod controller;
mod error;
pub mod headers;
pub mod paths;
pub mod replica;
pub mod rest;

pub use error::{ApiError, ErrorBody};
