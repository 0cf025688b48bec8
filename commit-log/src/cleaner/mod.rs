//! Compaction: of all records with one key, the last one stays.
//!
//! A pass over a log reads its dirty part into an [`offset_map`], key to last
//! offset, then copies the segments in groups, without what is superseded, and has the log's owner
//! swap each copy in ([`crate::Log::replace_segments`]). Planning, grouping and the rules of what
//! stays are pure; the pass reads and writes and asks its [`CleanControl`] before it goes on.
//!
//! What always holds: offsets never change; the active segment, and what is not durable or not
//! committed, is never looked at; for every key the last record that the pass has seen stays, as a
//! tombstone until its delete horizon has passed (KIP-534); the last batch of every live producer
//! stays, so that retries are recognised, and the last one below the end of the plan, should what
//! follows be lost; the first batch of every leader epoch stays, so that who
//! learns epochs from batches learns where they began; the last batch of every segment stays, so
//! that the file tells how far it reaches. Batches that stay only for their place may be empty.

mod cleaned_segment;
mod control;
mod copying;
mod error;
mod facts;
mod gate;
mod group;
mod inputs;
mod keeping;
mod offset_map;
mod pass;
mod plan;
mod producers_at_end;
mod recode;
mod segment_batches;
mod segment_copy;
mod settings;
mod transactions;

pub use cleaned_segment::CleanedSegment;
pub use control::CleanControl;
pub use error::{CleanError, RecordsError};
pub(crate) use gate::CleaningGate;
use inputs::CleanInputs;
pub use pass::{CleanJob, CleanReport, Cleaner};
pub use plan::{CleanPlan, filthiest};
pub use settings::{CleanerSettings, CompactionSettings};
