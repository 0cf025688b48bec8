//! The data broker: serves its partitions over HTTP, and any partition through the broker that
//! leads it.
//!
//! Reading order: `lifecycle` (how a broker starts and stops), `metadata_follower` and `session`
//! (what it knows, and whether it is in service), `http` (what clients may ask), `routing` (which
//! broker does the work), then the data plane behind it.

pub mod assignments;
mod beside;
pub mod byte_budget;
pub mod codec_work;
pub mod config;
pub mod context;
pub mod controller_link;
mod error_chain;
pub mod fetcher;
pub mod http;
pub mod isr_changes;
pub mod lifecycle;
pub mod log_cleaner;
pub mod log_scrub;
pub mod log_upkeep;
pub mod logging;
pub mod metadata_follower;
pub mod metrics;
mod node_stream;
pub mod partition;
pub mod partitioner;
pub mod produce;
pub mod readiness;
pub mod replicas;
pub mod routing;
pub mod session;
pub mod wall_clock;
