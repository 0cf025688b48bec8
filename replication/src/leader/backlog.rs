//! [`Backlog`]: how many bytes of this leadership lie behind an offset.

use trimaran_types::Offset;

/// Marks that are kept. One is set for each eighth of the bound, so the oldest lies further back
/// than the bound, and what is behind it counts as too much anyway.
const MARKS_MAX: usize = 16;
const MARKS_IN_BOUND: u64 = 8;

/// An offset, and the bytes of this leadership below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Mark {
    at: Offset,
    bytes: u64,
}

/// Appended bytes by offset, roughly: what is behind a position is never told too low, and too high
/// by an eighth of the bound and one append at most.
#[derive(Debug)]
pub(super) struct Backlog {
    /// In order; the last one is the log's end.
    marks: Vec<Mark>,
    bytes: u64,
}

impl Backlog {
    /// Of a leadership that begins at the end of its log; older records do not count.
    pub(super) fn begin(at: Offset) -> Self {
        Self {
            marks: vec![Mark { at, bytes: 0 }],
            bytes: 0,
        }
    }

    /// The log has grown by `bytes`, up to `end`.
    pub(super) fn grown(&mut self, end: Offset, bytes: u64, bytes_max: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
        let mark = Mark {
            at: end,
            bytes: self.bytes,
        };
        let step = bytes_max / MARKS_IN_BOUND;
        match self.marks.as_mut_slice() {
            [.., before, last] if last.bytes - before.bytes < step => *last = mark,
            _ => self.marks.push(mark),
        }
        if self.marks.len() > MARKS_MAX {
            self.marks.remove(0);
        }
    }

    /// The bytes behind a position; all of them when it is not known.
    pub(super) fn behind(&self, position: Option<Offset>) -> u64 {
        let below = |position| self.marks.iter().rfind(|mark| mark.at <= position);
        let reached = position.and_then(below);
        self.bytes - reached.map_or(0, |mark| mark.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_is_told_never_too_low_and_little_too_high() {
        const MAX: u64 = 8_000;
        let mut backlog = Backlog::begin(Offset(100));
        let mut appended: Vec<(i64, u64)> = Vec::new();
        for number in 0..2_000_i64 {
            let bytes = u64::try_from(number % 7).unwrap() * 100;
            backlog.grown(Offset(101 + number), bytes, MAX);
            appended.push((101 + number, bytes));
            assert!(backlog.marks.len() <= MARKS_MAX);
            for position in (100.max(number)..=101 + number).step_by(3) {
                let behind = appended.iter().filter(|(end, _)| *end > position);
                let behind: u64 = behind.map(|(_, bytes)| bytes).sum();
                let told = backlog.behind(Some(Offset(position)));
                assert!(told >= behind, "{position}: {told} < {behind}");
                let is_exact = told <= behind + MAX / MARKS_IN_BOUND + 600;
                assert!(is_exact || behind > MAX, "{position}: {told} > {behind}");
            }
        }
        assert_eq!(backlog.behind(Some(Offset(2_100))), 0);
        assert_eq!(backlog.behind(None), backlog.bytes);
        assert_eq!(backlog.behind(Some(Offset(99))), backlog.bytes);
    }
}
