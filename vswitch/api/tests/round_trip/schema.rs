//! What the answers are made of, member by member, is what `vswitch/api/schema.txt` says: clients rely on it.
//!
//! The list is derived from many answers of every kind, as `places.rs` says.

#[path = "places.rs"]
mod places;

use std::path::Path;

use serde_json::Value;

use super::*;
use places::{Places, compare, objection};

/// Answers looked at of each kind: enough to see every member, type and word many times.
const SAMPLES: u64 = 400;

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

#[test]
fn what_is_said_is_what_clients_were_told() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema.txt");
    compare(&path, &described(), "cargo test -p millrace-api --test round_trip");
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
