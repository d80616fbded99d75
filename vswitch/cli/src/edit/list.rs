//! Elements of a TOML list: one more, or one less, and the rest written as it was.

use std::ops::Range;

use super::lines::{cut, indent, line_end, line_start, newline};

/// Adds an element at the end of the list at `list`: on a line of its own where the last one has one, too.
pub(super) fn push(text: &mut String, list: &Range<usize>, elements: &[Range<usize>], element: &str) {
    let Some(last) = elements.last() else {
        let inside = list.start + 1..list.end - 1;
        if text[inside.clone()].trim().is_empty() {
            text.replace_range(inside, element);
        } else {
            text.insert_str(inside.end, element);
        }
        return;
    };
    if !begins_its_line(text, last.start) {
        return text.insert_str(last.end, &format!(", {element}"));
    }
    let line = format!("{}{element},{}", indent(text, last.start), newline(text));
    let gap = &text[last.end..list.end - 1];
    let has_comma = without_comments(gap).contains(',');
    if gap.contains('\n') {
        // The comment behind the last element stays behind it.
        let at = line_end(text, last.end);
        text.insert_str(at, &line);
    } else {
        text.insert_str(list.end - 1, &format!("{}{line}", newline(text)));
    }
    if !has_comma {
        text.insert(last.end, ',');
    }
}

/// Removes the element `at`, with its line and its comments where it has one for itself.
pub(super) fn pull(text: &mut String, elements: &[Range<usize>], at: usize) {
    let own = elements[at].clone();
    if begins_its_line(text, own.start) && ends_its_line(text, own.end) {
        return cut(text, own, false);
    }
    let next = elements.get(at + 1).map(|next| next.start);
    let previous = at.checked_sub(1).map(|before| elements[before].end);
    match (next, previous) {
        (Some(next), _) => text.replace_range(own.start..next, ""),
        (None, Some(previous)) => text.replace_range(previous..own.end, ""),
        (None, None) => {
            let comma = text[own.end..].find([',', ']']).map(|found| own.end + found);
            let end = comma.filter(|&found| text[found..].starts_with(',')).map_or(own.end, |found| found + 1);
            text.replace_range(own.start..end, "");
        }
    }
}

fn begins_its_line(text: &str, at: usize) -> bool {
    text[line_start(text, at)..at].trim().is_empty()
}

fn ends_its_line(text: &str, at: usize) -> bool {
    let rest = text[at..line_end(text, at)].trim_start();
    let rest = rest.strip_prefix(',').unwrap_or(rest).trim();
    rest.is_empty() || rest.starts_with('#')
}

fn without_comments(text: &str) -> String {
    text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect()
}
