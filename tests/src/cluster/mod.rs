//! A cluster of real processes in a folder of its own, on free ports.
//!
//! Processes are started, killed, stopped, wiped and restarted one by one. Whatever happens to the
//! test, the processes end with it; when it fails, their logs stay and their ends are printed.

mod binaries;
mod control;
mod folder;
mod layout;
mod node;
mod node_name;
mod ports;
mod readiness;
mod replica_bytes;
mod running;
mod scenario;
mod spawner;
mod spec;

pub use binaries::find_binary;
pub use node::Node;
pub use node_name::NodeName;
pub use ports::free_port;
pub use readiness::is_ready;
pub use running::Cluster;
pub use scenario::{block_on, is_long_run, scenario};
pub use spec::{ClusterSpec, Storage};
