//! A partition for each record, and a batch for each partition.

use std::borrow::Cow;
use std::collections::BTreeMap;

use trimaran_metadata::{MetadataImage, TopicImage};
use trimaran_types::record_batch::{BATCH_HEADER_BYTES, BatchBuilder, RecordBatch, TimestampType};
use trimaran_types::{PartitionIndex, Timestamp};

use super::timestamps::timestamp_bounds;
use super::{Draft, RecordError};
use crate::partition::batch_bytes_max;
use crate::partitioner::partition_of_key;

/// The batches of one partition, and which records are in them, in order.
#[derive(Debug)]
pub struct Assigned {
    /// The partition.
    pub partition: PartitionIndex,
    /// One batch, or several where the topic bounds them.
    pub batches: Vec<RecordBatch>,
    /// The numbers of the records in their request.
    pub records: Vec<usize>,
}

/// Builds the batches. Nothing is built when any record has no place.
///
/// Records without partition and key go to one partition that has a leader, chosen by `draw`.
///
/// # Errors
/// The number of the first record that cannot be placed, and why.
pub fn assign(
    image: &MetadataImage,
    topic: &TopicImage,
    drafts: &[Draft<'_>],
    now: Timestamp,
    draw: u32,
) -> Result<Vec<Assigned>, (usize, RecordError)> {
    let mut by_partition: BTreeMap<PartitionIndex, Vec<usize>> = BTreeMap::new();
    let sticky = sticky_partition(topic, draw);
    let count = u32::try_from(topic.partition_count()).unwrap_or(u32::MAX);
    let timestamps = timestamp_bounds(image, &topic.name);
    for (place, draft) in drafts.iter().enumerate() {
        if let Some(timestamp) = draft.timestamp {
            let checked = timestamps.check(timestamp, now);
            checked.map_err(|error| (place, error.into()))?;
        }
        let by_key = || {
            let key = draft.key.as_deref()?;
            partition_of_key(key, count)
        };
        let partition = draft.partition.or_else(by_key).or(sticky);
        let partition = partition.unwrap_or(PartitionIndex(0));
        if topic.partition(partition).is_none() {
            let topic = topic.name.clone();
            return Err((place, RecordError::NoSuchPartition { topic, partition }));
        }
        by_partition.entry(partition).or_default().push(place);
    }
    let bytes_max = batch_bytes_max(image, &topic.name);
    by_partition
        .into_iter()
        .map(|(partition, records)| {
            let batches = build(drafts, &records, now, bytes_max)?;
            Ok(Assigned {
                partition,
                batches,
                records,
            })
        })
        .collect()
}

/// Checks one record by itself, for callers that refuse records one by one: records that pass make
/// [`assign`] succeed.
///
/// # Errors
/// It names a partition that does not exist, is larger than the topic's batches may be, or is stamped
/// too far from the clock.
pub fn check_place(
    image: &MetadataImage,
    topic: &TopicImage,
    draft: &Draft<'_>,
    now: Timestamp,
) -> Result<(), RecordError> {
    if let Some(partition) = draft.partition
        && topic.partition(partition).is_none()
    {
        let topic = topic.name.clone();
        return Err(RecordError::NoSuchPartition { topic, partition });
    }
    if let Some(timestamp) = draft.timestamp {
        timestamp_bounds(image, &topic.name).check(timestamp, now)?;
    }
    let bytes_max = batch_bytes_max(image, &topic.name).saturating_sub(BATCH_HEADER_BYTES);
    let lengths = RECORD_LENGTHS_BYTES_MAX + draft.headers.len() * HEADER_LENGTHS_BYTES_MAX;
    let bytes = draft.payload_bytes() + lengths;
    if bytes > bytes_max {
        return Err(RecordError::TooLarge { bytes, bytes_max });
    }
    Ok(())
}

/// The most that a record's own lengths, attributes and deltas take, beside its payload.
const RECORD_LENGTHS_BYTES_MAX: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/// The same for one header.
const HEADER_LENGTHS_BYTES_MAX: usize = 10;

/// A partition with a leader if there is one, else any.
fn sticky_partition(topic: &TopicImage, draw: u32) -> Option<PartitionIndex> {
    let led: Vec<PartitionIndex> = topic
        .partitions()
        .filter(|(_, state)| state.leader.is_some())
        .map(|(partition, _)| partition)
        .collect();
    match (draw as usize).checked_rem(led.len()) {
        Some(place) => led.get(place).copied(),
        None => {
            let count = u32::try_from(topic.partition_count()).unwrap_or(u32::MAX);
            draw.checked_rem(count).map(PartitionIndex)
        }
    }
}

fn build(
    drafts: &[Draft<'_>],
    records: &[usize],
    now: Timestamp,
    bytes_max: usize,
) -> Result<Vec<RecordBatch>, (usize, RecordError)> {
    let new_batch = || BatchBuilder::with_bytes_max(TimestampType::CreateTime, bytes_max);
    let mut batches = Vec::new();
    let mut builder = new_batch();
    let expected: usize = records
        .iter()
        .filter_map(|place| drafts.get(*place))
        .map(|draft| draft.payload_bytes() + 24)
        .sum();
    builder.reserve(expected);
    for place in records {
        let Some(draft) = drafts.get(*place) else {
            continue;
        };
        if push(&mut builder, draft, now).is_ok() {
            continue;
        }
        // Full: the batch goes, and the record begins the next one.
        let full = std::mem::replace(&mut builder, new_batch());
        batches.extend(full.build());
        push(&mut builder, draft, now).map_err(|too_large| {
            let bytes = too_large.bytes.saturating_sub(BATCH_HEADER_BYTES);
            let bytes_max = bytes_max.saturating_sub(BATCH_HEADER_BYTES);
            (*place, RecordError::TooLarge { bytes, bytes_max })
        })?;
    }
    batches.extend(builder.build());
    Ok(batches)
}

fn push(
    builder: &mut BatchBuilder,
    draft: &Draft<'_>,
    now: Timestamp,
) -> Result<(), trimaran_types::record_batch::BatchTooLarge> {
    let timestamp = draft.timestamp.unwrap_or(now);
    let key = draft.key.as_deref();
    let value = draft.value.as_deref();
    if draft.headers.is_empty() {
        return builder.push(timestamp, key, value, &[]);
    }
    let headers: Vec<(&str, Option<&[u8]>)> = draft
        .headers
        .iter()
        .map(|header| {
            let name: &Cow<'_, str> = &header.name;
            (name.as_ref(), header.value.as_deref())
        })
        .collect();
    builder.push(timestamp, key, value, &headers)
}

#[cfg(test)]
mod tests {
    use trimaran_types::KafkaError;

    use super::*;
    use crate::routing::fake::{image, image_with};

    fn draft(partition: Option<u32>, key: Option<&'static str>, value: &str) -> Draft<'static> {
        Draft {
            partition: partition.map(PartitionIndex),
            key: key.map(|key| Cow::Borrowed(key.as_bytes())),
            value: Some(Cow::Owned(value.as_bytes().to_vec())),
            ..Draft::default()
        }
    }

    type Places = Vec<(u32, Vec<usize>)>;

    fn assigned(drafts: &[Draft<'_>], draw: u32) -> Result<Places, (usize, RecordError)> {
        let image = image("t", &[Some(1), None, Some(2)]);
        let topic = image.topics.iter().next().expect("a topic");
        let assigned = assign(&image, topic, drafts, Timestamp(1), draw)?;
        Ok(assigned
            .into_iter()
            .map(|assigned| (assigned.partition.0, assigned.records))
            .collect())
    }

    #[test]
    fn the_partition_asked_for_comes_before_the_key_and_the_key_before_chance() {
        let by_key = partition_of_key(b"21", 3).unwrap().0;
        let drafts = [
            draft(Some(1), Some("21"), "a"),
            draft(None, Some("21"), "b"),
            draft(None, None, "c"),
            draft(None, None, "d"),
        ];
        for draw in 0..4 {
            let sticky = if draw % 2 == 0 { 0 } else { 2 };
            let mut expected: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
            expected.entry(1).or_default().push(0);
            expected.entry(by_key).or_default().push(1);
            expected.entry(sticky).or_default().extend([2, 3]);
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(assigned(&drafts, draw).unwrap(), expected, "draw {draw}");
        }
    }

    #[test]
    fn one_record_without_a_place_refuses_all() {
        let drafts = [draft(Some(0), None, "a"), draft(Some(3), None, "b")];
        let (place, error) = assigned(&drafts, 0).unwrap_err();
        assert_eq!(place, 1);
        assert_eq!(error.error_code(), 40402);
    }

    #[test]
    fn a_timestamp_too_far_from_the_clock_refuses_its_record() {
        const HOUR_MS: i64 = 3_600_000;
        let now = Timestamp(5 * HOUR_MS);
        let image = image_with(
            "t",
            &[Some(1)],
            &[("message.timestamp.before.max.ms", "3600000")],
        );
        let topic = image.topics.iter().next().expect("a topic");
        for (ms, is_good) in [
            (now.0 - HOUR_MS, true),
            (now.0 - HOUR_MS - 1, false),
            (now.0 + HOUR_MS, true),
            (now.0 + HOUR_MS + 1, false),
        ] {
            let stamped = Draft {
                timestamp: Some(Timestamp(ms)),
                ..draft(None, None, "x")
            };
            let checked = check_place(&image, topic, &stamped, now);
            assert_eq!(checked.is_ok(), is_good, "{ms}");
            let drafts = [draft(None, None, "x"), stamped];
            let assigned = assign(&image, topic, &drafts, now, 0);
            let Err((place, error)) = assigned else {
                assert!(is_good, "{ms}");
                continue;
            };
            assert_eq!((place, Err(error.clone())), (1, checked), "{ms}");
            let refusal = error.refusal(Some(place));
            assert_eq!(refusal.status.as_u16(), 400);
            assert_eq!(refusal.body.error_code, 40002);
            assert_eq!(refusal.body.kafka_error, Some(KafkaError::InvalidTimestamp));
        }
    }

    #[test]
    fn batches_fit_a_segment() {
        let image = image_with("t", &[Some(1)], &[("segment.bytes", "2000")]);
        let topic = image.topics.iter().next().expect("a topic");
        let text = "x".repeat(900);
        let drafts: Vec<_> = (0..5).map(|_| draft(None, None, &text)).collect();
        let assigned = assign(&image, topic, &drafts, Timestamp(1), 0).unwrap();
        let batches = &assigned[0].batches;
        assert!(batches.len() >= 3 && batches.iter().all(|batch| batch.bytes().len() <= 2000));
        let large = draft(None, None, "");
        assert!(check_place(&image, topic, &large, Timestamp(1)).is_ok());
        let text = "x".repeat(2000);
        let large = draft(None, None, &text);
        assert!(check_place(&image, topic, &large, Timestamp(1)).is_err());
    }

    #[test]
    fn a_bound_on_batches_splits_them_and_keeps_the_order() {
        let drafts: Vec<_> = (0..10)
            .map(|number| draft(None, None, &format!("{number:0>50}")))
            .collect();
        let records: Vec<usize> = (0..10).collect();
        let batches = build(&drafts, &records, Timestamp(1), 200).unwrap();
        assert_eq!(batches.len(), 5);
        let values: Vec<String> = batches
            .iter()
            .flat_map(|batch| batch.records().unwrap())
            .map(|record| String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap())
            .collect();
        assert!(values.is_sorted() && values.len() == 10);
        let (place, error) = build(&drafts, &records, Timestamp(1), 80).unwrap_err();
        assert_eq!((place, error.error_code()), (0, 413));
    }
}
