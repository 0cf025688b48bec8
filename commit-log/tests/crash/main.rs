//! Crashes and failing disks: whatever the disk does, what was synced is there.
//!
//! `TRIMARAN_LONG=1` tries many more seeds, and lifts the caps on what is tried of each.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bit_flips;
mod every_crash;
mod failing_calls;
mod failing_upkeep;
mod flushed_end;
mod full_disk;
mod held_calls;
mod journal;
mod power_cut;
mod producers;
mod promises;
mod real_faults;
mod sealed_meanwhile;
mod seeded;
mod sim_disk;
mod taken_back;
mod upkeep;
mod verdicts;
mod workload;

/// How many seeds to try: few as a rule, many when asked.
fn seeds(few: u64, many: u64) -> std::ops::Range<u64> {
    0..if is_long() { many } else { few }
}

fn is_long() -> bool {
    std::env::var_os("TRIMARAN_LONG").is_some_and(|value| value == "1")
}
