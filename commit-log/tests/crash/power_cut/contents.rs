//! [`Content`]: everything that one file may hold after a power cut.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use super::{Change, FileState, PAGE_BYTES};

/// What a file may hold after the cut, and how it came to that.
pub(super) struct Content {
    /// Of all changes, the first so many decide the length; and so many each page.
    pub(super) length: usize,
    pub(super) pages: Vec<(usize, usize)>,
    pub(super) bytes: Arc<Vec<u8>>,
    pub(super) fingerprint: u64,
}

pub(super) fn fingerprint(content: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    content.hash(&mut hasher);
    hasher.finish()
}

/// Counts up: the first place is the lowest. `false` behind the last.
pub(super) fn count_up(places: &mut [usize], ends: &[usize]) -> bool {
    for (place, end) in places.iter_mut().zip(ends) {
        *place += 1;
        if *place < *end {
            return true;
        }
        *place = 0;
    }
    false
}

pub(super) fn product(factors: impl IntoIterator<Item = usize>) -> usize {
    factors.into_iter().fold(1, usize::saturating_mul)
}

impl FileState {
    /// Every content that a cut may leave, where no page is torn; `None` when there are too many
    /// ways.
    pub(super) fn contents(&self, max: usize) -> Option<Vec<Content>> {
        let mut lengths = vec![0];
        let mut pages: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        let mut length = self.synced.len();
        for (number, change) in self.since.iter().enumerate() {
            let next = match change {
                Change::Write(at, bytes) => {
                    for page in at / PAGE_BYTES..=(at + bytes.len() - 1) / PAGE_BYTES {
                        let counts = pages.entry(page).or_insert_with(|| vec![0]);
                        counts.push(number + 1);
                    }
                    length.max(at + bytes.len())
                }
                Change::SetLen(bytes) => *bytes,
            };
            if next != length {
                lengths.push(number + 1);
            }
            length = next;
        }
        if product(pages.values().map(Vec::len)).saturating_mul(lengths.len()) > max {
            return None;
        }
        let mut contents: Vec<Content> = Vec::new();
        let ends: Vec<usize> = pages.values().map(Vec::len).collect();
        for length in lengths {
            let mut places = vec![0; ends.len()];
            loop {
                let counts: BTreeMap<usize, usize> = pages
                    .iter()
                    .zip(&places)
                    .map(|((page, counts), place)| (*page, counts[*place]))
                    .collect();
                let bytes = self.content(&|page, _| counts[&page], length);
                let fingerprint = fingerprint(&bytes);
                if contents
                    .iter()
                    .all(|other| other.fingerprint != fingerprint)
                {
                    contents.push(Content {
                        length,
                        pages: counts.into_iter().collect(),
                        bytes: Arc::new(bytes),
                        fingerprint,
                    });
                }
                if !count_up(&mut places, &ends) {
                    break;
                }
            }
        }
        Some(contents)
    }
}
