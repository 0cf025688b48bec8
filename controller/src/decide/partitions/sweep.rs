//! [`elect_leaderless`]: leaders for the partitions that have none.

use trimaran_metadata::{ChangeReason, MetadataImage, MetadataRecord};

use super::change_builder::ChangeBuilder;
use super::fallout::take_what_fits;
use crate::decide::budget::RecordBudget;
use crate::decide::{Decision, FollowUp};

/// Elects a leader wherever there is none and somebody may lead.
///
/// To be made once by every new active controller, whose predecessor may have died between two parts
/// of a decision, and whenever another decision asks for it.
#[must_use]
pub fn elect_leaderless(view: &MetadataImage) -> Decision<FollowUp> {
    elect_within(view, RecordBudget::of_a_part())
}

fn elect_within(view: &MetadataImage, mut budget: RecordBudget) -> Decision<FollowUp> {
    let changes = view
        .leaderless_partitions()
        .filter_map(|found| ChangeBuilder::new(view, found, ChangeReason::Elected, None).build());
    let (changes, all) = take_what_fits(changes, &mut budget);
    let records = changes.into_iter().map(MetadataRecord::from).collect();
    let response = if all {
        FollowUp::Nothing
    } else {
        FollowUp::DecideAgain
    };
    Decision { records, response }
}

#[cfg(test)]
mod sweep_test;
