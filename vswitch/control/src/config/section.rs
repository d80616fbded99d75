//! A section while it is checked: every objection names the key, the value as written, and the section.

use std::{fmt::Display, net::IpAddr, ops::RangeInclusive, str::FromStr};

use toml::Spanned;
use wire::Mac;

use super::{
    Name,
    cidr::is_host,
    error::{Errors, Span, nearest},
    file::{Int, Text},
    keys::{Key, Takes},
};

/// A section, and where objections to it go.
pub(super) struct Section<'e, 'a> {
    pub(super) errors: &'e mut Errors<'a>,
    /// How the section is called in messages: "[[port]] `a1`".
    title: String,
    /// Where it stands, for objections to what it lacks.
    pub(super) span: Span,
}

impl<'e, 'a> Section<'e, 'a> {
    /// A section that exists once, such as `[workers]`.
    pub(super) fn single(errors: &'e mut Errors<'a>, title: &str, span: Span) -> Self {
        Section { errors, title: title.to_owned(), span }
    }

    /// One of many, such as ``[[port]] `a1` ``.
    pub(super) fn named<T>(errors: &'e mut Errors<'a>, kind: &str, name: &Text, section: &Spanned<T>) -> Self {
        let title = match name.get_ref().parse::<Name>() {
            Ok(name) => format!("[[{kind}]] `{name}`"),
            Err(_) => format!("[[{kind}]]"),
        };
        Section { errors, title, span: section.span() }
    }

    /// How the section is called in messages.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// Objects to a value.
    pub(super) fn refuse(&mut self, key: &str, at: &Span, problem: impl Display, hint: impl Into<String>) {
        let message = self.phrase(key, at, problem);
        self.errors.hint(at, message, hint);
    }

    /// Warns of a value.
    pub(super) fn warn(&mut self, key: &str, at: &Span, problem: impl Display, hint: impl Into<String>) {
        let message = self.phrase(key, at, problem);
        self.errors.warn(at, message, hint);
    }

    /// Objects to what the section lacks.
    pub(super) fn lacks(&mut self, problem: impl Display, hint: impl Into<String>) {
        self.errors.hint(&self.span, format!("{} {problem}", self.title), hint);
    }

    /// Warns of what the section lacks.
    pub(super) fn misses(&mut self, problem: impl Display, hint: impl Into<String>) {
        self.errors.warn(&self.span, format!("{} {problem}", self.title), hint);
    }

    fn phrase(&self, key: &str, at: &Span, problem: impl Display) -> String {
        format!("`{key} = {}` in {} {problem}", self.errors.source(at), self.title)
    }

    /// Objects to each given key: it does not go with what the section is.
    pub(super) fn no_place_for(&mut self, keys: &[(&str, Option<Span>)], problem: &str, hint: &str) {
        for (key, span) in keys {
            if let Some(span) = span {
                self.refuse(key, span, problem, hint);
            }
        }
    }

    /// A name of its own.
    pub(super) fn name(&mut self, key: &str, text: &Text) -> Option<Name> {
        self.parsed(key, text, "is not a name", "1 to 32 of a-z, 0-9 and `-`, not beginning with `-`")
    }

    /// A number in a range.
    pub(super) fn number<T: TryFrom<i64>>(&mut self, key: &str, int: &Int, range: RangeInclusive<i64>) -> Option<T> {
        let number = *int.get_ref();
        if !range.contains(&number) {
            let hint = format!("{} to {} is possible", range.start(), range.end());
            self.refuse(key, &int.span(), "is out of range", hint);
            return None;
        }
        T::try_from(number).ok()
    }

    /// A number in the range of its row.
    pub(super) fn counted<T: TryFrom<i64>>(&mut self, key: &Key, int: &Int) -> Option<T> {
        let Takes::Number { min, max, .. } = key.takes else { unreachable!("`{}` is in no row of numbers", key.name) };
        self.number(key.name, int, min..=max)
    }

    /// A number in the range of its row, or the default where none is given (or a wrong one, which is reported).
    pub(super) fn counted_or<T: TryFrom<i64>>(&mut self, key: &Key, int: &Option<Int>, default: T) -> T {
        int.as_ref().and_then(|int| self.counted(key, int)).unwrap_or(default)
    }

    /// What one of the words of a row means; `meanings` are in the order of the words.
    pub(super) fn chosen<T: Copy>(&mut self, key: &Key, text: &Text, meanings: &[T]) -> Option<T> {
        let Takes::Words(words) = key.takes else { unreachable!("`{}` is in no row of words", key.name) };
        debug_assert_eq!(words.len(), meanings.len());
        let words: Vec<(&str, T)> = words.iter().copied().zip(meanings.iter().copied()).collect();
        self.word(key.name, text, &words)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(&mut self, key: &str, text: &Text, words: &[(&str, T)]) -> Option<T> {
        let found = words.iter().find(|(word, _)| *word == text.get_ref().as_str());
        if found.is_none() {
            let known = words.iter().map(|(word, _)| *word);
            let hint = match nearest(text.get_ref(), known.clone()) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => format!("one of {}", known.map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ")),
            };
            self.refuse(key, &text.span(), "is unknown", hint);
        }
        found.map(|(_, meaning)| *meaning)
    }

    /// Whatever can be read from text.
    pub(super) fn parsed<T: FromStr>(&mut self, key: &str, text: &Text, problem: &str, hint: &str) -> Option<T> {
        let parsed = text.get_ref().parse().ok();
        if parsed.is_none() {
            self.refuse(key, &text.span(), problem, hint);
        }
        parsed
    }

    /// The MAC of one station.
    pub(super) fn mac(&mut self, key: &str, text: &Text) -> Option<Mac> {
        let mac: Mac = self.parsed(key, text, "is not a MAC address", "six octets, as in \"02:00:00:00:00:01\"")?;
        if mac.is_multicast() || mac.to_u64() == 0 {
            let problem = if mac.is_multicast() { "is a group address" } else { "is the MAC of nobody" };
            self.refuse(
                key,
                &text.span(),
                problem,
                "a unicast MAC has an even first octet, as in \"02:00:00:00:00:01\"",
            );
            return None;
        }
        Some(mac)
    }

    /// The IP address of one host.
    pub(super) fn address(&mut self, key: &str, text: &Text) -> Option<IpAddr> {
        let hint = "an address without a prefix length, as in \"192.0.2.1\"";
        let address = self.parsed(key, text, "is not an IP address", hint)?;
        if !is_host(address) {
            let problem = "is not an address that a host can have";
            self.refuse(key, &text.span(), problem, "not unspecified, loopback, multicast or broadcast");
            return None;
        }
        Some(address)
    }
}
