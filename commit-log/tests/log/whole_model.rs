//! One log, and everything that may be done to it, in any order, against a plain `Vec`.
//!
//! * A record is absent only if it lies below the log start, was cut off or never synced, or if a pass of the cleaner has
//!   taken it: one that a later record of its key supersedes, below what the pass has looked at, or a tombstone past its
//!   horizon. The last value of each key is always there.
//! * What is there is as it was written, bit for bit, at its offset, in order.
//! * What was synced survives: the end of the process, a power cut, a restart; and nothing else comes back.
//! * The high watermark bounds cuts, retention and compaction, and what a producer repeats is written once.

use proptest::prelude::*;

mod checks;
mod cleaning;
mod follow;
mod memory_disk;
mod model;
mod operation;
mod replica;
mod upkeep;

use memory_disk::Loss;
use operation::{Form, Operation, form, operations};
use replica::Replica;

/// Few by default; thousands with `TRIMARAN_LONG=1`.
fn cases() -> u32 {
    if std::env::var_os("PROPTEST_CASES").is_some() {
        ProptestConfig::default().cases
    } else if std::env::var_os("TRIMARAN_LONG").is_some() {
        4000
    } else {
        64
    }
}

fn run(form: Form, operations: &[Operation]) {
    let mut replica = Replica::new(form);
    for operation in operations {
        replica = replica.apply(operation);
        replica.check();
    }
    replica.close(Loss::NOTHING).check();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn a_log_is_a_vec_whatever_is_done_to_it(form in form(), operations in operations()) {
        run(form, &operations);
    }
}
