//! The controller: it decides, replicates and publishes what the cluster knows.
//!
//! A change travels: `http` (parse, forward) → `proposer` (decide on what is pending, pack) →
//! `decide` (pure) → raft → the raft store; after commit `state_machine` (replay) → `published`
//! (the image, for everyone who reads) → `feed` (the brokers' long polls). Liveness is soft state
//! in `sessions`. A directory's identity is `directory`; how a quorum comes to be is `bootstrap`;
//! how it all starts and ends is `lifecycle`.

mod bootstrap;
mod clock;
mod config;
pub mod decide;
mod directory;
mod fatal;
mod feed;
mod feed_ring;
mod http;
mod knock;
mod leader_contact;
mod leader_watch;
mod lifecycle;
mod meta_properties;
mod metrics;
mod node;
mod proposer;
mod published;
mod quorum;
mod raft_group;
mod raft_network;
mod running;
mod sessions;
mod standing;
mod state_machine;
mod stored_codec;
mod succession;
mod type_config;
mod voter_address;

pub use config::ControllerConfig;
pub use directory::DirectoryError;
pub use fatal::Fatal;
pub use lifecycle::{Controller, StartError};
pub use voter_address::{InvalidVoterAddress, VoterAddress};
