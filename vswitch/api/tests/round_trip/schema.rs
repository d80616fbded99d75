//! What the answers are made of, member by member, is what `vswitch/api/schema.txt` says: clients rely on it.
//!
//! The list is derived from many answers of every kind. A line is a path and what stands there: JSON's types, or the words
//! where only words stand there; `?` marks what may be absent.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use serde_json::Value;

use super::*;

/// Answers looked at of each kind: enough to see every member, type and word many times.
const SAMPLES: u64 = 400;

/// What stands at one path.
#[derive(Default)]
struct Place {
    types: BTreeSet<&'static str>,
    words: BTreeSet<String>,
    seen: usize,
    is_text: bool,
}

#[derive(Default)]
struct Places(BTreeMap<String, Place>);

impl Places {
    fn see(&mut self, path: &str, value: &Value) {
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

    fn lines(&self) -> String {
        let mut lines = format!("schema {SCHEMA}\n");
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

fn value(said: impl serde::Serialize) -> Value {
    serde_json::to_value(said).expect("what is said becomes JSON")
}

/// Everything that is said, from many samples.
fn described() -> String {
    let mut places = Places::default();
    for seed in 0..SAMPLES {
        let mut dice = Dice(seed);
        let role = dice.maybe(|d| d.pick(&[UserRole::Reader, UserRole::Admin]));
        let hello = Hello { version: dice.text(), switch: dice.text(), ..Hello::new("", "").to(role) };
        places.see("hello", &serde_json::from_str::<Value>(&hello.encode()).expect("it is JSON")["params"]);
        places.see("error", &value(dice.error()));
        for method in METHODS {
            let request = std::iter::repeat_with(|| dice.request()).find(|request| request.method() == method);
            let request = request.expect("one comes in the end");
            let said = value(&request);
            places.see(&format!("{method} request"), said.get("params").unwrap_or(&Value::Null));
            places.see(&format!("{method} answer"), &value(dice.reply(&request)));
        }
    }
    places.lines()
}

/// What is wrong with saying `now` where clients were told `before`; `None` where nothing is.
fn objection(before: &str, now: &str, bless: &str) -> Option<String> {
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

#[test]
fn what_is_said_is_what_clients_were_told() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("schema.txt");
    let (before, now) = (fs::read_to_string(&path).unwrap_or_default(), described());
    let bless = "MILLRACE_BLESS=1 cargo test -p millrace-api --test round_trip";
    let objection = objection(&before, &now, bless);
    let is_growth = objection.as_ref().is_some_and(|text| text.starts_with("what is said has grown"));
    if is_growth && std::env::var_os("MILLRACE_BLESS").is_some() {
        fs::write(&path, now).unwrap();
        return;
    }
    assert!(objection.is_none(), "{}", objection.unwrap_or_default());
}

#[test]
fn growing_is_fine_and_every_other_change_needs_another_version() {
    let before = "schema 1\na: integer\nb: \"x\" \"y\"\n";
    let judged = |now: &str| objection(before, now, "bless").unwrap_or_default();
    assert_eq!(judged(before), "");
    assert!(judged(&format!("{before}c: string\n")).starts_with("what is said has grown:\n  + c: string\n"));
    for changed in ["a: integer\n", "b: \"x\" \"y\"\n"] {
        let now = before.replace(changed, "");
        assert!(judged(&now).contains("raise api::SCHEMA"), "{changed} is gone");
    }
    assert!(judged(&before.replace("a: integer", "a: string")).contains("  - a: integer\n  + a: string\n"));
    assert!(judged(&before.replace("a: ", "a?: ")).contains("raise api::SCHEMA"));
    assert!(judged("schema 2\nb: \"x\" \"y\"\n").contains("has grown"), "a raised version may do anything");
}
