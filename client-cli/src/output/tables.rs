//! Tables: aligned columns without a frame, so that `grep` and `awk` read them too.

use comfy_table::{Table, presets};

/// A table of `rows` under `header`, with two spaces between columns and no trailing blanks.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row.iter().map(|cell| printable(cell)).collect::<Vec<_>>());
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt()
}

/// The cell on one line: what comes from a cluster must not move the cursor or break the table.
fn printable(cell: &str) -> String {
    cell.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_control_characters_vanish() {
        let rows = vec![
            vec!["1".to_owned(), "leader".to_owned()],
            vec!["22".to_owned(), "a\nb\u{1b}[31m".to_owned()],
        ];
        let text = table(&["NODE", "ROLE"], rows);
        assert_eq!(text, "NODE  ROLE\n1     leader\n22    a b [31m");
    }
}
