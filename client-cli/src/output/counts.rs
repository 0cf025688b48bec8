//! Numbers and lists as people read them.

use std::fmt::Display;

/// A count with its thousands apart: `20,000`.
pub(crate) fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `[1, 2, 3]` as `1,2,3`; `-` when empty.
pub(crate) fn list<T: Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    items
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (20_000_000, "20,000,000"),
        ] {
            assert_eq!(grouped(count), text);
        }
        assert_eq!(list(&[1, 2]), "1,2");
        assert_eq!(list::<u8>(&[]), "-");
    }
}
