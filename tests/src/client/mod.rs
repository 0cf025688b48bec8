//! Clients as users have them: HTTP to any broker, with the rules a careful program follows.

mod admin;
mod answer;
mod consumer;
mod produce;
mod producer;
mod raw_http;
mod rest;
mod whole_log;

pub use admin::Admin;
pub use answer::Answer;
pub use consumer::{Consumer, ConsumerPlan};
pub use produce::{ProduceRequest, RecordFate};
pub use producer::{OnUnknown, Producer, ProducerPlan};
pub use raw_http::{RawAnswer, exchange, hang_up_after};
pub use rest::Rest;
pub use whole_log::{end_offset, read_whole};
