//! Names that sections call each other by.
//!
//! References are looked up among the names as written, so that a section that is wrong in itself is still a section
//! that others may name: one mistake, one message.

use std::collections::HashMap;

use toml::Spanned;

use super::{
    Name,
    error::{Errors, Span, shorten},
    file::{File, Text},
    read::advice,
    section::Section,
};

/// All names of a file, each with the place where it is given.
pub(super) struct Known<'f> {
    pub(super) ports: Names<'f>,
    pub(super) networks: Names<'f>,
    pub(super) tunnels: Names<'f>,
}

/// The names of one kind of section.
pub(super) struct Names<'f> {
    kind: &'static str,
    places: HashMap<&'f str, Span>,
}

impl<'f> Known<'f> {
    /// Collects the names, and objects to those given twice.
    pub(super) fn collect(file: &'f File, errors: &mut Errors) -> Self {
        Known {
            ports: Names::collect("port", file.ports.iter().map(|port| &port.get_ref().name), errors),
            networks: Names::collect("network", file.networks.iter().map(|network| &network.get_ref().name), errors),
            tunnels: Names::collect("tunnel", file.tunnels.iter().map(|tunnel| &tunnel.get_ref().name), errors),
        }
    }
}

impl<'f> Names<'f> {
    fn collect(kind: &'static str, names: impl Iterator<Item = &'f Text>, errors: &mut Errors) -> Self {
        let mut places: HashMap<&str, Span> = HashMap::new();
        for name in names {
            if let Some(first) = places.get(name.get_ref().as_str()) {
                // Finding a line costs; beyond the last error shown nobody would see it.
                let hint = if errors.is_full() {
                    String::new()
                } else {
                    format!("the first is on line {}", errors.line(first))
                };
                errors.hint(&name.span(), format!("two {kind}s are named `{}`", shorten(name.get_ref())), hint);
                continue;
            }
            places.insert(name.get_ref(), name.span());
        }
        Names { kind, places }
    }

    /// The section that `text` names. `None` where there is none (reported), or where its name is no name (reported
    /// there).
    pub(super) fn find(&self, check: &mut Section, key: &str, text: &Text) -> Option<Name> {
        if !self.places.contains_key(text.get_ref().as_str()) {
            // Looking for near names costs; beyond the last error shown nobody would see them.
            let hint = if check.errors.is_full() { String::new() } else { self.advice(text) };
            check.refuse(key, &text.span(), format!("names no {}", self.kind), hint);
            return None;
        }
        text.get_ref().parse().ok()
    }

    fn advice(&self, text: &Spanned<String>) -> String {
        let mut known: Vec<&str> = self.places.keys().copied().filter(|name| name.parse::<Name>().is_ok()).collect();
        known.sort_unstable();
        if known.is_empty() {
            return format!("there is no [[{}]]", self.kind);
        }
        advice(text.get_ref(), known.into_iter(), &format!("the {}s are", self.kind))
    }
}

/// What each value is used by first, to find what is used twice.
pub(super) struct Unique<'p, K> {
    first: HashMap<K, &'p Name>,
}

impl<'p, K: Eq + std::hash::Hash> Unique<'p, K> {
    pub(super) fn new() -> Self {
        Unique { first: HashMap::new() }
    }

    /// Notes that `owner` uses `key`; the earlier user, where there is one.
    pub(super) fn claim(&mut self, key: K, owner: &'p Name) -> Option<&'p Name> {
        use std::collections::hash_map::Entry;
        match self.first.entry(key) {
            Entry::Occupied(entry) => Some(entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(owner);
                None
            }
        }
    }
}
