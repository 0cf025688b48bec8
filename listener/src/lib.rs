//! A bounded HTTP/1.1 listener: where it may bind, how many connections it keeps, how it ends,
//! and how it learns that a silent peer is gone.
//!
//! Every bound has a number in [`Limits`]. What the connections ask for is the router's business.

mod bind;
mod impatient;
mod keepalive;
mod limits;
mod serve;

pub use bind::{BindError, bind};
pub use limits::Limits;
pub use serve::serve;
