//! [`register`]: a broker process joins, or joins again (KIP-631).
//!
//! A new run starts fenced, under a new epoch, out of every ISR. What it may have lost decides
//! whether it stays an eligible leader: nothing after a clean stop, which it proves by the epoch
//! that it wrote down when it stopped; else what was not synced; everything in a directory that it
//! no longer has.

use trimaran_api::controller::{RegisterBrokerRequest, RegisterBrokerResponse};
use trimaran_metadata::record::RegisterBroker;
use trimaran_metadata::{
    BrokerRegistration, ChangeReason, FenceReason, MetadataImage, MetadataRecord,
};
use trimaran_types::{BrokerEpoch, ClusterId, DirectoryId, KafkaError};

use super::transition::view_after;
use crate::decide::budget::RecordBudget;
use crate::decide::partitions::{Loss, changes_of_departure};
use crate::decide::{Decision, FollowUp, Refusal};

/// Ids below are reserved by KIP-858 for "unassigned", "lost" and "migrating".
const RESERVED_DIRECTORY_IDS: u128 = 100;
/// Most log directories of one broker.
const DIRECTORIES_MAX: usize = 64;
/// Longest `host:port`: a DNS name of 253 characters, a colon, five digits, brackets.
const ADDRESS_LENGTH_MAX: usize = 261;
/// Longest name of a rack.
const RACK_LENGTH_MAX: usize = 255;

/// What the request and the image do not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegisterContext {
    /// The cluster that this controller belongs to.
    pub cluster_id: ClusterId,
    /// Whether the broker id was heard of within the session timeout.
    pub session_is_valid: bool,
}

/// What became of a registration.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterOutcome {
    /// The answer; `None` while `follow_up` is "decide again".
    pub response: Option<RegisterBrokerResponse>,
    /// What the caller owes: nothing, or the same decision again.
    pub follow_up: FollowUp,
}

/// Registers the broker, or amends the registration of the same run.
///
/// # Errors
/// In Kafka's order: another cluster; another run is alive under this id; directories or addresses
/// that cannot be.
pub fn register(
    view: &MetadataImage,
    request: &RegisterBrokerRequest,
    context: RegisterContext,
) -> Result<Decision<RegisterOutcome>, Refusal> {
    register_within(view, request, context, RecordBudget::of_a_part())
}

pub(super) fn register_within(
    view: &MetadataImage,
    request: &RegisterBrokerRequest,
    context: RegisterContext,
    mut budget: RecordBudget,
) -> Result<Decision<RegisterOutcome>, Refusal> {
    check_cluster(request, context.cluster_id)?;
    let existing = view.brokers.get(request.broker_id);
    check_not_alive(request, existing, context.session_is_valid)?;
    check_directories(view, request)?;
    check_texts(request)?;
    let same_run = existing.filter(|known| known.incarnation_id == request.incarnation_id);
    let mut record = registration_record(view, request, same_run);
    if same_run.is_some_and(|known| is_same(known, &record)) {
        return Ok(registered(Vec::new(), record.broker_epoch, context));
    }
    budget.take(&record.clone().into());
    let after = view_after(view, &record.clone().into())?;
    let (loss, reason) = loss_of(request, existing);
    let (changes, all) = changes_of_departure(&after, request.broker_id, loss, reason, &mut budget);
    let mut records: Vec<MetadataRecord> = changes.into_iter().map(Into::into).collect();
    if !all {
        let response = RegisterOutcome {
            response: None,
            follow_up: FollowUp::DecideAgain,
        };
        return Ok(Decision { records, response });
    }
    if same_run.is_none() {
        record.broker_epoch = epoch_at(view, records.len());
    }
    let epoch = record.broker_epoch;
    records.push(record.into());
    Ok(registered(records, epoch, context))
}

fn registered(
    records: Vec<MetadataRecord>,
    broker_epoch: BrokerEpoch,
    context: RegisterContext,
) -> Decision<RegisterOutcome> {
    let response = Some(RegisterBrokerResponse {
        cluster_id: context.cluster_id,
        broker_epoch,
    });
    Decision {
        records,
        response: RegisterOutcome {
            response,
            follow_up: FollowUp::Nothing,
        },
    }
}

/// The epoch of a registration whose record comes after `before` others: its offset in the log.
const fn epoch_at(view: &MetadataImage, before: usize) -> BrokerEpoch {
    BrokerEpoch(view.position.next_offset.plus(before as u64).0)
}

