//! A plain table: a header line, one line a row, columns two blanks apart, nothing drawn.

use std::fmt;

use comfy_table::{Cell, CellAlignment, Table, presets};

/// Which side a column's text leans on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lean {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// A table that is being filled.
pub(crate) struct Grid {
    table: Table,
}

impl Grid {
    /// A table with these columns.
    pub(crate) fn new<const N: usize>(columns: [(&str, Lean); N]) -> Grid {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(columns.map(|(title, _)| title));
        lean(&mut table, &columns.map(|(_, lean)| lean));
        Grid { table }
    }

    /// A table whose columns are known at run time only.
    pub(crate) fn wide(columns: Vec<(String, Lean)>) -> Grid {
        let mut table = Table::new();
        let (titles, leans): (Vec<Cell>, Vec<Lean>) =
            columns.into_iter().map(|(title, lean)| (Cell::new_owned(title), lean)).unzip();
        table.load_style(presets::NOTHING).set_header(titles);
        lean(&mut table, &leans);
        Grid { table }
    }

    /// Adds a row to such a table.
    pub(crate) fn wide_row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.table.add_row(cells.into_iter().map(|text| Cell::new_owned(one_line(text))));
    }

    /// Adds a row. An empty cell is shown as a dash, so that columns can be counted.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.table.add_row(cells.map(|text| Cell::new_owned(one_line(text))));
    }

    /// Whether it has no rows.
    pub(crate) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

fn lean(table: &mut Table, leans: &[Lean]) {
    for (column, lean) in table.column_iter_mut().zip(leans) {
        column.set_padding((0, 2)).set_cell_alignment(match lean {
            Lean::Left => CellAlignment::Left,
            Lean::Right => CellAlignment::Right,
        });
    }
}

fn one_line(text: String) -> String {
    match text.as_str() {
        "" => "-".to_owned(),
        clean if !clean.contains(char::is_control) => text,
        unclean => unclean.chars().flat_map(char::escape_default).collect(),
    }
}

/// The table without an ending newline.
impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table.trim_fmt())
    }
}

/// `a1,a2`; empty where there is nothing.
pub(crate) fn joined<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(",")
}

/// What is there, or nothing.
pub(crate) fn or_dash<T: ToString>(item: Option<T>) -> String {
    item.map_or_else(String::new, |item| item.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lean_left_numbers_right_and_no_line_ends_in_blanks() {
        let mut grid = Grid::new([("NAME", Lean::Left), ("RX", Lean::Right), ("MORE", Lean::Left)]);
        grid.row(["a1".into(), "12.3k".into(), "".into()]);
        grid.row(["uplink0".into(), "7".into(), "x".into()]);
        assert_eq!(grid.to_string(), "NAME        RX  MORE\na1       12.3k  -\nuplink0      7  x");
    }

    #[test]
    fn a_table_without_rows_is_its_header() {
        let grid = Grid::new([("NAME", Lean::Left), ("RX", Lean::Right)]);
        assert!(grid.is_empty());
        assert_eq!(grid.to_string(), "NAME  RX");
    }

    #[test]
    fn a_cell_is_one_line_and_commands_no_terminal() {
        let mut grid = Grid::new([("NAME", Lean::Left)]);
        grid.row(["a\n\x1b[2J".into()]);
        assert_eq!(grid.to_string(), "NAME\na\\n\\u{1b}[2J");
    }
}
