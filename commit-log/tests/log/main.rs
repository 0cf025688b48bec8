//! The commit log through its public face, on a real file system.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aborted;
mod by_time;
mod clean_crash;
mod clean_model;
mod clean_rig;
mod clean_rules;
mod clean_swap;
mod clean_upkeep;
mod cleaner;
mod crash;
mod damage;
mod descriptors;
mod dir;
mod dump_tool;
mod epochs;
mod faults;
mod few_descriptors;
mod files;
mod flusher;
mod inspect;
mod joins;
mod joins_rig;
mod joint;
mod journal;
mod journal_descriptors;
mod journal_places;
mod kafka_wrote;
mod model;
mod opens_by;
mod producer_model;
mod producers;
mod readers;
mod reads_by_need;
mod retention;
mod rig;
mod room;
mod room_recovery;
mod scrub;
mod scrub_races;
mod seals;
mod truncate;
mod whole_model;
