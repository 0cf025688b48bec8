//! [`Failure`]: how a command ends when it does not succeed, and what to try next.

use std::process::ExitCode;

use serde_json::json;
use trimaran_api::client::CallError;
use trimaran_api::{ApiError, ErrorBody};
use trimaran_types::KafkaError;

use crate::output::OutputFormat;

/// Why a command did not do what was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure(Box<Inner>);

#[derive(Debug, Clone, PartialEq)]
struct Inner {
    kind: Kind,
    message: String,
    try_next: Option<String>,
    body: Option<ErrorBody>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Failed,
    Usage,
    OutputClosed,
    Interrupted,
}

impl Failure {
    /// The command was understood and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message.into())
    }

    /// The command was not understood.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message.into())
    }

    /// Whoever read the output has seen enough (`| head`): no failure of ours.
    pub(crate) fn output_closed() -> Self {
        Self::new(Kind::OutputClosed, String::new())
    }

    /// Somebody ended it before it was done.
    pub(crate) fn interrupted(message: impl Into<String>) -> Self {
        Self::new(Kind::Interrupted, message.into())
    }

    fn new(kind: Kind, message: String) -> Self {
        Self(Box::new(Inner {
            kind,
            message,
            try_next: None,
            body: None,
        }))
    }

    /// The same with a command worth trying.
    pub(crate) fn try_next(mut self, command: impl Into<String>) -> Self {
        self.0.try_next = Some(command.into());
        self
    }

    /// A failed call, with the hint that fits it.
    pub(crate) fn of_call(error: &CallError) -> Self {
        match error {
            CallError::Unreachable { .. } => Self::failed(error.to_string()).try_next(
                "trimaran dev   (starts a cluster here), or name a running broker: --server http://HOST:PORT",
            ),
            CallError::TimedOut { .. } | CallError::Broken { .. } => {
                Self::failed(format!("{error}; the work may be done or not"))
                    .try_next("trimaran broker list   (who is in service), then look before you repeat")
            }
            CallError::Refused(refusal) => Self::of_refusal(refusal),
            CallError::Unreadable { .. } => Self::failed(error.to_string())
                .try_next("check that --server names the client listener of a Trimaran broker"),
        }
    }

    /// A refusal by the cluster, with the hint that fits it.
    pub(crate) fn of_refusal(refusal: &ApiError) -> Self {
        let body = refusal.body.as_ref();
        let mut failure = Self::failed(body.message.clone());
        failure.0.try_next = hint(body).map(ToOwned::to_owned);
        failure.0.body = Some(body.clone());
        failure
    }

    /// Whether the cluster refused with this error.
    pub(crate) fn is_kafka(&self, error: KafkaError) -> bool {
        self.0
            .body
            .as_ref()
            .is_some_and(|body| body.kafka_error == Some(error))
    }

    /// What went wrong, without the hint.
    #[cfg(test)]
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// 1 for a failure, 2 for a mistake of usage, 0 when the reader left, 130 when it was interrupted
    /// (128 and the number of SIGINT, as shells have it).
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self.0.kind {
            Kind::Failed => ExitCode::from(1),
            Kind::Usage => ExitCode::from(2),
            Kind::OutputClosed => ExitCode::SUCCESS,
            Kind::Interrupted => ExitCode::from(130),
        }
    }

    /// Writes it on standard error, as text or as one JSON object.
    pub(crate) fn report(&self, format: OutputFormat) {
        use std::io::Write as _;
        if self.0.kind == Kind::OutputClosed {
            return;
        }
        let text = match format {
            OutputFormat::Table => self.text(),
            OutputFormat::Json => self.json().to_string(),
        };
        // Nowhere is left to report a failure to report.
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    fn text(&self) -> String {
        let mut text = format!("error: {}", self.0.message);
        if let Some(body) = &self.0.body {
            let name = body
                .kafka_error
                .map(|error| format!(" {error}"))
                .unwrap_or_default();
            text.push_str(&format!("\n code: {}{name}", body.error_code));
        }
        if let Some(command) = &self.0.try_next {
            text.push_str(&format!("\n  try: {command}"));
        }
        text
    }

    fn json(&self) -> serde_json::Value {
        let body = self.0.body.as_ref();
        json!({ "error": {
            "message": self.0.message,
            "error_code": body.map(|body| body.error_code),
            "kafka_error": body.and_then(|body| body.kafka_error),
            "retriable": body.is_some_and(|body| body.retriable),
            "details": body.and_then(|body| body.details.clone()),
            "try": self.0.try_next,
        }})
    }
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        Self::of_call(&error)
    }
}

/// The command that helps with a refusal; each is a whole line to paste or adapt.
fn hint(body: &ErrorBody) -> Option<&'static str> {
    use KafkaError as E;
    match body.kafka_error {
        Some(E::UnknownTopicOrPartition | E::UnknownTopicId) => Some("trimaran topic list"),
        Some(E::TopicAlreadyExists) => Some("trimaran topic describe TOPIC   (or another name)"),
        Some(E::InvalidReplicationFactor | E::InvalidReplicaAssignment) => {
            Some("trimaran broker list   (how many are in service)")
        }
        Some(E::NotController | E::RequestTimedOut) => Some("trimaran quorum"),
        Some(
            E::LeaderNotAvailable
            | E::NotLeaderOrFollower
            | E::NotEnoughReplicas
            | E::NotEnoughReplicasAfterAppend,
        ) => Some("trimaran topic describe TOPIC   (leaders, in-sync replicas, and why)"),
        Some(E::BrokerNotAvailable) => Some("trimaran broker list"),
        Some(E::OffsetOutOfRange) => Some("--from earliest"),
        _ if body.retriable => Some("the same again in a moment"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_its_code_and_the_next_step() {
        let refusal = ApiError::kafka(E::UnknownTopicOrPartition, "topic 'order' does not exist");
        let failure = Failure::of_refusal(&refusal);
        assert_eq!(
            failure.text(),
            "error: topic 'order' does not exist\n code: 40403 UNKNOWN_TOPIC_OR_PARTITION\n  \
             try: trimaran topic list"
        );
        assert_eq!(failure.json()["error"]["error_code"], 40403);
        assert!(failure.is_kafka(E::UnknownTopicOrPartition));
    }
    use KafkaError as E;

    #[test]
    fn nobody_there_says_how_to_start_one() {
        let error = CallError::Unreachable {
            address: "h:1".to_owned(),
            cause: "refused".to_owned(),
        };
        let text = Failure::of_call(&error).text();
        assert!(
            text.contains("cannot reach h:1") && text.contains("try: trimaran dev"),
            "{text}"
        );
    }

    #[test]
    fn exit_codes_are_a_contract() {
        assert_eq!(Failure::failed("x").exit_code(), ExitCode::from(1));
        assert_eq!(Failure::usage("x").exit_code(), ExitCode::from(2));
        assert_eq!(Failure::output_closed().exit_code(), ExitCode::SUCCESS);
        assert_eq!(Failure::interrupted("x").exit_code(), ExitCode::from(130));
    }
}
