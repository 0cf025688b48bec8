//! [`Metrics`]: what the broker counts, and the page that shows it.
//!
//! What happens is counted as it happens; what is (partitions, positions) is asked for when the page
//! is read, from whoever registered an observer. Labels are routes and statuses, both bounded.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;

use axum::http::StatusCode;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: String,
    status: u16,
}

/// One value of the broker's state: name, help, value.
pub type Observation = (&'static str, &'static str, u64);

type Observer = Box<dyn Fn() -> Vec<Observation> + Send + Sync>;

/// One value of a log directory: name, help, path of the directory, value.
pub type DirObservation = (&'static str, &'static str, String, u64);

type DirObserver = Box<dyn Fn() -> Vec<DirObservation> + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfDir {
    dir: String,
}

/// What the broker counts.
#[derive(Default)]
pub struct Metrics {
    requests: Family<Answered, Counter>,
    produced_records: Counter,
    produced_bytes: Counter,
    fetched_records: Counter,
    fetched_bytes: Counter,
    observer: OnceLock<Observer>,
    dir_observer: OnceLock<DirObserver>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// A request was answered.
    pub fn answered(&self, route: &str, status: StatusCode) {
        let labels = Answered {
            route: route.to_owned(),
            status: status.as_u16(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Records were sent to their leaders; `bytes` of batches.
    pub fn produced(&self, records: usize, bytes: usize) {
        self.produced_records.inc_by(records as u64);
        self.produced_bytes.inc_by(bytes as u64);
    }

    /// Records were read for clients; `bytes` of batches.
    pub fn fetched(&self, records: usize, bytes: usize) {
        self.fetched_records.inc_by(records as u64);
        self.fetched_bytes.inc_by(bytes as u64);
    }

    /// Who tells the broker's state when the page is read. Counts once.
    pub fn observe(&self, observer: impl Fn() -> Vec<Observation> + Send + Sync + 'static) {
        if self.observer.set(Box::new(observer)).is_err() {
            tracing::error!("metrics are observed twice; the first observer stays");
        }
    }

    /// Who tells the state of the log directories when the page is read. Counts once.
    pub fn observe_dirs(&self, observer: impl Fn() -> Vec<DirObservation> + Send + Sync + 'static) {
        if self.dir_observer.set(Box::new(observer)).is_err() {
            tracing::error!("log directories are observed twice; the first observer stays");
        }
    }

    fn register_dirs(&self, registry: &mut Registry) {
        let observed = self.dir_observer.get().map(|observe| observe());
        let mut families: BTreeMap<_, Family<OfDir, Gauge<u64, AtomicU64>>> = BTreeMap::new();
        for (name, help, dir, value) in observed.unwrap_or_default() {
            let family = families.entry((name, help)).or_default();
            family.get_or_create(&OfDir { dir }).set(value);
        }
        for ((name, help), family) in families {
            registry.register(name, help, family);
        }
    }

    /// The OpenMetrics text of this moment.
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::with_prefix("trimaran_broker");
        registry.register(
            "http_requests",
            "Requests answered, by route and status",
            self.requests.clone(),
        );
        for (name, help, counter) in [
            (
                "produced_records",
                "Records taken from clients",
                &self.produced_records,
            ),
            (
                "produced_bytes",
                "Bytes of record batches taken from clients",
                &self.produced_bytes,
            ),
            (
                "fetched_records",
                "Records given to clients",
                &self.fetched_records,
            ),
            (
                "fetched_bytes",
                "Bytes of record batches read for clients",
                &self.fetched_bytes,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
        let observed = self.observer.get().map(|observe| observe());
        for (name, help, value) in observed.unwrap_or_default() {
            let gauge: Gauge<u64, AtomicU64> = Gauge::default();
            gauge.set(value);
            registry.register(name, help, gauge);
        }
        self.register_dirs(&mut registry);
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &registry) {
            tracing::error!(%error, "metrics cannot be written");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_and_observed_is_shown() {
        let metrics = Metrics::default();
        metrics.answered("/topics/{topic}", StatusCode::OK);
        metrics.answered("/topics/{topic}", StatusCode::OK);
        metrics.produced(3, 100);
        metrics.observe(|| vec![("fenced", "1 while fenced", 1)]);
        metrics.observe_dirs(|| {
            let of = |dir: &str, value| {
                (
                    "log_dir_failed",
                    "1 once it has failed",
                    dir.to_owned(),
                    value,
                )
            };
            vec![of("/a", 0), of("/b", 1)]
        });
        let text = metrics.text();
        for line in [
            r#"trimaran_broker_http_requests_total{route="/topics/{topic}",status="200"} 2"#,
            "trimaran_broker_produced_records_total 3",
            "trimaran_broker_produced_bytes_total 100",
            "trimaran_broker_fenced 1",
            r#"trimaran_broker_log_dir_failed{dir="/b"} 1"#,
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
