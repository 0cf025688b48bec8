//! The controller's listener: one file a resource.

mod answer;
mod app;
mod bootstrap;
mod brokers;
mod cluster;
mod forward;
mod health;
mod identity;
mod leader_call;
mod metadata;
mod metrics;
mod partitions;
mod quorum;
mod router;
mod session;
mod topics;

pub(crate) use answer::{Refusal, msgpack_answer};
pub(crate) use app::App;
use leader_call::LeaderCall;
pub(crate) use router::router;
