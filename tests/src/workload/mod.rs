//! Load on a topic while something breaks, and the verdict afterwards.

mod plan;
mod running;

pub use plan::WorkloadPlan;
pub use running::Workload;
