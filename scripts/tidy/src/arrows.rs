//! The table of arrows in README.md says what cargo builds: neither less nor more.

use std::collections::{BTreeMap, BTreeSet};

use crate::{finding::Finding, workspace::Arrows};

const START: &str = "<!-- arrows -->";
const END: &str = "<!-- /arrows -->";

/// What a cell says for "no room".
const NONE: [&str; 3] = ["–", "-", ""];

/// Compares the table in `readme` with what is.
pub(crate) fn check(path: &str, readme: &str, actual: &Arrows) -> Vec<Finding> {
    let Some(table) = rows(readme) else {
        return vec![Finding::new(path, 1, format!("has no table of arrows between `{START}` and `{END}`"))];
    };
    let mut findings = Vec::new();
    let mut said: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &table {
        if said.insert(&row.room, row.line).is_some() {
            findings.push(Finding::new(path, row.line, format!("room `{}` has two rows", row.room)));
        }
        match actual.get(&row.room) {
            None => findings.push(Finding::new(path, row.line, format!("there is no room `{}`", row.room))),
            Some(depends_on) => findings.extend(compare(path, row, depends_on)),
        }
    }
    let last = table.last().map_or(1, |row| row.line);
    for room in actual.keys().filter(|room| !said.contains_key(room.as_str())) {
        findings.push(Finding::new(path, last, format!("room `{room}` is missing from the table of arrows")));
    }
    findings
}

fn compare(path: &str, row: &Row, actual: &BTreeSet<String>) -> Vec<Finding> {
    let room = &row.room;
    let undeclared = actual.difference(&row.depends_on);
    let unused = row.depends_on.difference(actual);
    let undeclared = undeclared.map(|other| format!("`{room}` depends on `{other}`, and the table does not say so"));
    let unused = unused.map(|other| format!("the table says `{room}` depends on `{other}`, and it does not"));
    undeclared.chain(unused).map(|what| Finding::new(path, row.line, what)).collect()
}

struct Row {
    line: usize,
    room: String,
    depends_on: BTreeSet<String>,
}

/// The rows of the table, without its head; `None` where there is no table.
fn rows(readme: &str) -> Option<Vec<Row>> {
    let mut lines = readme.lines().enumerate().skip_while(|(_, line)| line.trim() != START).skip(1).peekable();
    lines.peek()?;
    let mut rows = Vec::new();
    for (index, line) in lines {
        if line.trim() == END {
            return Some(rows);
        }
        let cells: Vec<_> = line.trim().trim_matches('|').split('|').map(str::trim).collect();
        let [room, depends_on] = cells[..] else { continue };
        if room == "room" || room.starts_with("---") || room.starts_with(":--") {
            continue;
        }
        let words = depends_on.split([' ', ',']).map(|word| word.trim_matches('`')).filter(|word| !NONE.contains(word));
        rows.push(Row {
            line: index + 1,
            room: room.trim_matches('`').to_owned(),
            depends_on: words.map(str::to_owned).collect(),
        });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actual() -> Arrows {
        let set = |rooms: &[&str]| rooms.iter().map(|room| (*room).to_owned()).collect();
        [("frame", set(&[])), ("tap", set(&["frame"])), ("datapath", set(&["frame", "wire"])), ("wire", set(&[]))]
            .map(|(room, depends_on)| (room.to_owned(), depends_on))
            .into()
    }

    const GOOD: [&str; 4] = ["| `frame` | – |", "| `tap` | `frame` |", "| datapath | wire, frame |", "| wire | |"];

    fn findings(rows: &[&str]) -> Vec<String> {
        let readme = format!("# x\n{START}\n| room | depends on |\n|---|---|\n{}\n{END}\nmore\n", rows.join("\n"));
        check("README.md", &readme, &actual()).iter().map(Finding::to_string).collect()
    }

    #[test]
    fn a_true_table_passes() {
        assert_eq!(findings(&GOOD), [""; 0]);
    }

    #[test]
    fn an_arrow_the_table_does_not_show_is_found() {
        let found = findings(&[GOOD[0], GOOD[1], "| datapath | wire |", GOOD[3]]);
        assert_eq!(found, ["README.md:7: `datapath` depends on `frame`, and the table does not say so"]);
    }

    #[test]
    fn an_arrow_that_is_no_more_is_found() {
        let found = findings(&[GOOD[0], "| tap | frame wire |", GOOD[2], GOOD[3]]);
        assert_eq!(found, ["README.md:6: the table says `tap` depends on `wire`, and it does not"]);
    }

    #[test]
    fn a_room_missing_unknown_or_named_twice_is_found() {
        assert_eq!(findings(&GOOD[..3]), ["README.md:7: room `wire` is missing from the table of arrows"]);
        let unknown = [GOOD[0], GOOD[1], GOOD[2], GOOD[3], "| attic | wire |"];
        assert_eq!(findings(&unknown), ["README.md:9: there is no room `attic`"]);
        let twice = [GOOD[0], GOOD[1], GOOD[2], GOOD[3], GOOD[3]];
        assert_eq!(findings(&twice), ["README.md:9: room `wire` has two rows"]);
    }

    #[test]
    fn a_readme_without_a_complete_table_is_found() {
        for readme in ["", "# x\n", "<!-- arrows -->", "<!-- arrows -->\n| wire | – |\n"] {
            assert_eq!(check("README.md", readme, &actual()).len(), 1, "{readme:?}");
        }
    }
}
