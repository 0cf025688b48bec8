//! [`TopicId`].

use uuid::Uuid;

use crate::uuid_text::uuid_id;

/// The identity of one topic: drawn at creation, never used again.
///
/// A topic deleted and created again under the same name has another id, so that data, fetches and
/// ISR changes of the old one cannot touch the new one (KIP-516).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(Uuid);

uuid_id!(TopicId);
