//! Three replicas, a controller and a lossy network on one virtual clock, from one seed.
//!
//! Checked after every step: acknowledged records are in the log of the current leader at their
//! offset and in the log of every member of the ISR below the high watermark (P-ACKED), two replicas
//! never differ below both their high watermarks (P-ORDER, P-VISIBLE), and no high watermark of a
//! leadership goes back. Replicas are found damaged, too, and begin anew (ADR 0008). After the faults
//! end, all must converge. Mutants prove that the checks can fail.

mod cluster;
mod dice;
mod exchange;
mod node;
mod quorum;
mod roles;

use cluster::{Cluster, Mutant};

const SEEDS: u64 = 200;
const STEPS: u32 = 3_000;

fn run(seed: u64, mutant: Mutant) -> Result<Cluster, String> {
    let mut cluster = Cluster::new(seed, mutant);
    for step in 0..STEPS {
        cluster
            .step()
            .map_err(|fault| format!("seed {seed} step {step}: {fault}"))?;
    }
    cluster
        .heal()
        .map_err(|fault| format!("seed {seed} after the faults: {fault}"))?;
    Ok(cluster)
}

#[test]
fn acknowledged_records_survive_crashes_elections_and_message_loss() {
    let (mut acknowledged, mut elections, mut kept) = (0, 0, 0);
    for seed in 0..SEEDS {
        let cluster = run(seed, Mutant::None).unwrap_or_else(|fault| panic!("{fault}"));
        acknowledged += cluster.acknowledged();
        elections += cluster.elections();
        kept += cluster.kept();
    }
    // A run in which nothing happens proves nothing.
    assert!(acknowledged > 10 * SEEDS, "{acknowledged} acknowledged");
    assert!(elections > 5 * SEEDS, "{elections} elections");
    assert!(kept > SEEDS, "{kept} appends outlived their leadership");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let trace = |seed| run(seed, Mutant::None).map(|cluster| cluster.fingerprint());
    assert_eq!(trace(7), trace(7));
    assert_ne!(trace(7), trace(8));
}

#[test]
fn mutants_are_caught() {
    for mutant in [
        Mutant::FollowerReportsUnsyncedRecords,
        Mutant::TruncateToHighWatermark,
        Mutant::IgnoreBrokerEpochs,
        Mutant::ElectAnyReplica,
        Mutant::BelieveIsrAnswers,
        Mutant::ForgetUnansweredAttempts,
        Mutant::KeepTheEpochOfADamagedReplica,
        Mutant::KeepPositionsAcrossEpochs,
    ] {
        assert!(is_caught(mutant), "{mutant:?} was not caught");
    }
}

fn is_caught(mutant: Mutant) -> bool {
    (0..10 * SEEDS).any(|seed| run(seed, mutant).is_err())
}
