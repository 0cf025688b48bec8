//! [`ControllerConfig`]: every setting of a controller, with its default and its bounds.

use std::path::PathBuf;
use std::time::Duration;

use trimaran_config::{ConfigError, Settings};
use trimaran_types::{ClusterId, ControllerId};

use crate::voter_address::VoterAddress;

/// The settings of one controller. Keys are Kafka's where the meaning is Kafka's.
#[derive(Debug, Clone)]
pub struct ControllerConfig {
    /// `node.id`: names this controller among the voters.
    pub node_id: ControllerId,
    /// `controller.quorum.voters`: `id@host:port` of every founding voter, this one included.
    pub voters: Vec<VoterAddress>,
    /// `metadata.log.dir`: where the metadata log lives; made when absent.
    pub metadata_directory: PathBuf,
    /// `listeners`: `host:port` to listen on; default: this voter's own address.
    pub listen_address: String,
    /// `cluster.id`: the cluster's id; default: drawn at its first start.
    pub cluster_id: Option<ClusterId>,
    /// `allow_insecure`: listen beyond loopback though there is no TLS and no authentication yet.
    pub allow_insecure: bool,
    /// `controller.quorum.heartbeat.interval.ms`: the leader's sign of life. Default 150 ms.
    pub raft_heartbeat: Duration,
    /// `controller.quorum.election.timeout.ms`: silence after which a follower stands for election;
    /// drawn between once and twice this. Default 500 ms.
    pub election_timeout: Duration,
    /// `broker.session.timeout.ms`: silence after which a broker is fenced. Default 1,500 ms.
    pub broker_session_timeout: Duration,
    /// `controller.request.timeout.ms`: how long a change may wait for its commit. Default 5 s.
    pub request_timeout: Duration,
    /// `metadata.log.entries.between.snapshots`: default 20,000.
    pub snapshot_every_entries: u64,
    /// `metadata.log.entries.kept`: entries that stay readable behind a snapshot. Default 20,000.
    pub log_entries_kept: u64,
    /// `metadata.feed.cache.bytes`: recent entries kept in memory for the feed. Default 32 MiB.
    pub feed_cache_bytes_max: usize,
}

impl ControllerConfig {
    /// Takes the configuration out of `settings`; every key must be known.
    ///
    /// # Errors
    /// When a key is unknown, missing or out of bounds, or this node is not among the voters.
    pub fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        let node_id = ControllerId(settings.required("node.id", "names this controller")?);
        let voters: Vec<VoterAddress> = settings.list("controller.quorum.voters")?;
        let own = own_address(node_id, &voters)?.to_owned();
        let listen: Option<String> = settings.optional("listeners")?;
        let listen = listen.map(|text| text.trim_start_matches("CONTROLLER://").to_owned());
        let directory: String =
            settings.required("metadata.log.dir", "says where the metadata log lives")?;
        let milliseconds = |key, default, low, high| {
            settings
                .bounded::<u64>(key, default, low, high)
                .map(Duration::from_millis)
        };
        let config = Self {
            node_id,
            voters,
            metadata_directory: PathBuf::from(directory),
            listen_address: listen.unwrap_or(own),
            cluster_id: settings.optional("cluster.id")?,
            allow_insecure: settings.or("allow_insecure", false)?,
            raft_heartbeat: milliseconds(
                "controller.quorum.heartbeat.interval.ms",
                150,
                10,
                60_000,
            )?,
            election_timeout: milliseconds(
                "controller.quorum.election.timeout.ms",
                500,
                50,
                300_000,
            )?,
            broker_session_timeout: milliseconds("broker.session.timeout.ms", 1_500, 100, 600_000)?,
            request_timeout: milliseconds("controller.request.timeout.ms", 5_000, 100, 600_000)?,
            snapshot_every_entries: settings.bounded(
                "metadata.log.entries.between.snapshots",
                20_000,
                10,
                10_000_000,
            )?,
            log_entries_kept: settings.bounded(
                "metadata.log.entries.kept",
                20_000,
                0,
                10_000_000,
            )?,
            feed_cache_bytes_max: settings.bounded(
                "metadata.feed.cache.bytes",
                32 * 1024 * 1024,
                64 * 1024,
                1024 * 1024 * 1024,
            )?,
        };
        settings.finish()?;
        config.check()?;
        Ok(config)
    }

    /// The relations between settings.
    fn check(&self) -> Result<(), ConfigError> {
        if self.election_timeout < self.raft_heartbeat * 3 {
            return Err(ConfigError::Value {
                key: "controller.quorum.election.timeout.ms".to_owned(),
                value: self.election_timeout.as_millis().to_string(),
                cause: format!(
                    "must be at least 3 times controller.quorum.heartbeat.interval.ms ({})",
                    self.raft_heartbeat.as_millis()
                ),
            });
        }
        Ok(())
    }

    /// The address that other nodes reach this one at.
    #[must_use]
    pub fn own_address(&self) -> &str {
        own_address(self.node_id, &self.voters).unwrap_or(&self.listen_address)
    }
}

fn own_address(node_id: ControllerId, voters: &[VoterAddress]) -> Result<&str, ConfigError> {
    let value = |cause: String| ConfigError::Value {
        key: "controller.quorum.voters".to_owned(),
        value: voters
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(","),
        cause,
    };
    for (place, voter) in voters.iter().enumerate() {
        let same = |other: &&VoterAddress| {
            other.controller_id == voter.controller_id || other.address == voter.address
        };
        if let Some(other) = voters[place + 1..].iter().find(same) {
            return Err(value(format!(
                "'{voter}' and '{other}' share an id or an address"
            )));
        }
    }
    voters
        .iter()
        .find(|voter| voter.controller_id == node_id)
        .map(|voter| voter.address.as_str())
        .ok_or_else(|| value(format!("node.id {node_id} is not among the voters")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "node.id = 2\nmetadata.log.dir = 'data'\n\
        controller.quorum.voters = ['1@127.0.0.1:1', '2@127.0.0.1:2']\n";

    fn read(text: &str) -> Result<ControllerConfig, ConfigError> {
        ControllerConfig::from_settings(Settings::parse(text, &[])?)
    }

    #[test]
    fn defaults_are_those_of_the_design() {
        let config = read(SMALLEST).unwrap();
        assert_eq!(config.listen_address, "127.0.0.1:2");
        assert_eq!(config.broker_session_timeout, Duration::from_millis(1_500));
        assert_eq!(config.raft_heartbeat, Duration::from_millis(150));
        assert!(!config.allow_insecure);
    }

    #[test]
    fn mistakes_are_named() {
        let cases = [
            (
                "controller.qourum.voters = '3@h:1'",
                "did you mean 'controller.quorum.voters'?",
            ),
            (
                "controller.quorum.election.timeout.ms = 100",
                "at least 3 times",
            ),
            ("broker.session.timeout.ms = 1", "must lie between"),
        ];
        for (line, expected) in cases {
            let error = read(&format!("{SMALLEST}{line}\n"))
                .unwrap_err()
                .to_string();
            assert!(error.contains(expected), "{error}");
        }
        let absent = SMALLEST.replace("node.id = 2", "node.id = 9");
        let error = read(&absent).unwrap_err().to_string();
        assert!(
            error.contains("node.id 9 is not among the voters"),
            "{error}"
        );
        let twice = SMALLEST.replace("127.0.0.1:2", "127.0.0.1:1");
        assert!(
            read(&twice)
                .unwrap_err()
                .to_string()
                .contains("share an id or an address")
        );
    }
}
