//! [`BrokerConfig`]: what a broker is told, under Kafka's names where the meaning is Kafka's.
//!
//! Refuses unknown keys and values out of bounds. Every time is in
//! milliseconds in the file and a [`Duration`] here.

mod addresses;
mod checked;
mod logs;

use std::path::Path;
use std::time::Duration;

use trimaran_config::{ConfigError, Settings};
use trimaran_types::BrokerId;

pub use addresses::ListenersConfig;

use crate::log_cleaner::LogCleanerConfig;
use crate::log_scrub::LogScrubConfig;
pub use logs::LogsConfig;

/// How a broker runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerConfig {
    /// `node.id`: unique among the brokers of the cluster.
    pub broker_id: BrokerId,
    /// `broker.rack`: the failure domain, for the placement of replicas.
    pub rack: Option<String>,
    /// Where the logs lie, and how they are kept.
    pub logs: LogsConfig,
    /// `controller.quorum.bootstrap.servers`: controllers to ask, `host:port`; at least one.
    pub controllers: Vec<String>,
    /// Where it listens.
    pub listeners: ListenersConfig,
    /// How it keeps in touch with the controllers.
    pub session: SessionConfig,
    /// How it copies partitions.
    pub replication: ReplicationConfig,
    /// Bounds of what clients may ask.
    pub requests: RequestsConfig,
    /// `num.network.threads`: threads that serve connections and own partitions; default half of
    /// the processors, at least 1. Syncs have threads of their own.
    pub network_threads: usize,
    /// What a new topic gets where its creator says nothing.
    pub topics: TopicDefaults,
    /// How logs are compacted.
    pub log_cleaner: LogCleanerConfig,
    /// How logs are looked through for damage.
    pub log_scrub: LogScrubConfig,
    /// What it logs.
    pub logging: LoggingConfig,
}

/// Registration, heartbeats, shutdown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// `broker.heartbeat.interval.ms`: default 250.
    pub heartbeat_interval: Duration,
    /// `broker.session.timeout.ms`: as the controllers have it; default 1,500. A heartbeat waits at
    /// most half of it for its answer (KAFKA-14392).
    pub session_timeout: Duration,
    /// `initial.broker.registration.timeout.ms`: how long an earlier run may block the
    /// registration; default 60,000.
    pub registration_timeout: Duration,
    /// `controlled.shutdown.timeout.ms`: how long leaderships get to move away; default 30,000.
    pub shutdown_timeout: Duration,
}

/// Copies of partitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicationConfig {
    /// `replica.lag.time.max.ms`: a follower that is not caught up for so long leaves the ISR;
    /// default 10,000.
    pub lag_time_max: Duration,
    /// `replica.lag.bytes.max`: while a member of the ISR is so far behind the leader, appends that
    /// do not wait for the ISR are held back; default 16 MiB.
    pub lag_bytes_max: u64,
    /// `replica.fetch.wait.max.ms`: how long a follower's fetch waits for data; default 500.
    pub fetch_wait_max: Duration,
    /// `queued.append.max.bytes`: appends in memory that are not acknowledged yet; default 64 MiB.
    pub append_bytes_max: usize,
}

/// Bounds of client requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestsConfig {
    /// `request.timeout.ms`: how long a produce or admin request waits for its result; default
    /// 30,000.
    pub timeout: Duration,
    /// `queued.max.request.bytes`: request bodies in memory, all connections together; default
    /// 256 MiB.
    pub body_bytes_max: usize,
    /// `queued.max.response.bytes`: records read for clients and other brokers that wait to be sent,
    /// all connections together; default 256 MiB.
    pub answer_bytes_max: usize,
}

/// Defaults of new topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicDefaults {
    /// `num.partitions`: default 1.
    pub partitions: i64,
    /// `default.replication.factor`: absent, the controllers take 3 or what the brokers allow.
    pub replication_factor: Option<i64>,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggingConfig {
    /// `logging.level`: `error`, `warn`, `info`, `debug`, or a filter such as
    /// `info,trimaran_broker=debug`; default `info`.
    pub level: String,
    /// `logging.format`: `text` (default) or `json`.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl std::str::FromStr for LogFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err("expected 'text' or 'json'".to_owned()),
        }
    }
}

impl BrokerConfig {
    /// Reads the file at `path`; `overrides` (key and value) win over it.
    ///
    /// # Errors
    /// The first thing in it that cannot be used.
    pub fn load(path: &Path, overrides: &[(String, String)]) -> Result<Self, ConfigError> {
        Self::from_settings(Settings::load(path, overrides)?)
    }

