//! The text of a configuration, edited: objects and keys come, change and go, and every octet elsewhere stays.
//!
//! The text is never written anew from what it means. `layout` finds where things stand (by `toml_edit`), and the edits
//! cut and insert there. Comments directly above an object or a key, and behind it, go with it.

use super::{
    layout::{self, Pair, Section},
    lines::{comments_below, cut, indent, insert, line_end, newline},
    list,
};
use crate::failure::Failure;

/// Names listed in a message at most.
const LISTED_MAX: usize = 20;

/// A configuration's text while it is edited.
#[derive(Clone, Debug)]
pub(super) struct Document {
    text: String,
}

/// A key, and its value as TOML.
pub(super) type Entry = (String, String);

impl Document {
    pub(super) fn new(text: &str) -> Document {
        Document { text: text.to_owned() }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// Adds an object behind the last of its kind.
    pub(super) fn add(&mut self, kind: &str, name: &str, entries: &[Entry]) -> Result<(), Failure> {
        let sections = self.sections(kind)?;
        if sections.iter().any(|section| section.name() == Some(name)) {
            return Err(refused(format!(
                "there is a {kind} `{name}` already: `millrace {kind} set {name}` changes it"
            )));
        }
        let at = sections.last().map_or(self.text.len(), |last| self.below(last.whole_end()));
        self.insert_section(at, &format!("[[{kind}]]"), entries);
        Ok(())
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, kind: &str, name: &str) -> Result<(), Failure> {
        let section = self.find(kind, name)?;
        let mut places = section.places();
        // From the end to the front: what is cut does not move what is still to be cut.
        places.sort_by_key(|place| std::cmp::Reverse(place.start));
        places.into_iter().for_each(|place| cut(&mut self.text, place, true));
        Ok(())
    }

    /// Gives a key of an object a value, in the place of another where there is one.
    pub(super) fn set(&mut self, kind: &str, name: &str, (key, value): &Entry) -> Result<(), Failure> {
        let section = self.find(kind, name)?;
        match section.pair(key) {
            Some(pair) if pair.is_dotted => return Err(by_hand(kind, name, key)),
            Some(pair) => self.text.replace_range(pair.value.clone(), value),
            None if section.inner(key).next().is_some() => return Err(by_hand(kind, name, key)),
            None => {
                let end = section.own_end();
                let line = format!("{}{key} = {value}{}", indent(&self.text, end), newline(&self.text));
                let at = line_end(&self.text, end);
                insert(&mut self.text, at, &line);
            }
        }
        Ok(())
    }

    /// Takes a key from an object.
    pub(super) fn unset(&mut self, kind: &str, name: &str, key: &str) -> Result<(), Failure> {
        let section = self.find(kind, name)?;
        if section.inner(key).next().is_some() {
            return Err(by_hand(kind, name, key));
        }
        let Some(pair) = section.pair(key) else {
            return Err(refused(format!("{kind} `{name}` has no `{key}`")));
        };
        cut(&mut self.text, pair.start..pair.value.end, false);
        Ok(())
    }

    /// Adds an element to a list of an object.
    pub(super) fn push(&mut self, kind: &str, name: &str, key: &str, element: &str) -> Result<(), Failure> {
        let section = self.find(kind, name)?;
        match section.pair(key) {
            None => self.set(kind, name, &(key.to_owned(), format!("[{element}]"))),
            Some(Pair { elements: Some(elements), value, .. }) => {
                list::push(&mut self.text, value, elements, element);
                Ok(())
            }
            Some(_) => Err(by_hand(kind, name, key)),
        }
    }

    /// Removes the elements of a list of an object whose source `is_meant`; `false` where there is none.
    pub(super) fn pull(
        &mut self,
        kind: &str,
        name: &str,
        key: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<bool, Failure> {
        let section = self.find(kind, name)?;
        let Some(Pair { elements: Some(elements), .. }) = section.pair(key) else { return Ok(false) };
        let meant: Vec<usize> = (0..elements.len()).filter(|&at| is_meant(&self.text[elements[at].clone()])).collect();
        meant.iter().rev().for_each(|&at| list::pull(&mut self.text, elements, at));
        Ok(!meant.is_empty())
    }

    /// Adds an entry to a list of tables of an object: in the way in which the others are written, else a line each.
    pub(super) fn add_entry(&mut self, kind: &str, name: &str, key: &str, entries: &[Entry]) -> Result<(), Failure> {
        let section = self.find(kind, name)?;
        let last = section.inner(key).last().map(Section::whole_end);
        if let Some(end) = last {
            let at = self.below(end);
            self.insert_section(at, &format!("[[{kind}.{key}]]"), entries);
            return Ok(());
        }
        let inline = inline(entries);
        if section.pair(key).is_some() {
            return self.push(kind, name, key, &inline);
        }
        let newline = newline(&self.text);
        self.set(kind, name, &(key.to_owned(), format!("[{newline}    {inline},{newline}]")))
    }

    /// Removes the entries of a list of tables of an object that `is_meant` to go, by the text of one of their keys;
    /// `false` where there is none.
    pub(super) fn remove_entry(
        &mut self,
        kind: &str,
        name: &str,
        key: &str,
        by: &str,
        is_meant: impl Fn(&str) -> bool,
    ) -> Result<bool, Failure> {
        let section = self.find(kind, name)?;
        let named = |entry: &&Section| entry.pair(by).and_then(|pair| pair.text.as_deref()).is_some_and(&is_meant);
        let mut places: Vec<_> = section.inner(key).filter(named).flat_map(Section::places).collect();
        if places.is_empty() {
            return self.pull(kind, name, key, |source| text_within(source, by).is_some_and(|text| is_meant(&text)));
        }
        places.sort_by_key(|place| std::cmp::Reverse(place.start));
        places.into_iter().for_each(|place| cut(&mut self.text, place, true));
        Ok(true)
    }

    fn sections(&self, kind: &str) -> Result<Vec<Section>, Failure> {
        layout::sections(&self.text, kind).map_err(refused)
    }

    fn find(&self, kind: &str, name: &str) -> Result<Section, Failure> {
        let mut sections = self.sections(kind)?;
        if let Some(at) = sections.iter().position(|section| section.name() == Some(name)) {
            return Ok(sections.swap_remove(at));
        }
        let mut known: Vec<&str> = sections.iter().filter_map(Section::name).collect();
        if known.len() > LISTED_MAX {
            known.truncate(LISTED_MAX);
            known.push("…");
        }
        let list = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(refused(format!("there is no {kind} `{name}`; there is: {list}")))
    }

    /// The beginning of the line below the one around `end` and the comments that belong to it.
    fn below(&self, end: usize) -> usize {
        comments_below(&self.text, line_end(&self.text, end))
    }

    /// Puts in a section, with a blank line above it unless the one below is to follow without one: as the file has it.
    fn insert_section(&mut self, at: usize, header: &str, entries: &[Entry]) {
        let newline = newline(&self.text);
        let rest = &self.text[at..];
        let follows = !rest.is_empty() && !rest.lines().next().unwrap_or_default().trim().is_empty();
        let mut lines = String::new();
        if !follows && !self.text[..at].trim().is_empty() {
            lines.push_str(newline);
        }
        lines += &format!("{header}{newline}");
        entries.iter().for_each(|(key, value)| lines += &format!("{key} = {value}{newline}"));
        insert(&mut self.text, at, &lines);
    }
}

/// `{ mac = "…", port = "a1" }`.
fn inline(entries: &[Entry]) -> String {
    let pairs: Vec<String> = entries.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}

/// The text that an inline table has for `key`.
fn text_within(source: &str, key: &str) -> Option<String> {
    let value: toml_edit::Value = source.parse().ok()?;
    value.as_inline_table()?.get(key)?.as_str().map(str::to_owned)
}

fn refused(text: impl Into<String>) -> Failure {
    Failure::Edit(text.into())
}

fn by_hand(kind: &str, name: &str, key: &str) -> Failure {
    refused(format!("`{key}` of {kind} `{name}` is not written as one value here: edit the file, and apply it"))
}
