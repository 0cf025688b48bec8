//! A wave: the records of a stream that are sent together.
//!
//! While one wave is under way the next gathers, so a stream of small records becomes few batches
//! without waiting for anything, and its records keep their order within each partition.

use bytes::Bytes;
use tokio::time::Instant;
use trimaran_api::ApiError;
use trimaran_api::replica::RequiredAcks;
use trimaran_types::{KafkaError, Timestamp, TopicId, TopicName};

use super::receipt::{Described, Receipts, push_error};
use super::record::{self, BadRecord, Parsed};
use crate::http::Service;
use crate::produce::{
    Assigned, Draft, ProduceTo, RecordError, assign, check_place, send, topic_compression,
};
use crate::wall_clock;

/// Records that are ready to be sent, and what is known of the others.
#[derive(Debug)]
pub(super) struct Wave {
    items: Vec<Item>,
    assigned: Vec<Assigned>,
    sent: usize,
    bytes: usize,
    /// Why the stream ends with this wave.
    pub(super) end: Option<ApiError>,
}

/// One record of a wave, in the order of the stream.
#[derive(Debug)]
enum Item {
    /// Refused before it was sent.
    Refused(RecordError),
    /// The `number`-th of those that are sent.
    Sent { number: usize, described: Described },
}

/// What the waves of one stream share.
#[derive(Debug, Clone)]
pub(super) struct WaveContext {
    pub(super) topic_id: TopicId,
    pub(super) topic: TopicName,
    pub(super) acks: RequiredAcks,
    pub(super) receipts: Receipts,
}

impl Wave {
    /// Reads `objects` and gives each record its place.
    pub(super) fn prepare(service: &Service, context: &WaveContext, objects: &[Bytes]) -> Self {
        let now = wall_clock::now();
        let mut items: Vec<Result<Parsed<'_>, RecordError>> = Vec::with_capacity(objects.len());
        let mut end = None;
        for object in objects {
            match record::parse(object) {
                Ok(parsed) => items.push(Ok(parsed)),
                Err(BadRecord::Itself(error)) => items.push(Err(error)),
                Err(BadRecord::Stream(message)) => {
                    end = Some(ApiError::new(400, message));
                    break;
                }
            }
        }
        match place(service, context, items, now) {
            Ok((items, assigned)) => Self {
                sent: items.iter().filter(|item| item.is_sent()).count(),
                bytes: bytes_of(&assigned),
                items,
                assigned,
                end,
            },
            Err(gone) => Self {
                items: Vec::new(),
                assigned: Vec::new(),
                sent: 0,
                bytes: 0,
                end: Some(gone),
            },
        }
    }

    /// Records and bytes that are sent.
    pub(super) const fn volume(&self) -> (usize, usize) {
        (self.sent, self.bytes)
    }

    /// Sends the records; gives the receipts, one for each object, in order.
    pub(super) async fn send(
        self,
        service: &Service,
        context: &WaveContext,
        deadline: Instant,
    ) -> Vec<u8> {
        let to = ProduceTo {
            router: service.router(),
            codecs: &service.codecs,
            compression: topic_compression(&service.image(), &context.topic),
            topic_id: context.topic_id,
            acks: context.acks,
            deadline,
        };
        let mut results = send(to, self.assigned, self.sent).await;
        let mut out = Vec::with_capacity(self.items.len().saturating_mul(200));
        for item in self.items {
            match item {
                Item::Refused(error) => push_error(&mut out, error.refusal(None)),
                Item::Sent { number, described } => {
                    match results.get_mut(number).and_then(Option::take) {
                        Some(result) => context.receipts.push(&mut out, &described, result),
                        None => {
                            push_error(&mut out, ApiError::new(50002, "the record was not sent"))
                        }
                    }
                }
            }
        }
        out
    }
}

impl Item {
    const fn is_sent(&self) -> bool {
        matches!(self, Self::Sent { .. })
    }
}

fn bytes_of(assigned: &[Assigned]) -> usize {
    assigned
        .iter()
        .flat_map(|assigned| &assigned.batches)
        .map(|batch| batch.bytes().len())
        .sum()
}

/// Batches of the records that have a place; the others are refused one by one.
fn place(
    service: &Service,
    context: &WaveContext,
    parsed: Vec<Result<Parsed<'_>, RecordError>>,
    now: Timestamp,
) -> Result<(Vec<Item>, Vec<Assigned>), ApiError> {
    let image = service.image();
    let Some(topic) = image.topics.get(context.topic_id) else {
        let message = format!("topic {} does not exist any more", context.topic);
        let mut gone = ApiError::new(40403, message);
        gone.body.kafka_error = Some(KafkaError::UnknownTopicOrPartition);
        return Err(gone);
    };
    let mut items = Vec::with_capacity(parsed.len());
    let mut drafts: Vec<Draft<'_>> = Vec::with_capacity(parsed.len());
    for item in parsed {
        let fitting = item.and_then(|parsed| {
            check_place(&image, topic, &parsed.draft, now)?;
            Ok(parsed)
        });
        items.push(match fitting {
            Ok(parsed) => {
                let described = Described::of(&parsed, now);
                let number = drafts.len();
                drafts.push(parsed.draft);
                Item::Sent { number, described }
            }
            Err(error) => Item::Refused(error),
        });
    }
    let assigned = assign(&image, topic, &drafts, now, rand::random());
    let assigned = assigned.map_err(|(_, error)| error.refusal(None))?;
    Ok((items, assigned))
}
