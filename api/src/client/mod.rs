//! The calls that nodes and tools make, on one pooled HTTP client.

mod call;
mod call_error;
mod controllers;
mod http_client;

pub use call::{call, call_bytes, read_body};
pub use call_error::CallError;
pub use controllers::Controllers;
pub use http_client::http_client;
