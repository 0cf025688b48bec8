//! The two listeners: what clients may ask, and what other brokers may.
//!
//! They share nothing but their state: a path of the inter-node router cannot be reached through
//! the client's. One file a resource; `v2` and `v3` after the REST APIs that they speak.

mod admin;
mod answer_body;
mod app;
mod both_listeners;
mod client_router;
mod content_type;
mod health;
mod inter_node;
mod json_error;
mod json_scalar;
mod measure;
mod metrics_page;
mod path_names;
mod query;
mod refusal;
mod request_body;
mod route_errors;
mod service;
mod topic_lookup;
mod trailing_slash;
mod v2;
mod v3;
mod views;

pub use app::App;
pub use client_router::client_router;
pub use inter_node::inter_node_router;
#[cfg(test)]
pub(crate) use inter_node::{append_stream, fetch as fetch_stream};
pub use refusal::Refusal;
pub use service::{Service, ServiceParts};

#[cfg(test)]
mod client_test;
#[cfg(test)]
mod codec_test;
#[cfg(test)]
mod links_test;
#[cfg(test)]
mod memory_test;
#[cfg(test)]
mod stream_test;
#[cfg(test)]
mod test_client;
#[cfg(test)]
mod time_test;