/// The same run keeps its epoch, its fence and its shutdown.
fn registration_record(
    view: &MetadataImage,
    request: &RegisterBrokerRequest,
    same_run: Option<&BrokerRegistration>,
) -> RegisterBroker {
    RegisterBroker {
        broker_id: request.broker_id,
        incarnation_id: request.incarnation_id,
        broker_epoch: same_run.map_or_else(|| epoch_at(view, 0), |known| known.broker_epoch),
        client_address: request.client_address.clone(),
        inter_node_address: request.inter_node_address.clone(),
        rack: request.rack.clone(),
        directories: request.directories.clone(),
        fenced: same_run.is_none_or(|known| known.fenced),
        in_controlled_shutdown: same_run.is_some_and(|known| known.in_controlled_shutdown),
        reason: match same_run {
            Some(_) => FenceReason::RegistrationAmended,
            None => FenceReason::Registered,
        },
        origin: None,
    }
}

fn is_same(known: &BrokerRegistration, record: &RegisterBroker) -> bool {
    known.client_address == record.client_address
        && known.inter_node_address == record.inter_node_address
        && known.rack == record.rack
        && known.directories == record.directories
}

fn loss_of(
    request: &RegisterBrokerRequest,
    existing: Option<&BrokerRegistration>,
) -> (Loss, ChangeReason) {
    match existing {
        Some(known) if known.incarnation_id == request.incarnation_id => {
            (Loss::Nothing, ChangeReason::DirectoryFailed)
        }
        Some(known) if request.previous_broker_epoch == Some(known.broker_epoch) => {
            (Loss::Nothing, ChangeReason::BrokerFenced)
        }
        _ => (Loss::Unsynced, ChangeReason::ReplicaUncleanRestart),
    }
}

fn check_cluster(request: &RegisterBrokerRequest, ours: ClusterId) -> Result<(), Refusal> {
    match request.cluster_id {
        Some(theirs) if theirs != ours => Err(Refusal::new(
            KafkaError::InconsistentClusterId,
            format!(
                "broker {} belongs to cluster {theirs}, this is {ours}",
                request.broker_id
            ),
        )),
        _ => Ok(()),
    }
}

fn check_not_alive(
    request: &RegisterBrokerRequest,
    existing: Option<&BrokerRegistration>,
    session_is_valid: bool,
) -> Result<(), Refusal> {
    let is_alive = existing.is_some_and(|known| {
        !known.fenced && session_is_valid && known.incarnation_id != request.incarnation_id
    });
    if !is_alive {
        return Ok(());
    }
    let id = request.broker_id;
    Err(Refusal::new(
        KafkaError::DuplicateBrokerRegistration,
        format!("another process is registered as broker {id} and its session has not ended"),
    ))
}

fn check_directories(view: &MetadataImage, request: &RegisterBrokerRequest) -> Result<(), Refusal> {
    let directories = &request.directories;
    let invalid = |message: String| Err(Refusal::new(KafkaError::InvalidRegistration, message));
    if directories.is_empty() || directories.len() > DIRECTORIES_MAX {
        let count = directories.len();
        return invalid(format!(
            "{count} log directories, expected 1 to {DIRECTORIES_MAX}"
        ));
    }
    for (place, directory) in directories.iter().enumerate() {
        if is_reserved(*directory) {
            return invalid(format!("directory id {directory} is reserved"));
        }
        if directories
            .iter()
            .take(place)
            .any(|earlier| earlier == directory)
        {
            return invalid(format!("directory id {directory} is named twice"));
        }
        let owner = view.brokers.iter().find(|broker| {
            broker.broker_id != request.broker_id && broker.directories.contains(directory)
        });
        if let Some(owner) = owner {
            let owner = owner.broker_id;
            return invalid(format!(
                "directory id {directory} belongs to broker {owner}"
            ));
        }
    }
    Ok(())
}

const fn is_reserved(directory: DirectoryId) -> bool {
    directory.as_uuid().as_u128() < RESERVED_DIRECTORY_IDS
}

fn check_texts(request: &RegisterBrokerRequest) -> Result<(), Refusal> {
    let invalid = |message: String| Err(Refusal::new(KafkaError::InvalidRegistration, message));
    for address in [&request.client_address, &request.inter_node_address] {
        if !is_address(address) {
            let shown: String = address.chars().take(64).collect();
            return invalid(format!("'{shown}' is not an address of the form host:port"));
        }
    }
    match &request.rack {
        Some(rack) if rack.is_empty() || rack.len() > RACK_LENGTH_MAX => {
            let length = rack.len();
            invalid(format!(
                "rack has {length} characters, expected 1 to {RACK_LENGTH_MAX}"
            ))
        }
        _ => Ok(()),
    }
}

fn is_address(address: &str) -> bool {
    address.len() <= ADDRESS_LENGTH_MAX
        && address.rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

#[cfg(test)]
mod register_test;
