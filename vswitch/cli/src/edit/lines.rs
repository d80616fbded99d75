//! Cutting lines out of a text, and what belongs to a line: every octet that is not cut stays as it is.

use std::ops::Range;

/// Where the line around `at` begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line around `at` has ended, its newline included.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |newline| at + newline + 1)
}

/// The blanks in front of the line around `at`.
pub(super) fn indent(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// How lines end in this text.
pub(super) fn newline(text: &str) -> &'static str {
    if text.contains("\r\n") { "\r\n" } else { "\n" }
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with('#')
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

/// Where the comment lines that follow `at` (a line's beginning) end, if nothing but a blank line or the end of the text
/// follows them: else they belong to what follows.
pub(super) fn comments_below(text: &str, at: usize) -> usize {
    let mut end = at;
    while end < text.len() {
        let next = line_end(text, end);
        match &text[end..next] {
            line if is_comment(line) => end = next,
            line if is_blank(line) => break,
            _ => return at,
        }
    }
    end
}

/// Where the comment lines directly above `at` (a line's beginning) begin. Those that open the text are its head, and
/// belong to nothing below.
fn comments_above(text: &str, at: usize) -> usize {
    let mut start = at;
    while start > 0 {
        let previous = line_start(text, start - 1);
        if !is_comment(&text[previous..start]) {
            return start;
        }
        start = previous;
    }
    at
}

/// Cuts the lines that `range` is on, with the comments directly above them (and `below`), and one of two blank lines
/// that would meet.
pub(super) fn cut(text: &mut String, range: Range<usize>, below: bool) {
    let mut start = comments_above(text, line_start(text, range.start));
    let mut end = line_end(text, range.end);
    if below {
        end = comments_below(text, end);
    }
    let previous = if start > 0 { line_start(text, start - 1) } else { start };
    let blank_above = start > 0 && is_blank(&text[previous..start]);
    let blank_below = end == text.len() || is_blank(&text[end..line_end(text, end)]);
    if blank_above && blank_below {
        start = previous;
    }
    text.replace_range(start..end, "");
}

/// Puts whole lines in at the beginning of a line, or at the end of a text whose last line has no end.
pub(super) fn insert(text: &mut String, at: usize, lines: &str) {
    let newline = newline(text);
    let is_open = at == text.len() && !text.is_empty() && !text.ends_with('\n');
    let before = if is_open { newline } else { "" };
    text.insert_str(at, &format!("{before}{lines}"));
}
