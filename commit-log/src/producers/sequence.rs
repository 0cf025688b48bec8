//! [`Sequence`]: the number of a producer's record in one partition.

/// The number that a producer gave a record. Follows `i32::MAX` with 0; -1 stands for none, as in
/// Kafka's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub i32);

impl Sequence {
    /// The first of a producer epoch.
    pub const FIRST: Self = Self(0);
    /// No sequence: of markers, and of a producer that has sent nothing in its epoch.
    pub const NONE: Self = Self(-1);

    /// The number `count` records later (`DefaultRecordBatch.incrementSequence`).
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        const NUMBERS: i64 = 1 << 31;
        let sum = self.0 as i64 + count as i64;
        // Below 2^31 after it, since both parts are.
        #[expect(clippy::cast_possible_truncation, reason = "the remainder fits")]
        let wrapped = if sum < 0 { sum } else { sum % NUMBERS } as i32;
        Self(wrapped)
    }

    /// The number `count` records earlier (`DefaultRecordBatch.decrementSequence`).
    #[must_use]
    pub const fn minus(self, count: u32) -> Self {
        const NUMBERS: i64 = 1 << 31;
        if self.0 < 0 {
            return self;
        }
        let difference = self.0 as i64 - count as i64;
        #[expect(clippy::cast_possible_truncation, reason = "the remainder fits")]
        let wrapped = difference.rem_euclid(NUMBERS) as i32;
        Self(wrapped)
    }

    /// Whether `next` is the number right after this one; 0 follows [`Sequence::NONE`].
    #[must_use]
    pub const fn is_followed_by(self, next: Self) -> bool {
        next.0 >= 0 && self.plus(1).0 == next.0
    }
}

impl std::fmt::Display for Sequence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_wrap_to_zero_both_ways() {
        let last = Sequence(i32::MAX);
        assert_eq!(last.plus(1), Sequence(0));
        assert_eq!(Sequence(i32::MAX - 2).plus(4), Sequence(1));
        assert_eq!(Sequence(1).minus(4), Sequence(i32::MAX - 2));
        assert_eq!(Sequence(0).minus(1), last);
        assert_eq!(Sequence(7).minus(7), Sequence(0));
        assert_eq!(Sequence::NONE.plus(1), Sequence::FIRST);
        assert_eq!(Sequence::NONE.minus(0), Sequence::NONE);
        assert!(last.is_followed_by(Sequence(0)));
        assert!(Sequence::NONE.is_followed_by(Sequence::FIRST));
        assert!(!Sequence(3).is_followed_by(Sequence(3)));
        assert!(!Sequence(3).is_followed_by(Sequence(0)));
        assert!(!Sequence(-2).is_followed_by(Sequence(-1)));
        for at in [0, 1, 5, i32::MAX - 1, i32::MAX] {
            for by in [0, 1, 2, 1000, i32::MAX.unsigned_abs()] {
                assert_eq!(Sequence(at).plus(by).minus(by), Sequence(at), "{at} {by}");
            }
        }
    }
}
