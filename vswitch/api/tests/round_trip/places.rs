//! A list of what answers are made of, derived from answers, and what may become of it within one schema.
//!
//! A line is a path and what stands there: JSON's types, or the words where only words stand there; `?` marks what may be
//! absent. The tests of `millrace` list by this, too, what that tool answers of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;

/// What stands at one path.
#[derive(Default)]
struct Place {
    types: BTreeSet<&'static str>,
    words: BTreeSet<String>,
    seen: usize,
    is_text: bool,
}

/// What stands anywhere in many answers.
#[derive(Default)]
pub(crate) struct Places(BTreeMap<String, Place>);

impl Places {
    /// Looks at an answer, or a part of it that stands at `path`.
    pub(crate) fn see(&mut self, path: &str, value: &Value) {
        let place = self.0.entry(path.to_owned()).or_default();
        place.seen += 1;
        place.types.insert(match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        });
        match value {
            Value::String(text) => {
                let is_word = matches!(text.as_str(), "+" | "-" | "~")
                    || text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.contains(|c: char| !is_of_words(c));
                place.is_text |= !is_word;
                place.words.insert(text.clone());
            }
            Value::Array(rows) => rows.iter().for_each(|row| self.see(&format!("{path}[]"), row)),
            Value::Object(members) => {
                members.iter().for_each(|(name, value)| self.see(&format!("{path}.{name}"), value))
            }
            _ => {}
        }
    }

    /// The list.
    pub(crate) fn lines(&self) -> String {
        let mut lines = format!("schema {}\n", api::SCHEMA);
        for (path, place) in &self.0 {
            let around = path.rsplit_once('.').and_then(|(around, _)| self.0.get(around));
            let objects = around.map_or(place.seen, |around| around.seen);
            let mark = if !path.ends_with("[]") && place.seen < objects { "?" } else { "" };
            let types: Vec<String> = place
                .types
                .iter()
                .map(|name| match place.words.len() {
                    1..=16 if *name == "string" && !place.is_text => {
                        place.words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" ")
                    }
                    _ => (*name).to_owned(),
                })
                .collect();
            lines += &format!("{path}{mark}: {}\n", types.join(" | "));
        }
        lines
    }
}

fn is_of_words(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}

/// What is wrong with saying `now` where clients were told `before`; `None` where nothing is.
pub(crate) fn objection(before: &str, now: &str, bless: &str) -> Option<String> {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (before, now) = (lines(before), lines(now));
    let list = |one: &BTreeSet<String>, other: &BTreeSet<String>, sign| {
        one.difference(other).map(|line| format!("  {sign} {line}\n")).collect::<String>()
    };
    let (gone, new) = (list(&before, &now, '-'), list(&now, &before, '+'));
    let is_raised = gone.contains("- schema ");
    match (gone.is_empty(), new.is_empty()) {
        (true, true) => None,
        (false, _) if !is_raised => Some(format!(
            "clients rely on what is gone or changed:\n{gone}{new}\
             Take it back, or raise api::SCHEMA, say so in CHANGELOG.md, and then: {bless}"
        )),
        _ => Some(format!("what is said has grown:\n{gone}{new}This is fine within a schema: {bless}")),
    }
}

/// Compares `now` with the list in the file at `path`. Growth is written there where MILLRACE_BLESS is set: by `bless`.
pub(crate) fn compare(path: &Path, now: &str, bless: &str) {
    let before = fs::read_to_string(path).unwrap_or_default();
    let objection = objection(&before, now, &format!("MILLRACE_BLESS=1 {bless}"));
    let is_growth = objection.as_ref().is_some_and(|text| text.starts_with("what is said has grown"));
    if is_growth && std::env::var_os("MILLRACE_BLESS").is_some() {
        fs::write(path, now).expect("the list can be written");
        return;
    }
    assert!(objection.is_none(), "{}", objection.unwrap_or_default());
}