    /// Takes settings that are not typed yet.
    ///
    /// # Errors
    /// The first of them that cannot be used, an unknown key included.
    pub fn from_settings(settings: Settings) -> Result<Self, ConfigError> {
        let config = Self {
            broker_id: BrokerId(settings.required("node.id", "it names this broker")?),
            rack: checked::rack(&settings)?,
            logs: LogsConfig::from_settings(&settings)?,
            controllers: addresses::controllers(&settings)?,
            listeners: ListenersConfig::from_settings(&settings)?,
            session: session(&settings)?,
            replication: ReplicationConfig {
                lag_time_max: ms(&settings, "replica.lag.time.max.ms", 10_000, 100, DAY_MS)?,
                lag_bytes_max: settings.bounded(
                    "replica.lag.bytes.max",
                    16 * MIB as u64,
                    64 * 1024,
                    64 * 1024 * MIB as u64,
                )?,
                fetch_wait_max: ms(&settings, "replica.fetch.wait.max.ms", 500, 1, 60_000)?,
                append_bytes_max: settings.bounded(
                    "queued.append.max.bytes",
                    64 * MIB,
                    16 * MIB,
                    64 * 1024 * MIB,
                )?,
            },
            requests: RequestsConfig {
                timeout: ms(&settings, "request.timeout.ms", 30_000, 100, 600_000)?,
                body_bytes_max: settings.bounded(
                    "queued.max.request.bytes",
                    256 * MIB,
                    16 * MIB,
                    64 * 1024 * MIB,
                )?,
                answer_bytes_max: settings.bounded(
                    "queued.max.response.bytes",
                    256 * MIB,
                    32 * MIB,
                    64 * 1024 * MIB,
                )?,
            },
            network_threads: settings.bounded(
                "num.network.threads",
                network_threads_default(),
                1,
                NETWORK_THREADS_MAX,
            )?,
            topics: TopicDefaults {
                partitions: settings.bounded("num.partitions", 1, 1, 10_000)?,
                replication_factor: checked::replication_factor(&settings)?,
            },
            log_cleaner: LogCleanerConfig::from_settings(&settings)?,
            log_scrub: LogScrubConfig::from_settings(&settings)?,
            logging: LoggingConfig {
                level: checked::level(&settings)?,
                format: settings.or("logging.format", LogFormat::Text)?,
            },
        };
        settings.finish()?;
        Ok(config)
    }
}

const NETWORK_THREADS_MAX: usize = 1_024;

/// The other half is for syncs, for the kernel's part of the network, and for who else lives here.
fn network_threads_default() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (processors / 2).clamp(1, NETWORK_THREADS_MAX)
}

const MIB: usize = 1024 * 1024;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn ms(
    settings: &Settings,
    key: &str,
    default: u64,
    low: u64,
    high: u64,
) -> Result<Duration, ConfigError> {
    settings
        .bounded(key, default, low, high)
        .map(Duration::from_millis)
}

