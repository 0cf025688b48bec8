//! [`Readiness`]: whether the broker may be sent requests, or every reason why not.

use std::sync::OnceLock;

use tokio::sync::watch;

use crate::replicas::DataDirStatus;

/// How far the broker's start, or its end, has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It waits for the metadata log.
    Metadata {
        /// Why there is no answer; absent while it catches up.
        problem: Option<String>,
    },
    /// It waits to be registered.
    Registering,
    /// It opens its logs.
    Recovering {
        /// Logs that are open.
        done: usize,
        /// Logs that it has.
        total: usize,
    },
    /// It is ready, and the controllers have not put it into service yet.
    WaitingToServe,
    /// It serves.
    Serving,
    /// It hands over before it stops.
    Stopping,
}

/// The broker's phase, told by its start and asked for by its listeners.
#[derive(Debug)]
pub struct Readiness {
    phase: watch::Sender<Phase>,
    is_fenced: watch::Sender<bool>,
    failure: OnceLock<String>,
    replicas: OnceLock<ReplicasOut>,
    dirs: OnceLock<Dirs>,
}

/// Asks which replicas are out of service.
struct ReplicasOut(Box<dyn Fn() -> OutOfService + Send + Sync>);

/// Replicas that cannot serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutOfService {
    /// The partitions of all of them, `topic-n`, in order.
    pub names: Vec<String>,
    /// Why, and what happens next or a person has to do; of the first hundred of each kind.
    pub reasons: Vec<String>,
    /// The partitions that take no appends here for want of room, `topic-n`, in order.
    pub lacking_room: Vec<String>,
    /// Logs that are kept although no committed record explains them.
    pub strays_kept: u64,
}

impl std::fmt::Debug for ReplicasOut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReplicasOut")
    }
}

/// Asks how the log directories are.
struct Dirs(Box<dyn Fn() -> Vec<DataDirStatus> + Send + Sync>);

impl std::fmt::Debug for Dirs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dirs")
    }
}

impl Default for Readiness {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Metadata { problem: None }),
            is_fenced: watch::Sender::new(true),
            failure: OnceLock::new(),
            replicas: OnceLock::new(),
            dirs: OnceLock::new(),
        }
    }
}

impl Readiness {
    /// The broker has come to `phase`.
    pub fn reached(&self, phase: Phase) {
        self.phase.send_replace(phase);
    }

    /// The controllers hold the broker in service, or out of it.
    pub fn fenced(&self, is_fenced: bool) {
        self.is_fenced.send_replace(is_fenced);
    }

    /// Something has failed for good, while the rest goes on; the first failure stays.
    pub fn failed(&self, failure: String) {
        // A later failure says less than the first.
        let _ = self.failure.set(failure);
    }

    /// From now on `replicas` tells which partitions have a replica here that cannot serve.
    pub fn ask_for_replicas(&self, replicas: impl Fn() -> OutOfService + Send + Sync + 'static) {
        // The data plane is opened once.
        let _ = self.replicas.set(ReplicasOut(Box::new(replicas)));
    }

    /// Partitions whose replica here is damaged or failed. The broker serves the others, and
    /// forwards what it does not lead, so this alone is no reason to send requests elsewhere.
    #[must_use]
    pub fn out_of_service(&self) -> OutOfService {
        self.replicas
            .get()
            .map_or_else(OutOfService::default, |replicas| (replicas.0)())
    }

    /// From now on `dirs` tells how the log directories are.
    pub fn ask_for_dirs(&self, dirs: impl Fn() -> Vec<DataDirStatus> + Send + Sync + 'static) {
        // The data plane is opened once.
        let _ = self.dirs.set(Dirs(Box::new(dirs)));
    }

    /// The log directories; none before they are taken. While one works the broker serves.
    #[must_use]
    pub fn log_dirs(&self) -> Vec<DataDirStatus> {
        self.dirs.get().map_or_else(Vec::new, |dirs| (dirs.0)())
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    /// Whether client requests may be worked on: the broker has served once and is not stopped.
    #[must_use]
    pub fn takes_requests(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Serving | Phase::Stopping)
    }

    /// Whether the controllers hold the broker out of service.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        *self.is_fenced.borrow()
    }

    /// Why new requests should go to another broker; none when all is well.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let mut reasons = self
            .phase_reason()
            .map_or_else(Vec::new, |reason| vec![reason]);
        reasons.extend(self.failure.get().cloned());
        reasons
    }

    fn phase_reason(&self) -> Option<String> {
        Some(match &*self.phase.borrow() {
            Phase::Metadata { problem: None } => {
                "the metadata log is not replayed to its end yet".to_owned()
            }
            Phase::Metadata {
                problem: Some(problem),
            } => problem.clone(),
            Phase::Registering => "not registered with the controllers yet".to_owned(),
            Phase::Recovering { done, total } => {
                format!("opening logs: {done} of {total} are open")
            }
            Phase::WaitingToServe => {
                "the controllers have not put this broker into service yet".to_owned()
            }
            Phase::Stopping => "the broker is shutting down".to_owned(),
            Phase::Serving if self.is_fenced() => {
                "the controllers hold this broker out of service (fenced)".to_owned()
            }
            Phase::Serving => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phase_but_service_has_its_reason() {
        let readiness = Readiness::default();
        assert!(!readiness.takes_requests());
        for (phase, part) in [
            (Phase::Metadata { problem: None }, "metadata log"),
            (
                Phase::Metadata {
                    problem: Some("nobody at c:1".to_owned()),
                },
                "nobody at c:1",
            ),
            (Phase::Registering, "registered"),
            (Phase::Recovering { done: 3, total: 7 }, "3 of 7"),
            (Phase::WaitingToServe, "into service"),
            (Phase::Stopping, "shutting down"),
            (Phase::Serving, "fenced"),
        ] {
            readiness.reached(phase);
            assert!(
                readiness.reasons()[0].contains(part),
                "{:?}",
                readiness.reasons()
            );
        }
        readiness.fenced(false);
        assert!(readiness.reasons().is_empty());
        assert!(readiness.takes_requests());
        readiness.failed("the log directory has failed".to_owned());
        assert_eq!(readiness.reasons(), ["the log directory has failed"]);
    }
}
