//! Retention: which segments of a log may go, and what becomes of their files.
//!
//! Deciding is pure ([`plan()`]); the log's owner carries it out in three steps, and a stop between
//! any two of them loses nothing that was not meant to go:
//!
//! 1. the log start rises in memory, and what lies below it can no longer be read;
//! 2. the new start is made durable in the directory's checkpoint;
//! 3. only then the files are renamed, and after a delay removed ([`DeletedSegments`]).
//!
//! Refuses to take anything at or above the high watermark, and a part of a segment.

mod deleted;
mod plan;

pub use deleted::DeletedSegments;
pub(crate) use plan::{RetentionLimits, SegmentFacts, plan};
