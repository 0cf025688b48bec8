//! `trimaran quorum`: the controllers, in the words of Kafka's `kafka-metadata-quorum` and more.

use trimaran_api::controller::{QuorumStatus, VoterRole};
use trimaran_api::paths;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Printer, age, table};

/// Shows the quorum as the controller that answers sees it.
///
/// # Errors
/// When no broker or no controller answers.
pub(crate) async fn run(connection: &Connection, mut printer: Printer) -> Result<(), Failure> {
    let status: QuorumStatus = connection.get(paths::QUORUM, &[]).await?;
    printer.result(&status, text)
}

/// The status as text: facts, the voters, a verdict.
pub(crate) fn text(status: &QuorumStatus) -> String {
    let number = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let lag_max = status.voters.iter().filter_map(|voter| voter.lag).max();
    let facts = [
        ("ClusterId:", status.cluster_id.to_string()),
        (
            "LeaderId:",
            status
                .leader_id
                .map_or_else(|| "none".to_owned(), |id| id.to_string()),
        ),
        ("LeaderEpoch:", status.leader_epoch.to_string()),
        ("HighWatermark:", status.high_watermark.to_string()),
        ("MaxFollowerLag:", number(lag_max)),
        ("LogStart:", status.log_start.to_string()),
        ("AppliedIndex:", number(status.applied_index)),
        ("SnapshotIndex:", number(status.snapshot_index)),
        ("ObservedBy:", format!("controller-{}", status.observed_by)),
    ];
    let rows = status
        .voters
        .iter()
        .map(|voter| {
            vec![
                format!("controller-{}", voter.controller_id),
                role(voter.role).to_owned(),
                number(voter.log_end),
                number(voter.lag),
                age(voter.last_contact_ms),
                voter.address.clone(),
                voter.directory_id.to_string(),
            ]
        })
        .collect();
    let mut text = String::new();
    for (name, value) in facts {
        text.push_str(&format!("{name:<16}{value}\n"));
    }
    text.push_str(&verdict(status));
    text.push_str("\n\n");
    let header = [
        "NODE",
        "ROLE",
        "LOG-END",
        "LAG",
        "LAST-CONTACT",
        "ADDRESS",
        "DIRECTORY",
    ];
    text.push_str(&table(&header, rows));
    text
}

/// One line: does it work, and how much more can it lose.
///
/// A voter counts as alive when the leader heard of it within the last two seconds; only a leader's view
/// can tell, so another observer gives no number.
fn verdict(status: &QuorumStatus) -> String {
    /// Several heartbeats at the default of 150 ms.
    const SILENT_MS: u64 = 2_000;
    let voters = status.voters.len();
    let majority = voters / 2 + 1;
    let Some(leader) = status.leader_id else {
        return format!(
            "Verdict:        NO QUORUM: no leader is known; {majority} of {voters} controllers must \
             run and reach each other"
        );
    };
    if leader != status.observed_by {
        return format!("Verdict:        led by controller-{leader}; ask again for its view");
    }
    let is_alive = |voter: &&trimaran_api::controller::VoterStatus| {
        voter.controller_id == leader || voter.last_contact_ms.is_some_and(|ms| ms < SILENT_MS)
    };
    let alive = status.voters.iter().filter(is_alive).count();
    let spare = alive.saturating_sub(majority);
    let word = if alive == voters {
        "HEALTHY"
    } else {
        "DEGRADED"
    };
    let s = if spare == 1 { "" } else { "s" };
    format!(
        "Verdict:        {word}: {alive} of {voters} voters heard of, tolerates {spare} more failure{s}"
    )
}

const fn role(role: VoterRole) -> &'static str {
    match role {
        VoterRole::Leader => "leader",
        VoterRole::Follower => "follower",
        VoterRole::Candidate => "candidate",
        VoterRole::Learner => "learner",
        VoterRole::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(leader: Option<u32>, contacts: [Option<u64>; 3]) -> QuorumStatus {
        let voters: Vec<serde_json::Value> = contacts
            .iter()
            .zip(1_u32..)
            .map(|(contact, id)| {
                serde_json::json!({
                    "controller_id": id,
                    "directory_id": "AAAAAAAAAAAAAAAAAAAAAQ",
                    "address": format!("127.0.0.1:{}", 9092 + id),
                    "role": if leader == Some(id) { "leader" } else { "follower" },
                    "log_end": 214, "lag": 0, "last_contact_ms": contact,
                })
            })
            .collect();
        serde_json::from_value(serde_json::json!({
            "cluster_id": "AAAAAAAAAAAAAAAAAAAAAg", "observed_by": 1, "leader_id": leader,
            "leader_epoch": 3, "high_watermark": 214, "applied_index": 213,
            "snapshot_index": null, "log_start": 0, "voters": voters,
        }))
        .unwrap()
    }

    #[test]
    fn the_verdict_counts_what_may_still_fail() {
        let healthy = text(&status(Some(1), [None, Some(43), Some(51)]));
        assert!(healthy.contains("HEALTHY: 3 of 3 voters heard of, tolerates 1 more failure\n"));
        assert!(
            healthy.contains("controller-2  follower  214      0    43ms ago"),
            "{healthy}"
        );
        let degraded = text(&status(Some(1), [None, Some(43), Some(9_000)]));
        assert!(degraded.contains("DEGRADED: 2 of 3 voters heard of, tolerates 0 more failures"));
        assert!(text(&status(None, [None, None, None])).contains("NO QUORUM"));
        assert!(text(&status(Some(2), [None, None, None])).contains("led by controller-2"));
    }
}
