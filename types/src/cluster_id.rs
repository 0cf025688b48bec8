//! [`ClusterId`].

use uuid::Uuid;

use crate::uuid_text::uuid_id;

/// The identity of one cluster, chosen once by its bootstrap quorum.
///
/// Every directory and every call between nodes carries it, so that nodes of two clusters never
/// exchange state by a mistake in an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(Uuid);

uuid_id!(ClusterId);
