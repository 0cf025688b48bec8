//! [`OffsetMap`]: key to last offset, in bounded memory.
//!
//! A key is known by 128 bits of a keyed hash, not by its bytes: SipHash under two secrets that
//! this map draws for itself. Two of n keys then share a hash with a chance of n² / 2^129, for the
//! five million keys of a default map about 4e-26 a pass, and nobody who does not know the secrets
//! can search for such a pair. Kafka takes MD5, for which pairs can be made.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use trimaran_types::Offset;

/// Hash, hash, offset + 1; all zero is a free slot.
type Slot = [u64; 3];

/// Bytes of one slot.
pub(super) const SLOT_BYTES: usize = size_of::<Slot>();

/// Slots of the smallest map.
const SLOTS_MIN: usize = 17;

/// Of ten slots, so many are used at most: beyond that a search takes many steps.
const USED_OF_TEN: usize = 9;

/// The map is full; the key was not put in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapFull;

/// Key to last offset. Its memory is kept from pass to pass.
#[derive(Debug)]
pub(super) struct OffsetMap {
    slots: Vec<Slot>,
    /// How many of them this pass uses: a prime number.
    size: usize,
    slots_max: usize,
    keys: usize,
    secrets: [RandomState; 2],
}

impl OffsetMap {
    /// A map of at most `bytes_max`; it holds no memory yet.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            slots: Vec::new(),
            size: 0,
            slots_max: (bytes_max / SLOT_BYTES).max(SLOTS_MIN),
            keys: 0,
            secrets: [RandomState::new(), RandomState::new()],
        }
    }

    /// Empties the map and makes room for `keys` keys, or as many as it may hold.
    pub(super) fn clear_for(&mut self, keys: u64) {
        let keys = usize::try_from(keys).unwrap_or(usize::MAX);
        let wanted = keys / USED_OF_TEN * 10 + 2 * SLOTS_MIN.max(keys % USED_OF_TEN);
        self.size = prime_at_most(wanted.clamp(SLOTS_MIN, self.slots_max));
        self.keys = 0;
        if self.slots.len() < self.size {
            // Freed first, so that never more than the bound is held. Fresh zeroed memory costs
            // nothing until it is touched.
            self.slots = Vec::new();
            self.slots = vec![[0; 3]; self.size];
        } else {
            self.slots[..self.size].fill([0; 3]);
        }
    }

    /// Gives the memory back.
    pub(super) fn release(&mut self) {
        self.slots = Vec::new();
        self.size = 0;
        self.keys = 0;
    }

    /// Notes that the last record of `key` so far is at `offset`.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> Result<(), MapFull> {
        let hash = self.hash(key);
        let at = self.find(hash);
        let is_new = self.slots[at][2] == 0;
        if is_new && (self.keys + 1) * 10 > self.size * USED_OF_TEN {
            return Err(MapFull);
        }
        self.keys += usize::from(is_new);
        self.slots[at] = [hash[0], hash[1], offset.0.unsigned_abs() + 1];
        Ok(())
    }

    /// The last record of `key`, if the map has seen one.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        if self.size == 0 {
            return None;
        }
        let place = self.slots[self.find(self.hash(key))][2].checked_sub(1)?;
        Some(Offset(place.cast_signed()))
    }

    /// How many keys it holds.
    pub(super) const fn len(&self) -> usize {
        self.keys
    }

    /// Bytes that it occupies in this pass.
    pub(super) const fn bytes(&self) -> usize {
        self.size * SLOT_BYTES
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        [0, 1].map(|which: usize| {
            let mut hasher = self.secrets[which].build_hasher();
            hasher.write(key);
            hasher.finish()
        })
    }

    /// The slot with this hash, or the free one where it belongs. There always is a free one.
    fn find(&self, hash: [u64; 2]) -> usize {
        let size = self.size as u64;
        let mut at = (hash[0] % size) as usize;
        // Coprime to the size, which is prime, so that every slot is visited.
        let step = (hash[1] % (size - 1)) as usize + 1;
        loop {
            let slot = self.slots[at];
            if slot[2] == 0 || (slot[0] == hash[0] && slot[1] == hash[1]) {
                return at;
            }
            at = (at + step) % self.size;
        }
    }
}

/// The largest prime number up to `number`, which is at least 2.
fn prime_at_most(number: usize) -> usize {
    let is_prime = |n: usize| {
        (2..)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..=number).rev().find(|n| is_prime(*n)).unwrap_or(2)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_map_refuses_new_keys_and_takes_known_ones() {
        let mut map = OffsetMap::new(100 * SLOT_BYTES);
        map.clear_for(1_000_000);
        assert_eq!(map.bytes(), 97 * SLOT_BYTES);
        let held = (0_i64..)
            .take_while(|n| map.put(&n.to_be_bytes(), Offset(*n)).is_ok())
            .count();
        assert_eq!((held, map.len()), (87, 87));
        assert_eq!(map.put(&3_i64.to_be_bytes(), Offset(900)), Ok(()));
        assert_eq!(map.get(&3_i64.to_be_bytes()), Some(Offset(900)));
        assert_eq!(map.get(&99_i64.to_be_bytes()), None);
    }

    #[test]
    fn room_for_what_was_asked_is_enough() {
        let mut map = OffsetMap::new(1 << 20);
        for keys in [0, 1, 8, 9, 10, 15, 100, 1000] {
            map.clear_for(keys);
            for key in 0..keys {
                assert_eq!(map.put(&key.to_be_bytes(), Offset::ZERO), Ok(()), "{keys}");
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map(passes in prop::collection::vec(
            prop::collection::vec((0_u8..60, 0_i64..i64::MAX), 0..200), 1..4)
        ) {
            let mut map = OffsetMap::new(70 * SLOT_BYTES);
            for puts in passes {
                map.clear_for(puts.len() as u64);
                let mut model = HashMap::new();
                for (key, offset) in puts {
                    let known = model.contains_key(&key);
                    if map.put(&[key], Offset(offset)).is_ok() {
                        model.insert(key, offset);
                    } else {
                        prop_assert!(!known);
                    }
                }
                prop_assert_eq!(map.len(), model.len());
                for key in 0..60_u8 {
                    prop_assert_eq!(map.get(&[key]).map(|o| o.0), model.get(&key).copied());
                }
            }
        }
    }
}
