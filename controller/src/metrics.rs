//! The metrics of a controller, read when they are asked for.

use std::sync::atomic::AtomicU64;

use openraft::async_runtime::WatchReceiver as _;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::node::Node;

/// The OpenMetrics text of this moment.
#[must_use]
pub(crate) fn text(node: &Node) -> String {
    let mut registry = Registry::with_prefix("trimaran_controller");
    let mut gauge = |name: &str, help: &str, value: u64| {
        let gauge: Gauge<u64, AtomicU64> = Gauge::default();
        gauge.set(value);
        registry.register(name, help, gauge);
    };
    let raft = node.raft().metrics().borrow_watched().clone();
    let image = node.published().image();
    gauge(
        "active",
        "1 on the active controller",
        node.proposer().active_term().is_some().into(),
    );
    gauge("raft_term", "The raft term", raft.current_term);
    gauge(
        "raft_has_leader",
        "1 while this controller knows a leader",
        raft.current_leader.is_some().into(),
    );
    let log_end = raft.last_log_index.map_or(0, |last| last.saturating_add(1));
    gauge("raft_log_end", "First unwritten index of the log", log_end);
    gauge("raft_log_start", "First index of the log", node.log_start());
    gauge(
        "applied_end",
        "First index that is not applied",
        node.published().applied_end(),
    );
    gauge(
        "metadata_next_offset",
        "Metadata records replayed",
        image.position.next_offset.0,
    );
    gauge("brokers", "Registered brokers", image.brokers.len() as u64);
    let fenced = image.brokers.iter().filter(|broker| broker.fenced).count();
    gauge(
        "brokers_fenced",
        "Registered brokers that are fenced",
        fenced as u64,
    );
    let (mut partitions, mut leaderless, mut under_replicated) = (0_u64, 0_u64, 0_u64);
    let mut topics = 0_u64;
    for topic in image.topics.iter() {
        topics += 1;
        for (_, partition) in topic.partitions() {
            partitions += 1;
            leaderless += u64::from(partition.leader.is_none());
            under_replicated += u64::from(partition.isr.len() < partition.replicas.len());
        }
    }
    gauge("topics", "Topics", topics);
    gauge("partitions", "Partitions", partitions);
    gauge(
        "partitions_leaderless",
        "Partitions without a leader",
        leaderless,
    );
    gauge(
        "partitions_under_replicated",
        "Partitions with a replica outside the ISR",
        under_replicated,
    );
    let mut text = String::new();
    if let Err(error) = encode(&mut text, &registry) {
        tracing::error!(%error, "metrics cannot be written");
    }
    text
}
