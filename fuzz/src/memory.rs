//! A bound on the memory that decoding takes, measured.

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Most bytes that may be held for each byte of input.
const RATIO_MAX: usize = 8;

/// Does `work`, which may hold at most eight times `input_bytes`, and `fixed_bytes` that do not
/// depend on the input.
///
/// # Panics
/// It held more.
pub fn within<T>(input_bytes: usize, fixed_bytes: usize, work: impl FnOnce() -> T) -> T {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let done = work();
    let held = MEMORY.peak_usage().saturating_sub(before);
    let bytes_max = input_bytes * RATIO_MAX + fixed_bytes;
    assert!(
        held <= bytes_max,
        "held {held} bytes for {input_bytes} bytes of input, {bytes_max} are allowed"
    );
    done
}
