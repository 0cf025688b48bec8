//! Proposals as the controllers read them, and their answers as the leaders do.

use std::collections::BTreeMap;

use trimaran_api::controller::{
    AlterPartitionsRequest, IsrMember, PartitionAlteration, PartitionAlterationResult,
};
use trimaran_replication::leader::{IsrAnswer, IsrProposal};
use trimaran_types::{BrokerEpoch, BrokerId, TopicIdPartition};

/// One request for all proposals.
pub(super) fn request(
    broker_id: BrokerId,
    broker_epoch: BrokerEpoch,
    proposals: &BTreeMap<TopicIdPartition, IsrProposal>,
) -> AlterPartitionsRequest {
    let alteration = |(partition, proposal): (&TopicIdPartition, &IsrProposal)| {
        let member = |member: &trimaran_replication::leader::ProposedMember| IsrMember {
            broker_id: member.broker,
            broker_epoch: member.broker_epoch,
        };
        PartitionAlteration {
            partition: *partition,
            leader_epoch: proposal.leader_epoch,
            partition_epoch: proposal.partition_epoch,
            new_isr: proposal.members.iter().map(member).collect(),
        }
    };
    let partitions = proposals.iter().map(alteration).collect();
    AlterPartitionsRequest {
        broker_id,
        broker_epoch,
        partitions,
    }
}

/// The answer to one proposal.
pub(super) fn answer(result: &PartitionAlterationResult) -> IsrAnswer {
    match result.error {
        Some(error) => IsrAnswer::Failed(error),
        None => IsrAnswer::Committed,
    }
}
