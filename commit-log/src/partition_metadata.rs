//! `partition.metadata`: which topic the directory belongs to, by id (KIP-516).

use trimaran_types::TopicId;

/// The file's content. Kafka ends the last line with the file.
pub(crate) fn format(topic_id: TopicId) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

/// The topic id in the file's content; `None` when it is damaged.
pub(crate) fn parse(text: &str) -> Option<TopicId> {
    let mut version = None;
    let mut topic_id = None;
    for line in text.lines() {
        match line.split_once(':')? {
            ("version", value) => version = Some(value.trim()),
            ("topic_id", value) => topic_id = Some(value.trim().parse().ok()?),
            _ => return None,
        }
    }
    if version == Some("0") { topic_id } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden() {
        let text = include_str!("../tests/golden/t-0/partition.metadata");
        let id = parse(text).expect("good");
        assert_eq!(format(id), text);
        // As it was written here once.
        assert_eq!(parse(&format!("{text}\n")), Some(id));
        for damaged in [
            "",
            "version: 1\ntopic_id: rYY3nnFSTqSSPHTTP0qT-g\n",
            "version: 0\n",
            "version: 0\ntopic_id: x\n",
        ] {
            assert_eq!(parse(damaged), None, "{damaged:?}");
        }
    }
}
