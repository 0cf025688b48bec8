//! `leader-epoch-checkpoint`: a version line, a count line, then one `epoch start` line each.

use trimaran_types::{LeaderEpoch, Offset};

use crate::epochs::{EpochCache, EpochStart};

/// The file's content.
pub(crate) fn format(entries: &[EpochStart]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        text.push_str(&format!("{} {}\n", entry.epoch, entry.start));
    }
    text
}

/// Reads the file's content; `None` when it is damaged.
pub(crate) fn parse(text: &str) -> Option<EpochCache> {
    let mut lines = text.lines();
    if lines.next()?.trim() != "0" {
        return None;
    }
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut entries: Vec<EpochStart> = Vec::new();
    for line in lines.filter(|line| !line.trim().is_empty()) {
        let (epoch, start) = line.trim().split_once(' ')?;
        let epoch = LeaderEpoch(epoch.parse().ok().filter(|&e| e >= 0)?);
        let start = Offset(start.trim().parse().ok().filter(|&s| s >= 0)?);
        let entry = EpochStart { epoch, start };
        // Looked at on the way: numbers that grow take more room as text than in memory.
        if entries.last().is_some_and(|last| !entry.follows(last)) {
            return None;
        }
        entries.push(entry);
    }
    if entries.len() == count {
        EpochCache::from_entries(entries)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let entry = |epoch, start| EpochStart {
            epoch: LeaderEpoch(epoch),
            start: Offset(start),
        };
        let entries = [entry(0, 0), entry(3, 1200)];
        assert_eq!(format(&entries), "0\n2\n0 0\n3 1200\n");
        assert_eq!(
            parse("0\n2\n0 0\n3 1200\n").expect("good").entries(),
            entries
        );
        assert_eq!(parse("0\n0\n").expect("good").entries(), []);
        for damaged in [
            "",
            "0",
            "1\n0\n",
            "0\n2\n0 0\n",
            "0\n1\n0\n",
            "0\n1\n-1 0\n",
            "0\n2\n3 0\n2 9\n",
            "0\n2\n3 4\n5 4\n",
            "0\nx\n",
        ] {
            assert_eq!(parse(damaged), None, "{damaged:?}");
        }
    }
}
