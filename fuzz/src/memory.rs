//! A bound on the memory that decoding takes, measured.
//!
//! The rule is eight times the input. What a target adds to it, it names: what the code holds by design
//! whatever the input is, and what the caller has asked for. The measure counts every allocation of the
//! program, both pieces of one that grows. It does not see what the C library of zstd takes, which is one
//! context of fixed size; a unit test of the crate holds that.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Most bytes that may be held for each byte of input.
const RATIO_MAX: usize = 8;

/// Does `work`, which may hold at most eight times `input_bytes`, `fixed_bytes` that do not depend on the
/// input, and as many more as it says itself: those that it was asked to make.
///
/// # Panics
/// It held more.
pub fn within(input_bytes: usize, fixed_bytes: usize, work: impl FnOnce() -> usize) {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let made_bytes = work();
    let held = MEMORY.peak_usage().saturating_sub(before);
    let bytes_max = input_bytes * RATIO_MAX + fixed_bytes + made_bytes;
    assert!(
        held <= bytes_max,
        "held {held} bytes for {input_bytes} bytes of input and {made_bytes} of output, {bytes_max} are allowed"
    );
}
