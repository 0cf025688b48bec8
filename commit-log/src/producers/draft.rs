//! [`Draft`]: batches that are about to be appended together, judged one after the other.
//!
//! A batch is judged as if those before it were in the log, so a repetition within one call is
//! found too. The state itself changes only when all is written.

use std::collections::HashMap;

use trimaran_types::ProducerId;

use super::batch::ProducerBatch;
use super::check::{Origin, ProducerRefusal, Verdict, check};
use super::entry::ProducerEntry;
use super::states::ProducerStates;

/// Judges the batches of one append.
#[derive(Debug, Clone)]
pub(crate) struct Draft<'a> {
    states: &'a ProducerStates,
    origin: Origin,
    changed: HashMap<ProducerId, ProducerEntry>,
    added: usize,
}

impl<'a> Draft<'a> {
    pub(crate) fn new(states: &'a ProducerStates, origin: Origin) -> Self {
        Self {
            states,
            origin,
            changed: HashMap::new(),
            added: 0,
        }
    }

    /// Judges the next batch, with the offsets that it would get.
    pub(crate) fn check(&mut self, batch: &ProducerBatch) -> Result<Verdict, ProducerRefusal> {
        let known = match self.changed.get(&batch.producer) {
            Some(entry) => Some(entry),
            None => self.states.get(batch.producer),
        };
        let verdict = check(known, batch, self.origin)?;
        if verdict == Verdict::New {
            let mut entry = match known {
                Some(entry) => entry.clone(),
                None if !self.states.has_room_for(self.added + 1) => {
                    return Err(ProducerRefusal::TooManyProducers);
                }
                None => {
                    self.added += 1;
                    ProducerEntry::new(batch.epoch)
                }
            };
            entry.note(batch);
            self.changed.insert(batch.producer, entry);
        }
        Ok(verdict)
    }
}
