//! What an operator must not start: unknown keys, values out of bounds, and listeners that everybody
//! could reach.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use trimaran_tests::cluster::{Cluster, ClusterSpec, NodeName, block_on, free_port};
use trimaran_tests::until;

const PATIENCE: Duration = Duration::from_secs(30);

const CONTROLLER: NodeName = NodeName::Controller(1);
const BROKER: NodeName = NodeName::Broker(1);

/// A node, a setting, and what its last words must hold.
type Row = (NodeName, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        CONTROLLER,
        "controller.qourum.voters=x",
        &["did you mean", "controller.quorum.voters"],
    ),
    (
        CONTROLLER,
        "broker.session.timeout.ms=soon",
        &["broker.session.timeout.ms", "soon"],
    ),
    (CONTROLLER, "node.id=9", &["9", "voters"]),
    (CONTROLLER, "controller.quorum.voters=", &["voters"]),
    (BROKER, "log.dir=/tmp/x", &["did you mean", "log.dirs"]),
    (
        BROKER,
        "broker.heartbeat.interval.ms=0",
        &["broker.heartbeat.interval.ms", "0"],
    ),
    (BROKER, "node.id=minus-one", &["node.id", "minus-one"]),
    (
        BROKER,
        "listeners.client=here",
        &["listeners.client", "here"],
    ),
];

#[test]
fn a_configuration_that_cannot_be_is_refused_with_the_key_and_the_reason() {
    let outcome = block_on(async {
        for (name, setting, says) in ROWS {
            let told = refusal(*name, &[setting]).await?;
            for part in *says {
                ensure!(
                    told.contains(part),
                    "{name} --set {setting} does not say '{part}': {told}"
                );
            }
        }
        Ok(())
    });
    outcome.unwrap();
}

#[test]
fn a_listener_beyond_loopback_is_refused_unless_it_was_allowed_and_then_is_shouted() {
    let outcome = block_on(async {
        for (name, key) in [
            (CONTROLLER, "listeners"),
            (BROKER, "listeners.client"),
            (BROKER, "listeners.inter_node"),
        ] {
            let listener = format!("{key}=0.0.0.0:{}", free_port()?);
            let told = refusal(name, &[&listener])
                .await
                .with_context(|| listener.clone())?;
            ensure!(
                told.contains("allow_insecure"),
                "{name} --set {listener}: {told}"
            );
        }
        let listener = format!("listeners=0.0.0.0:{}", free_port()?);
        allowed(CONTROLLER, &[&listener, "allow_insecure=true"]).await
    });
    outcome.unwrap();
}

fn overrides(settings: &[&str]) -> Vec<String> {
    let pairs = settings
        .iter()
        .map(|setting| ["--set".to_owned(), (*setting).to_owned()]);
    pairs.flatten().collect()
}

/// Starts a node, with a controller beside a broker, and waits for it to end: its log.
async fn refusal(name: NodeName, settings: &[&str]) -> Result<String> {
    let mut cluster = Cluster::prepare(&ClusterSpec::new(1, 1))?;
    if name == BROKER {
        cluster.node_mut(CONTROLLER)?.start()?;
    }
    let node = cluster.node_mut(name)?;
    node.add_arguments(overrides(settings));
    node.start()?;
    let status = node
        .wait_for_exit(PATIENCE)
        .await
        .with_context(|| node.log())?;
    let log = node.log();
    ensure!(!status.success(), "{name} ended with success: {log}");
    ensure!(!log.contains("panicked"), "{name} panicked: {log}");
    Ok(log)
}

/// Starts a node that must run and warn.
async fn allowed(name: NodeName, settings: &[&str]) -> Result<()> {
    let mut cluster = Cluster::prepare(&ClusterSpec::new(1, 1))?;
    let node = cluster.node_mut(name)?;
    node.add_arguments(overrides(settings));
    node.start()?;
    until("a loud warning", PATIENCE, async || {
        if let Some(status) = node.unexpected_end() {
            anyhow::bail!("{name} ended with {status}: {}", node.log());
        }
        let log = node.log();
        let shouts = |line: &str| line.contains("WARN") && line.contains("INSECURE");
        let shouted = log.lines().any(shouts);
        Ok(shouted.then_some(()))
    })
    .await
}
