//! What clients asked, what they were told, and when: the only evidence that the checker gets.

mod attempt;
mod gaps;
mod read;
mod recorder;
mod value_id;

pub use attempt::{Attempt, AttemptOutcome};
pub use gaps::{Gap, longest_gap};
pub use read::{FinalRead, PositionRefused, Read, SeenRecord};
pub use recorder::{History, Recorder};
pub use value_id::ValueId;
