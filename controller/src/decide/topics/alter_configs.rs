//! [`alter_topic_configs`]: new values for a topic's settings.

use trimaran_api::controller::{AlterTopicConfigsRequest, TopicStatus};
use trimaran_metadata::record::{Config, ConfigResourceType};
use trimaran_metadata::{MetadataImage, MetadataRecord};
use trimaran_types::{KafkaError, TopicName};

use super::create::check_size;
use super::{configs, topic_status};
use crate::decide::partitions::changes_of_min_isr;
use crate::decide::{Decision, FollowUp, Refusal};

/// What becomes of a change of settings.
#[derive(Debug, Clone, PartialEq)]
pub struct AlteredConfigs {
    /// The topic as it will be.
    pub topic: TopicStatus,
    /// Elections are due where unclean ones are allowed and somebody waits for a leader.
    pub follow_up: FollowUp,
}

/// Changes the settings that are named, all or none (KIP-339); the answer is the topic as it will
/// be. What is so already needs no record.
///
/// # Errors
/// There is no such topic; a setting is unknown, given twice, or has a value out of bounds.
pub fn alter_topic_configs(
    view: &MetadataImage,
    name: &TopicName,
    request: &AlterTopicConfigsRequest,
) -> Result<Decision<AlteredConfigs>, Refusal> {
    if view.topics.by_name(name).is_none() {
        let message = format!("topic '{name}' does not exist");
        return Err(Refusal::new(KafkaError::UnknownTopicOrPartition, message));
    }
    configs::check(&request.configs)?;
    let is_news = |key: &str, value: Option<&str>| {
        let mut set = view.configs.topic(name);
        set.find(|(known, _)| *known == key).map(|(_, value)| value) != value
    };
    let mut records: Vec<MetadataRecord> = request
        .configs
        .iter()
        .filter(|entry| is_news(&entry.name, entry.value.as_deref()))
        .map(|entry| {
            MetadataRecord::from(Config {
                resource_type: ConfigResourceType::Topic,
                resource_name: name.to_string(),
                name: entry.name.clone(),
                value: entry.value.clone(),
            })
        })
        .collect();
    let impossible = |cause: String| Refusal::new(KafkaError::UnknownServerError, cause);
    let mut after = view
        .replay_pending(&records)
        .map_err(|cause| impossible(cause.to_string()))?;
    // In the same entry: once the high watermark may move with fewer in sync, a replica that was
    // eligible because it could not move is eligible no longer (KIP-966).
    let changes = changes_of_min_isr(&after, name);
    if !changes.is_empty() {
        records.extend(changes.into_iter().map(MetadataRecord::from));
        after = view
            .replay_pending(&records)
            .map_err(|cause| impossible(cause.to_string()))?;
    }
    check_size(name, &records)?;
    let topic = after
        .topics
        .by_name(name)
        .ok_or_else(|| impossible(format!("topic {name} vanished while it was changed")))?;
    let waits = topic.partitions().any(|(_, state)| state.leader.is_none());
    let may_be_led = waits && after.unclean_leader_election_enabled(name);
    let follow_up = if may_be_led && !request.validate_only {
        FollowUp::ElectLeaderless
    } else {
        FollowUp::Nothing
    };
    let response = AlteredConfigs {
        topic: topic_status(&after, topic),
        follow_up,
    };
    if request.validate_only {
        records.clear();
    }
    Ok(Decision { records, response })
}

#[cfg(test)]
mod tests {
    use trimaran_api::controller::ConfigEntry;
    use trimaran_types::BrokerId;

    use super::*;
    use crate::decide::world::{World, ids, refused};

    fn request(entries: &[(&str, Option<&str>)]) -> AlterTopicConfigsRequest {
        AlterTopicConfigsRequest {
            configs: entries
                .iter()
                .map(|(name, value)| ConfigEntry {
                    name: (*name).to_owned(),
                    value: value.map(str::to_owned),
                })
                .collect(),
            validate_only: false,
        }
    }

