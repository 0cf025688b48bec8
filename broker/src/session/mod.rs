//! The broker's session with the controllers: registration, heartbeats, and a connection that shows
//! its death.
//!
//! The controllers decide whether the broker is in service; this part tells them what they decide
//! on, and tells the rest of the broker what they decided. A broker that loses its registration
//! registers again, under a new epoch, without a restart.

mod connection;
mod damage_report;
mod error;
mod heartbeats;
mod identity;
mod lease;
mod registration;
mod state;
mod wants;

pub use damage_report::DamageReport;
pub use error::SessionError;
pub use heartbeats::{Session, SessionStart};
pub use identity::BrokerIdentity;
pub use lease::Lease;
pub use registration::register;
pub use state::SessionState;
pub use wants::SessionWants;

#[cfg(test)]
mod session_test;
