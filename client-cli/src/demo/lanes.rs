//! Produces all rows over several lanes at once, each a request at a time. Rows of one key share a
//! lane, so their order holds.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use trimaran_types::TopicName;

use crate::connection::Connection;
use crate::failure::Failure;
use crate::produce::{EmbeddedFormat, Outcome, ProduceRecord, Sender};

/// Requests in flight.
const LANES: usize = 4;

/// Rows in a request.
const BATCH_ROWS: usize = 50;

/// How long a batch is tried again while it surely has no effect.
const PATIENCE: Duration = Duration::from_secs(30);

/// What became of the rows, and when.
#[derive(Debug)]
pub(super) struct Produced {
    /// The fate of each row, by its place.
    pub(super) outcomes: Vec<Outcome>,
    /// When requests were answered with acknowledgements, in order.
    pub(super) acknowledged_at: Vec<Instant>,
}

/// What the lanes share.
struct Shared<'a> {
    rows: &'a [ProduceRecord],
    topic: &'a TopicName,
    record: RefCell<Record>,
    /// Wakes who waits for a part of the rows to be acknowledged.
    part: Notify,
    part_rows: usize,
}

struct Record {
    outcomes: Vec<Option<Outcome>>,
    acknowledged: usize,
    acknowledged_at: Vec<Instant>,
}

/// Sends all `rows`; runs `meanwhile` once `part_rows` of them are acknowledged, with the number
/// that is still to be answered, while the rest flows.
///
/// # Errors
/// When the system gives no resources, or `meanwhile` fails.
pub(super) async fn produce<T>(
    connection: &Connection,
    topic: &TopicName,
    rows: &[ProduceRecord],
    part_rows: usize,
    meanwhile: impl AsyncFnOnce(usize) -> Result<T, Failure>,
) -> Result<(Produced, T), Failure> {
    let record = Record {
        outcomes: vec![None; rows.len()],
        acknowledged: 0,
        acknowledged_at: Vec::new(),
    };
    let shared = Shared {
        rows,
        topic,
        record: RefCell::new(record),
        part: Notify::new(),
        part_rows,
    };
    let mut connections = Vec::with_capacity(LANES);
    for place in 0..LANES {
        connections.push(connection.starting_at(place)?);
    }
    let lanes = connections
        .iter()
        .zip(split(rows))
        .map(|(connection, places)| lane(connection, &shared, places));
    let lanes = async {
        futures_util::future::join_all(lanes).await;
        // Also when fewer were acknowledged: whoever waits must not wait for ever.
        shared.part.notify_one();
    };
    let aside = async {
        shared.part.notified().await;
        let open = shared
            .record
            .borrow()
            .outcomes
            .iter()
            .filter(|fate| fate.is_none())
            .count();
        meanwhile(open).await
    };
    let ((), aside) = tokio::join!(lanes, aside);
    let record = shared.record.into_inner();
    let unanswered = || Outcome::Unknown {
        reason: "never answered".to_owned(),
    };
    let outcomes = record
        .outcomes
        .into_iter()
        .map(|fate| fate.unwrap_or_else(unanswered))
        .collect();
    Ok((
        Produced {
            outcomes,
            acknowledged_at: record.acknowledged_at,
        },
        aside?,
    ))
}

async fn lane(connection: &Connection, shared: &Shared<'_>, places: Vec<usize>) {
    let sender = Sender::new(connection, shared.topic, EmbeddedFormat::Json, PATIENCE);
    for batch in places.chunks(BATCH_ROWS) {
        let records: Vec<ProduceRecord> = batch
            .iter()
            .filter_map(|place| shared.rows.get(*place))
            .cloned()
            .collect();
        let outcomes = sender.send(&records).await;
        shared.take(batch, outcomes);
    }
}

impl Shared<'_> {
    fn take(&self, batch: &[usize], outcomes: Vec<Outcome>) {
        let mut record = self.record.borrow_mut();
        let before = record.acknowledged;
        for (place, outcome) in batch.iter().zip(outcomes) {
            record.acknowledged += usize::from(matches!(outcome, Outcome::Acknowledged { .. }));
            if let Some(fate) = record.outcomes.get_mut(*place) {
                *fate = Some(outcome);
            }
        }
        if record.acknowledged > before {
            record.acknowledged_at.push(Instant::now());
        }
        if before < self.part_rows && record.acknowledged >= self.part_rows {
            self.part.notify_one();
        }
    }
}

/// The places of the rows of each lane.
fn split(rows: &[ProduceRecord]) -> Vec<Vec<usize>> {
    let mut lanes = vec![Vec::new(); LANES];
    for (place, row) in rows.iter().enumerate() {
        let mut hasher = DefaultHasher::new();
        match &row.key {
            Some(key) => key.get().hash(&mut hasher),
            None => place.hash(&mut hasher),
        }
        let lane = usize::try_from(hasher.finish() % LANES as u64).unwrap_or(0);
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(place);
        }
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_one_lane_and_a_key_keeps_to_its_own() {
        let rows: Vec<ProduceRecord> = (0..500)
            .map(|n| {
                let line = format!(r#"{{"k":"plane {}","n":{n}}}"#, n % 50);
                ProduceRecord::of_line(&line, 1, EmbeddedFormat::Json, Some("k")).unwrap()
            })
            .collect();
        let lanes = split(&rows);
        assert_eq!(lanes.iter().map(Vec::len).sum::<usize>(), 500);
        for plane in 0..50 {
            let with = |lane: &&Vec<usize>| lane.iter().any(|place| place % 50 == plane);
            assert_eq!(lanes.iter().filter(with).count(), 1);
        }
        assert!(lanes.iter().all(|lane| lane.is_sorted()));
    }
}
