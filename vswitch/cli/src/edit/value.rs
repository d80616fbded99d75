//! Values as they are typed on a command line: TOML, or a bare word that is meant as text.

use std::str::FromStr;

use toml_edit::Value;

use super::document::Entry;

/// `key=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment(pub(super) Entry);

impl FromStr for Assignment {
    type Err = String;

    fn from_str(typed: &str) -> Result<Assignment, String> {
        let (key, value) = typed.split_once('=').ok_or("write KEY=VALUE, such as mtu=1400")?;
        Ok(Assignment((key.parse::<Key>()?.0, toml(value))))
    }
}

/// The name of a key: what needs no quotes in TOML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Key(pub(super) String);

impl FromStr for Key {
    type Err = String;

    fn from_str(typed: &str) -> Result<Key, String> {
        let is_bare = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'_' | b'-');
        if typed.is_empty() || !typed.bytes().all(is_bare) {
            return Err("a key is made of letters, digits, `_` and `-`".to_owned());
        }
        Ok(Key(typed.to_owned()))
    }
}

/// What was typed, as TOML. Numbers, `true`, `false`, lists and tables are what they are in a file; all else is text, and
/// so is what only looks like a date or a fraction: no key takes one.
fn toml(typed: &str) -> String {
    match typed.parse::<Value>() {
        Ok(Value::Datetime(_) | Value::Float(_)) | Err(_) => text(typed),
        Ok(_) => typed.trim().to_owned(),
    }
}

/// Text in quotes.
pub(super) fn text(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => quoted.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// A list of texts.
pub(super) fn texts<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(|item| text(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(assignment: &str) -> String {
        assignment.parse::<Assignment>().unwrap().0.1
    }

    #[test]
    fn what_is_toml_stays_and_a_bare_word_is_text() {
        for (given, expected) in [
            ("mtu=1400", "1400"),
            ("df=true", "true"),
            ("workers=[0, 1]", "[0, 1]"),
            ("trunk=[{ vlan = 1, network = \"red\" }]", "[{ vlan = 1, network = \"red\" }]"),
            ("name=\"42\"", "\"42\""),
            ("network=blue", "\"blue\""),
            ("mac=02:00:00:00:00:01", "\"02:00:00:00:00:01\""),
            ("netns=2026-01-02", "\"2026-01-02\""),
            ("netns=1e5", "\"1e5\""),
            ("device=net_ring0,x=\"y\"", "\"net_ring0,x=\\\"y\\\"\""),
            ("interface=", "\"\""),
            ("x=1\nrole = 2", "\"1\\u000Arole = 2\""),
        ] {
            assert_eq!(typed(given), expected, "{given}");
        }
    }

    #[test]
    fn what_is_no_assignment_is_refused() {
        for wrong in ["mtu", "=1", "a b=1", "a.b=1", "\"a\"=1", "a\n=1"] {
            assert!(wrong.parse::<Assignment>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn quoted_text_is_read_back_as_it_was() {
        for text in ["", "a", "\"\\\u{1}\u{7f}\u{85}ä\n"] {
            assert_eq!(super::text(text).parse::<Value>().unwrap().as_str(), Some(text));
        }
    }
}
