//! Decisions about partitions: who is in the ISR, and who leads.
//!
//! `alter` judges what a leader asks for. `fallout` finds the partitions that a broker's coming or
//! going touches, `damage` those that it reports as damaged, `room` those that it cannot append to.
//! All leave the making of the change to `change_builder`, the one place that turns a wanted ISR into
//! a record, and that asks `election` for a leader.

mod alter;
mod change_builder;
mod damage;
mod election;
mod fallout;
mod min_isr;
mod room;
mod sweep;

pub use alter::alter_partitions;
pub(super) use damage::changes_of_reports;
pub(super) use fallout::{Loss, changes_of_departure, changes_of_return};
pub(super) use min_isr::changes_of_min_isr;
pub use room::LackingRoom;
pub(super) use room::changes_for_room;
pub use sweep::elect_leaderless;
