//! Bad input and bounds: every request that a client must not send, and what it is told.
//!
//! Each row goes to each broker, so that the way through another broker is tried as well, and after
//! each row the partitions must end where they ended before: nothing is ever half-written.

mod broken_http;
mod case;
mod configuration;
mod json_bodies;
mod nobody_to_serve;
mod node_only_paths;
mod paths_and_names;
mod request;
mod sizes;
mod table;
mod topic_admin;
mod v3_stream;
