//! [`rendezvous`]: from an empty directory to a founding.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use trimaran_api::client::{CallError, call};
use trimaran_api::controller::{BootstrapRequest, BootstrapStatus, BootstrapVoter};
use trimaran_api::paths;
use trimaran_types::ClusterId;
use uuid::Uuid;

use super::desk::{AdoptError, BootstrapDesk};
use crate::config::ControllerConfig;
use crate::voter_address::VoterAddress;

/// Pause between two rounds of asking.
const ROUND_PAUSE: Duration = Duration::from_millis(50);
/// How long one voter may take to answer.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// Why this controller cannot take part.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// What the others founded cannot be this directory's.
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    /// Voters belong to different clusters.
    #[error("controller {first} belongs to cluster {one}, controller {second} to cluster {other}")]
    TwoClusters {
        /// One voter.
        first: u64,
        /// Its cluster.
        one: ClusterId,
        /// Another voter.
        second: u64,
        /// Its cluster.
        other: ClusterId,
    },
}

/// Asks the other voters, round after round, until this directory is founded.
///
/// # Errors
/// When it can never be: waiting longer would not help.
pub(crate) async fn rendezvous(
    config: &ControllerConfig,
    desk: &Arc<BootstrapDesk>,
    http: &reqwest::Client,
) -> Result<BootstrapStatus, BootstrapError> {
    let mut founded = desk.watch();
    loop {
        let own = desk.status();
        if own.cluster_id.is_some() {
            return Ok(own);
        }
        let answers = ask_all(config, http).await;
        if let Some(founding) = common_founding(&answers)? {
            tracing::info!(cluster_id = %founding.cluster_id, "joining the founded cluster");
            desk.found(founding).await?;
            continue;
        }
        let missing = missing(&answers);
        if missing.is_empty() && is_lowest(config) {
            let founding = founding(config, &own, &answers);
            tracing::info!(cluster_id = %founding.cluster_id, "founding the cluster");
            desk.found(founding.clone()).await?;
            tell_all(config, http, &founding).await;
            continue;
        }
        let waits = if missing.is_empty() {
            "the lowest voter to found the cluster".to_owned()
        } else {
            format!("controllers {} to answer", missing.join(", "))
        };
        if desk.set_waiting_for(format!("it waits for {waits}")) {
            tracing::info!("first start: waiting for {waits}");
        }
        // Told by the lowest voter, or time for another round.
        drop(tokio::time::timeout(ROUND_PAUSE, founded.changed()).await);
    }
}

type Answer<'a> = (&'a VoterAddress, Result<BootstrapStatus, CallError>);

fn others(config: &ControllerConfig) -> impl Iterator<Item = &VoterAddress> {
    config
        .voters
        .iter()
        .filter(|voter| voter.controller_id != config.node_id)
}

fn is_lowest(config: &ControllerConfig) -> bool {
    others(config).all(|voter| voter.controller_id > config.node_id)
}

async fn ask_all<'a>(config: &'a ControllerConfig, http: &reqwest::Client) -> Vec<Answer<'a>> {
    join_all(others(config).map(|voter| async move {
        let url = format!("http://{}{}", voter.address, paths::BOOTSTRAP);
        let answer: Result<BootstrapStatus, _> =
            call(http.get(url).timeout(ANSWER_WAIT), &voter.address).await;
        if let Ok(status) = &answer
            && status.controller_id != voter.controller_id
        {
            tracing::error!(
                address = %voter.address,
                expected = %voter.controller_id,
                found = %status.controller_id,
                "another controller answers at a voter's address"
            );
        }
        (voter, answer)
    }))
    .await
}

/// Voters that have not answered as themselves, as `id at address`.
fn missing(answers: &[Answer<'_>]) -> Vec<String> {
    answers
        .iter()
        .filter(|(voter, answer)| {
            !answer
                .as_ref()
                .is_ok_and(|status| status.controller_id == voter.controller_id)
        })
        .map(|(voter, _)| format!("{} at {}", voter.controller_id, voter.address))
        .collect()
}

/// What those that are founded agree on, if any is.
fn common_founding(answers: &[Answer<'_>]) -> Result<Option<BootstrapRequest>, BootstrapError> {
    let mut common: Option<(u64, BootstrapRequest)> = None;
    for status in answers
        .iter()
        .filter_map(|(_, answer)| answer.as_ref().ok())
    {
        let Some(cluster_id) = status.cluster_id else {
            continue;
        };
        match &common {
            None => {
                let founding = BootstrapRequest {
                    cluster_id,
                    voters: status.voters.clone(),
                };
                common = Some((status.controller_id.0, founding));
            }
            Some((first, founding)) if founding.cluster_id != cluster_id => {
                return Err(BootstrapError::TwoClusters {
                    first: *first,
                    one: founding.cluster_id,
                    second: status.controller_id.0,
                    other: cluster_id,
                });
            }
            Some(_) => {}
        }
    }
    Ok(common.map(|(_, founding)| founding))
}

fn founding(
    config: &ControllerConfig,
    own: &BootstrapStatus,
    answers: &[Answer<'_>],
) -> BootstrapRequest {
    let ours = BootstrapVoter {
        controller_id: own.controller_id,
        address: config.own_address().to_owned(),
        directory_id: own.directory_id,
    };
    let theirs = answers.iter().filter_map(|(voter, answer)| {
        let status = answer.as_ref().ok()?;
        Some(BootstrapVoter {
            controller_id: voter.controller_id,
            address: voter.address.clone(),
            directory_id: status.directory_id,
        })
    });
    let mut voters: Vec<_> = std::iter::once(ours).chain(theirs).collect();
    voters.sort_by_key(|voter| voter.controller_id);
    let cluster_id = config
        .cluster_id
        .unwrap_or_else(|| ClusterId::from_uuid(Uuid::new_v4()));
    BootstrapRequest { cluster_id, voters }
}

/// Tells the others at once; whoever misses it asks by itself.
async fn tell_all(config: &ControllerConfig, http: &reqwest::Client, founding: &BootstrapRequest) {
    join_all(others(config).map(|voter| async move {
        let url = format!("http://{}{}", voter.address, paths::BOOTSTRAP);
        let request = http.post(url).json(founding).timeout(ANSWER_WAIT);
        if let Err(error) = call::<BootstrapStatus>(request, &voter.address).await {
            tracing::warn!(controller = %voter.controller_id, %error, "could not tell a voter");
        }
    }))
    .await;
}

#[cfg(test)]
#[path = "rendezvous_test.rs"]
mod tests;
