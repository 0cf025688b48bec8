//! [`Case`]: one bad request and the answer that it must get.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use trimaran_tests::client::{RawAnswer, exchange};

use super::request::Request;

/// A row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// What is wrong with it.
    pub(crate) name: String,
    pub(crate) request: Request,
    pub(crate) expected: Expected,
}

/// What must come back.
#[derive(Debug, Clone)]
pub(crate) enum Expected {
    /// A refusal in our form: status, `error_code`, a part of the message, `retriable`.
    Refusal {
        status: u16,
        error_code: u64,
        says: &'static str,
        retriable: Option<bool>,
    },
    /// A refusal of a write by the cluster's trouble: retriable, with the promise that nothing was
    /// written.
    RefusedWrite {
        status: u16,
        error_code: u64,
        says: &'static str,
    },
    /// Refused below the level where errors have a form: one of these, or a closed connection.
    Protocol(&'static [u16]),
}

impl Case {
    /// A refusal for good; what is unknown now may exist later, so of that nothing is expected.
    pub(crate) fn refused(
        name: &str,
        request: Request,
        (status, error_code): (u16, u64),
        says: &'static str,
    ) -> Self {
        let retriable = (!matches!(error_code, 40401..=40403)).then_some(false);
        let expected = Expected::Refusal {
            status,
            error_code,
            says,
            retriable,
        };
        Self {
            name: name.to_owned(),
            request,
            expected,
        }
    }

    /// A refusal that may turn into a success later.
    pub(crate) fn refused_for_now(
        name: &str,
        request: Request,
        (status, error_code): (u16, u64),
        says: &'static str,
    ) -> Self {
        let expected = Expected::Refusal {
            status,
            error_code,
            says,
            retriable: Some(true),
        };
        Self {
            name: name.to_owned(),
            request,
            expected,
        }
    }

    /// A refusal of a write that may succeed later, with the promise that nothing was written.
    pub(crate) fn refused_write(
        name: &str,
        request: Request,
        (status, error_code): (u16, u64),
        says: &'static str,
    ) -> Self {
        let expected = Expected::RefusedWrite {
            status,
            error_code,
            says,
        };
        Self {
            name: name.to_owned(),
            request,
            expected,
        }
    }

    /// A refusal by the HTTP layer.
    pub(crate) fn protocol(name: &str, request: Request, statuses: &'static [u16]) -> Self {
        Self {
            name: name.to_owned(),
            request,
            expected: Expected::Protocol(statuses),
        }
    }

    /// Sends it and compares.
    pub(crate) async fn run(&self, address: &str) -> Result<()> {
        let pieces: Vec<&[u8]> = self.request.pieces.iter().map(Vec::as_slice).collect();
        let answer = exchange(address, &pieces).await?;
        self.compare(&answer)
            .with_context(|| format!("the answer was {answer:?}"))
    }

    fn compare(&self, answer: &RawAnswer) -> Result<()> {
        match &self.expected {
            Expected::Refusal {
                status,
                error_code,
                says,
                retriable,
            } => compare_refusal(answer, (*status, *error_code), says, *retriable),
            Expected::RefusedWrite {
                status,
                error_code,
                says,
            } => {
                compare_refusal(answer, (*status, *error_code), says, Some(true))?;
                let outcome = answer
                    .body
                    .pointer("/details/outcome")
                    .and_then(Value::as_str);
                ensure!(
                    outcome == Some("nothing-written"),
                    "expected details.outcome"
                );
                Ok(())
            }
            Expected::Protocol(statuses) => {
                let fits = answer
                    .status
                    .is_none_or(|status| statuses.contains(&status));
                ensure!(fits, "expected one of {statuses:?}, or a closed connection");
                Ok(())
            }
        }
    }
}

fn compare_refusal(
    answer: &RawAnswer,
    (status, error_code): (u16, u64),
    says: &str,
    retriable: Option<bool>,
) -> Result<()> {
    ensure!(answer.status == Some(status), "expected status {status}");
    let field = |name: &str| answer.body.get(name);
    let code = field("error_code").and_then(Value::as_u64);
    ensure!(code == Some(error_code), "expected error_code {error_code}");
    let message = field("message")
        .and_then(Value::as_str)
        .context("no message")?;
    let is_said = message.to_lowercase().contains(&says.to_lowercase());
    ensure!(is_said, "expected a message with '{says}'");
    let told = field("retriable")
        .and_then(Value::as_bool)
        .context("no retriable")?;
    let fits = retriable.is_none_or(|expected| told == expected);
    ensure!(fits, "expected retriable {retriable:?}");
    Ok(())
}
