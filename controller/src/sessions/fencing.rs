//! Fencing one broker, to its end: what does not fit into one entry is decided again at once.

use trimaran_metadata::FenceReason;
use trimaran_types::{BrokerEpoch, BrokerId, KafkaError};

use crate::decide::{Decision, FollowUp, Refusal, brokers, partitions};
use crate::node::Node;
use crate::proposer::{Confirm, ProposeError};

/// Why a broker is to be fenced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// Silence. It is asked again at the moment of the decision: a late heartbeat saves it.
    SessionTimeout,
    /// Its session connection broke, and it refuses a new connection.
    ConnectionRefused,
}

impl Cause {
    const fn reason(self) -> FenceReason {
        match self {
            Self::SessionTimeout => FenceReason::SessionTimeout,
            Self::ConnectionRefused => FenceReason::ConnectionRefused,
        }
    }
}

/// Fences `broker` under `epoch`; fine when it is fenced, gone or registered anew already.
///
/// # Errors
/// When the fencing was not committed; it is tried again when it is still due.
pub(super) async fn fence(
    node: &Node,
    broker: BrokerId,
    epoch: BrokerEpoch,
    cause: Cause,
) -> Result<(), ProposeError> {
    loop {
        let (sessions, clock) = (node.sessions().clone(), node.clock());
        let decided = node.proposer().propose(Confirm::Quorum, move |view| {
            let is_saved =
                cause == Cause::SessionTimeout && sessions.lock().is_valid(broker, clock.now());
            if is_saved {
                return Ok(Decision {
                    records: Vec::new(),
                    response: (FollowUp::Nothing, false),
                });
            }
            let decision = brokers::fence(view, broker, epoch, cause.reason())?;
            let is_news = !decision.records.is_empty();
            Ok(Decision {
                records: decision.records,
                response: (decision.response, is_news),
            })
        });
        match decided.await {
            Ok((FollowUp::DecideAgain, _)) => {}
            Ok((follow_up, is_news)) => {
                if is_news {
                    tracing::warn!(%broker, ?cause, "fenced a broker");
                }
                if follow_up == FollowUp::ElectLeaderless {
                    node.sessions().owe_sweep();
                }
                return Ok(());
            }
            Err(ProposeError::Refused(refusal)) if is_gone(&refusal) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

fn is_gone(refusal: &Refusal) -> bool {
    matches!(
        refusal.error,
        KafkaError::BrokerIdNotRegistered | KafkaError::StaleBrokerEpoch
    )
}

/// Makes elections where there is no leader and one is possible: as many as fit into one decision.
/// What does not fit is owed again.
///
/// # Errors
/// When they were not committed; they are owed again likewise.
pub(super) async fn elect_leaderless(node: &Node) -> Result<(), ProposeError> {
    let decided = node
        .proposer()
        .propose(Confirm::Nothing, |view| {
            Ok(partitions::elect_leaderless(view))
        })
        .await;
    if !matches!(decided, Ok(FollowUp::Nothing)) {
        // Without a call: the watchman itself knows, and waits after a failure.
        node.sessions().lock().owe_sweep();
    }
    decided.map(|_| ())
}
