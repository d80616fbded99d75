//! What is wrong with a file, and where.

use std::{fmt, ops::Range};

use serde::Serialize;

/// Errors reported at most; the rest of a hopeless file is only counted.
const ERRORS_MAX: usize = 64;

/// One thing that is wrong with a configuration file (or, as a warning, odd about it).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfigError {
    /// The file, as the operator named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong; names the value.
    pub message: String,
    /// What would be right, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ConfigError {}

impl From<&ConfigError> for api::ConfigProblem {
    fn from(error: &ConfigError) -> Self {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let ConfigError { file, line, column, message, hint } = error.clone();
        api::ConfigProblem { file, line: number(line), column: number(column), message, hint }
    }
}

/// Where in the text something stands, in octets.
pub(super) type Span = Range<usize>;

/// Collects what is wrong with one file.
pub(super) struct Errors<'a> {
    text: &'a str,
    file: &'a str,
    errors: Vec<ConfigError>,
    left_off: usize,
    warnings: Vec<ConfigError>,
}

impl<'a> Errors<'a> {
    pub(super) fn new(text: &'a str, file: &'a str) -> Self {
        Errors { text, file, errors: Vec::new(), left_off: 0, warnings: Vec::new() }
    }

    /// Adds an error without advice.
    pub(super) fn add(&mut self, span: &Span, message: impl Into<String>) {
        self.push(span, message.into(), None);
    }

    /// Adds an error and what would be right.
    pub(super) fn hint(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        self.push(span, message.into(), Some(hint.into()));
    }

    /// Adds a warning and what would be right.
    pub(super) fn warn(&mut self, span: &Span, message: impl Into<String>, hint: impl Into<String>) {
        if self.warnings.len() < ERRORS_MAX {
            let warning = self.at(span.start, message.into(), Some(hint.into()));
            self.warnings.push(warning);
        }
    }

    fn push(&mut self, span: &Span, message: String, hint: Option<String>) {
        if self.is_full() {
            self.left_off += 1;
            return;
        }
        let error = self.at(span.start, message, hint);
        self.errors.push(error);
    }

    fn at(&self, offset: usize, message: String, hint: Option<String>) -> ConfigError {
        let (line, column) = self.place(offset);
        ConfigError { file: self.file.to_owned(), line, column, message, hint }
    }

    /// Line and column of an offset, both from 1.
    fn place(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = &self.text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }

    /// The line on which a span starts, for "the first one is on line 3".
    pub(super) fn line(&self, span: &Span) -> usize {
        self.place(span.start).0
    }

    /// What stands at a span, cut to a length that fits a message.
    pub(super) fn source(&self, span: &Span) -> String {
        shorten(self.text.get(span.clone()).unwrap_or_default().trim())
    }

    /// Whether more errors would only be counted, so that costly advice need not be sought.
    pub(super) fn is_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_empty(&self) -> bool {
        self.errors.is_empty()
    }

    /// The warnings, in the order of the file.
    pub(super) fn take_warnings(&mut self) -> Vec<ConfigError> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(|w| (w.line, w.column));
        warnings
    }

    /// All errors, in the order of the file.
    pub(super) fn into_list(mut self) -> Vec<ConfigError> {
        self.errors.sort_by_key(|e| (e.line, e.column));
        if self.left_off > 0
            && let Some(last) = self.errors.last().cloned()
        {
            let message = format!("{} more errors are not shown", self.left_off);
            self.errors.push(ConfigError { message, hint: Some("mend these first".to_owned()), ..last });
        }
        self.errors
    }
}

/// `text` on one line, cut to a length that fits a message.
pub(super) fn shorten(text: &str) -> String {
    const CHARS_MAX: usize = 60;
    let mut short = String::new();
    for char in text.chars().take(CHARS_MAX) {
        match char.is_control() {
            true => short.extend(char.escape_default()),
            false => short.push(char),
        }
    }
    if text.chars().nth(CHARS_MAX).is_some() {
        short.push('…');
    }
    short
}

/// The known word that `word` was most likely meant to be.
pub(super) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    const WORD_MAX: usize = 64;
    if word.len() > WORD_MAX {
        return None;
    }
    let allowed = (word.chars().count() / 3).max(1) + 1;
    let distance = |known: &str| strsim::damerau_levenshtein(word, known);
    let best = known.into_iter().map(|known| (distance(known), known)).min_by_key(|&(distance, _)| distance);
    best.filter(|&(distance, known)| distance <= allowed && distance < known.chars().count()).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_characters_not_octets() {
        let text = "a = 1\nname = \"ä\" # x\n";
        let errors = Errors::new(text, "f");
        assert_eq!(errors.place(0), (1, 1));
        assert_eq!(errors.place(text.find('#').unwrap()), (2, 12));
        assert_eq!(errors.place(9999), (3, 1));
    }

    #[test]
    fn the_nearest_word_is_near() {
        assert_eq!(nearest("cor", ["cores", "count", "idle"]), Some("cores"));
        assert_eq!(nearest("adress", ["addresses", "mac"]), Some("addresses"));
        assert_eq!(nearest("adresses", ["addresses", "mac"]), Some("addresses"));
        assert_eq!(nearest("zzz", ["mac"]), None);
    }

    #[test]
    fn a_hopeless_file_is_cut_short() {
        let mut errors = Errors::new("", "f");
        for _ in 0..100 {
            errors.add(&(0..0), "bad");
        }
        let list = errors.into_list();
        assert_eq!(list.len(), ERRORS_MAX + 1);
        assert_eq!(list[ERRORS_MAX].to_string(), "f:1:1: 36 more errors are not shown; mend these first");
    }
}