fn session(settings: &Settings) -> Result<SessionConfig, ConfigError> {
    let session = SessionConfig {
        heartbeat_interval: ms(settings, "broker.heartbeat.interval.ms", 250, 10, 60_000)?,
        session_timeout: ms(settings, "broker.session.timeout.ms", 1_500, 100, 600_000)?,
        registration_timeout: ms(
            settings,
            "initial.broker.registration.timeout.ms",
            60_000,
            100,
            DAY_MS,
        )?,
        shutdown_timeout: ms(
            settings,
            "controlled.shutdown.timeout.ms",
            30_000,
            0,
            600_000,
        )?,
    };
    if session.heartbeat_interval * 2 > session.session_timeout {
        return Err(ConfigError::Value {
            key: "broker.heartbeat.interval.ms".to_owned(),
            value: session.heartbeat_interval.as_millis().to_string(),
            cause: "must be at most half of broker.session.timeout.ms, or one late heartbeat \
                    fences the broker"
                .to_owned(),
        });
    }
    Ok(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALLEST: &str = "node.id = 1\nlog.dirs = '/var/lib/trimaran'\n\
        controller.quorum.bootstrap.servers = ['127.0.0.1:9093', '127.0.0.1:9094']\n";

    fn read(more: &str) -> Result<BrokerConfig, String> {
        let text = format!("{SMALLEST}{more}");
        let settings = Settings::parse(&text, &[]).map_err(|error| error.to_string())?;
        BrokerConfig::from_settings(settings).map_err(|error| error.to_string())
    }

    #[test]
    fn the_smallest_file_takes_the_documented_defaults() {
        let config = read("").unwrap();
        assert_eq!(config.broker_id, BrokerId(1));
        assert_eq!(config.controllers.len(), 2);
        assert_eq!(config.listeners.client, "127.0.0.1:8082");
        assert_eq!(config.listeners.inter_node, "127.0.0.1:8083");
        assert_eq!(
            config.session.heartbeat_interval,
            Duration::from_millis(250)
        );
        assert_eq!(config.session.session_timeout, Duration::from_millis(1_500));
        assert_eq!(
            config.replication.lag_time_max,
            Duration::from_millis(10_000)
        );
        assert_eq!(config.replication.lag_bytes_max, 16 << 20);
        assert_eq!(
            config.replication.fetch_wait_max,
            Duration::from_millis(500)
        );
        assert!(!config.listeners.allow_insecure);
        assert!(config.network_threads >= 1);
    }

    #[test]
    fn each_mistake_names_its_key_and_its_cure() {
        let table = [
            (
                "broker.heartbeat.interval = 1",
                "did you mean 'broker.heartbeat.interval.ms'?",
            ),
            (
                "broker.heartbeat.interval.ms = 1000",
                "at most half of broker.session.timeout.ms",
            ),
            ("listeners.client = 'http://x:1'", "expected host:port"),
            ("logging.format = 'xml'", "expected 'text' or 'json'"),
            ("max.connections = 0", "between 1 and 1000000"),
            ("num.network.threads = 0", "between 1 and 1024"),
            ("allow_insecure = 'maybe'", "'allow_insecure' = 'maybe'"),
            (
                "listeners.client = '127.0.0.1:8083'",
                "the same as listeners.inter_node",
            ),
            ("listeners.client = '0.0.0.0:8082'", "set allow_insecure"),
            (
                "listeners.inter_node = '10.1.2.3:8083'",
                "set allow_insecure",
            ),
            ("default.replication.factor = 70000", "between 1 and 100"),
            ("default.replication.factor = 0", "between 1 and 100"),
            ("logging.level = 'lots'", "expected error, warn, info"),
            ("logging.level = 'info,broker=lots'", "'logging.level'"),
            ("broker.rack = ' '", "a rack has a name"),
        ];
        for (line, part) in table {
            let error = read(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }

    #[test]
    fn what_only_looks_like_a_mistake_is_taken() {
        for line in [
            "allow_insecure = true\nlisteners.client = '0.0.0.0:8082'",
            "listeners.client = '127.0.0.1:0'\nlisteners.inter_node = '127.0.0.1:0'",
            "listeners.client = '[::1]:8082'",
            "listeners.client = 'localhost:8082'",
            "logging.level = 'warn,trimaran_broker=debug'",
            "logging.level = 'OFF'",
            "default.replication.factor = 5",
        ] {
            assert!(read(line).is_ok(), "{line}: {:?}", read(line));
        }
    }

    #[test]
    fn a_log_directory_and_some_controller_are_needed() {
        let parsed = |text: &str| {
            let settings = Settings::parse(text, &[]).unwrap();
            BrokerConfig::from_settings(settings)
                .unwrap_err()
                .to_string()
        };
        assert!(parsed("").contains("'node.id' is missing"));
        assert!(parsed("node.id = 1").contains("'log.dirs' is missing"));
        assert!(parsed("node.id = 1\nlog.dirs = '/a'").contains("bootstrap.servers"));
        let both = |dirs: &str| {
            format!("{SMALLEST}log.dirs = {dirs}").replacen(
                "log.dirs = '/var/lib/trimaran'\n",
                "",
                1,
            )
        };
        assert!(parsed(&both("['/a', '/b', '/a']")).contains("named twice"));
        assert!(parsed(&both("['/a', '/b', '/a/']")).contains("named twice"));
        assert!(parsed(&both("['/a', '/a/b']")).contains("lies in /a"));
        assert!(parsed(&both("['/a/b/c', '/a']")).contains("lies in /a"));
        let settings = Settings::parse(&both("'/a,/b'"), &[]).unwrap();
        let several = BrokerConfig::from_settings(settings).unwrap().logs.dirs;
        assert_eq!(several, [Path::new("/a"), Path::new("/b")]);
    }
}