    #[test]
    fn what_is_named_changes_and_the_rest_stays() {
        let mut world = World::with_brokers(3);
        world.create(
            "t",
            &[&[1, 2, 3]],
            &[("retention.ms", "1"), ("flush.ms", "5")],
        );
        let name = TopicName::new("t").unwrap();
        let changes = request(&[
            ("retention.ms", Some("2")),
            ("flush.ms", None),
            ("segment.ms", None),
        ]);
        let decision = alter_topic_configs(&world.image, &name, &changes).unwrap();
        // What was not set needs no record to be unset.
        assert_eq!(decision.records.len(), 2);
        let only_checked = AlterTopicConfigsRequest {
            validate_only: true,
            ..changes.clone()
        };
        let checked = alter_topic_configs(&world.image, &name, &only_checked).unwrap();
        assert_eq!(
            (checked.records, &checked.response),
            (vec![], &decision.response)
        );
        let told = world.commit(decision).topic;
        assert_eq!(
            told.configs,
            [("retention.ms".to_owned(), "2".to_owned())].into()
        );
        let again = alter_topic_configs(&world.image, &name, &changes).unwrap();
        assert_eq!(again.records, vec![]);
    }

    #[test]
    fn mistakes_change_nothing() {
        let mut world = World::with_brokers(1);
        world.create("t", &[&[1]], &[]);
        let name = |text| TopicName::new(text).unwrap();
        for (topic, entries, error) in [
            (
                "u",
                &[("retention.ms", Some("2"))][..],
                KafkaError::UnknownTopicOrPartition,
            ),
            (
                "t",
                &[("retention.ms", Some("x"))][..],
                KafkaError::InvalidConfig,
            ),
            ("t", &[("no.such", None)][..], KafkaError::InvalidConfig),
            (
                "t",
                &[("flush.ms", Some("1")), ("flush.ms", None)][..],
                KafkaError::InvalidConfig,
            ),
        ] {
            let refusal = alter_topic_configs(&world.image, &name(topic), &request(entries));
            assert_eq!(refused(refusal).error, error, "{entries:?}");
        }
    }

    #[test]
    fn a_lower_minimum_ends_the_eligibility_that_rested_on_the_higher_one() {
        let mut world = World::with_brokers(2);
        world.create("t", &[&[1, 2]], &[("min.insync.replicas", "2")]);
        world.fence(2);
        assert_eq!(world.state("t", 0).eligible_leader_replicas, ids(&[2]));
        let name = TopicName::new("t").unwrap();
        let changes = request(&[("min.insync.replicas", Some("1"))]);
        let decision = alter_topic_configs(&world.image, &name, &changes).unwrap();
        world.commit(decision);
        let state = world.state("t", 0);
        assert_eq!(state.eligible_leader_replicas, ids(&[]));
        assert_eq!(
            (state.leader, state.isr.clone()),
            (Some(BrokerId(1)), ids(&[1]))
        );
    }

    #[test]
    fn unclean_election_where_nobody_leads_owes_an_election() {
        let mut world = World::with_brokers(2);
        world.create(
            "t",
            &[&[1, 2]],
            &[("min.insync.replicas", "1"), ("flush.messages", "100")],
        );
        world.set_isr("t", 0, &[1]);
        world.fence(1);
        // It comes back without what it had not synced.
        let request_of_one = world.request(1);
        world.register(&request_of_one);
        let state = world.state("t", 0);
        assert_eq!(
            (state.leader, &state.eligible_leader_replicas),
            (None, &ids(&[]))
        );
        let name = TopicName::new("t").unwrap();
        let unclean = request(&[("unclean.leader.election.enable", Some("true"))]);
        let checked = AlterTopicConfigsRequest {
            validate_only: true,
            ..unclean.clone()
        };
        let retention = request(&[("retention.ms", Some("2"))]);
        for (request, expected) in [
            (&retention, FollowUp::Nothing),
            (&checked, FollowUp::Nothing),
            (&unclean, FollowUp::ElectLeaderless),
            // Asked for once more, it is owed once more.
            (&unclean, FollowUp::ElectLeaderless),
        ] {
            let decision = alter_topic_configs(&world.image, &name, request).unwrap();
            assert_eq!(world.commit(decision).follow_up, expected, "{request:?}");
        }
        world.commit(crate::decide::partitions::elect_leaderless(&world.image));
        assert_eq!(world.state("t", 0).leader, Some(BrokerId(2)));
        let decision = alter_topic_configs(&world.image, &name, &unclean).unwrap();
        assert_eq!(decision.response.follow_up, FollowUp::Nothing);
    }
}
