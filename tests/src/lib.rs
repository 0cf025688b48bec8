//! Proof by real processes: a cluster is started, hurt and judged by what its clients saw.
//!
//! [`cluster`] runs controllers and brokers as the operating system's processes, [`client`] talks to
//! them as any user would, [`history`] keeps what each client asked and was told, and [`checker`]
//! judges that history against the promises. [`workload`] ties them together: load while something
//! breaks, then the verdict. Nothing here knows how the cluster works inside.

pub mod checker;
pub mod client;
pub mod cluster;
pub mod history;
mod wait;
pub mod workload;

pub use wait::until;
