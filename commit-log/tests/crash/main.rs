//! Crashes and failing disks: whatever the disk does, what was synced is there.
//!
//! `TRIMARAN_LONG=1` tries many more seeds.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bit_flips;
mod every_crash;
mod failing_calls;
mod flushed_end;
mod full_disk;
mod power_cut;
mod promises;
mod real_faults;
mod seeded;
mod sim_disk;
mod taken_back;
mod upkeep;
mod workload;

/// How many seeds to try: few as a rule, many when asked.
fn seeds(few: u64, many: u64) -> std::ops::Range<u64> {
    let is_long = std::env::var_os("TRIMARAN_LONG").is_some_and(|value| value == "1");
    0..if is_long { many } else { few }
}
