//! [`IncarnationId`].

use uuid::Uuid;

use crate::uuid_text::uuid_id;

/// One run of a broker process: drawn at each start.
///
/// Tells a restart from a repeated registration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IncarnationId(Uuid);

uuid_id!(IncarnationId);
