//! What one configuration changes in another.
//!
//! Both are passive values, so a reload is a comparison: what is equal is not touched. Every change says what it takes:
//! most come into force between two bursts, some open a device anew, some need another start of the switch.

mod object;
mod setting;

use std::{collections::BTreeMap, fmt};

use api::{DiffLine, DiffOp};
use serde::Serialize;

use crate::config::{Config, Name};

pub use object::must_reopen;

/// Everything that differs between two configurations.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Diff {
    changes: Vec<Change>,
    restart: Vec<String>,
}

/// One object that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Whether it is new, goes, or changes.
    pub op: DiffOp,
    /// What it is.
    pub object: Object,
    /// What the change takes.
    pub effect: Effect,
    /// The object and how it changes, for the operator: "port a1: mtu 1450 -> 1400".
    pub text: String,
}

/// What a change is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Object {
    /// A key of a section that exists once, such as `[workers] cores`.
    Setting(String),
    /// A port.
    Port(Name),
    /// A network.
    Network(Name),
    /// A tunnel.
    Tunnel(Name),
}

/// What a change takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It comes into force while the object keeps forwarding.
    Live,
    /// The port's device is closed and opened anew.
    Reopen,
    /// It cannot be had without another start of the switch.
    Restart,
    /// It does no harm now, and comes into force with the next start.
    Later,
}

/// Compares two configurations. Warnings and the order of sections do not count.
pub fn diff(old: &Config, new: &Config) -> Diff {
    let mut diff = Diff::default();
    setting::compare(old, new, &mut diff);
    object::compare(old, new, &mut diff);
    diff
}

impl Diff {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// All changes: settings, ports, networks, tunnels; of each kind those that go first.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// The settings that need another start of the switch, such as `[workers] cores`.
    pub fn restart(&self) -> &[String] {
        &self.restart
    }

    /// The changes as the control socket's words.
    pub fn lines(&self) -> Vec<DiffLine> {
        self.changes.iter().map(|change| DiffLine { op: change.op, text: change.text.clone() }).collect()
    }

    /// What happens to the port of that name, if anything does.
    pub fn port(&self, name: &str) -> Option<&Change> {
        self.changes.iter().find(|change| matches!(&change.object, Object::Port(port) if *port == name))
    }

    fn push(&mut self, op: DiffOp, object: Object, effect: Effect, text: String) {
        if let (Effect::Restart, Object::Setting(setting)) = (effect, &object) {
            self.restart.push(setting.clone());
        }
        self.changes.push(Change { op, object, effect, text });
    }
}

/// One change a line, as in a unified diff.
impl fmt::Display for Diff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("no changes");
        }
        for (index, change) in self.changes.iter().enumerate() {
            let end = if index == 0 { "" } else { "\n" };
            write!(f, "{end}{} {}", change.op.sign(), change.text)?;
        }
        Ok(())
    }
}

/// What differs within one object, key by key.
#[derive(Default)]
struct Keys {
    parts: Vec<String>,
}

impl Keys {
    /// "mtu 1450 -> 1400"
    fn value<T: PartialEq + fmt::Display>(&mut self, key: &str, old: &T, new: &T) {
        if old != new {
            self.parts.push(format!("{key} {old} -> {new}"));
        }
    }

    /// "gateway none -> 192.0.2.254"
    fn option<T: PartialEq + fmt::Display>(&mut self, key: &str, old: Option<&T>, new: Option<&T>, none: &str) {
        let show = |value: Option<&T>| value.map_or(none.to_owned(), T::to_string);
        if old != new {
            self.parts.push(format!("{key} {} -> {}", show(old), show(new)));
        }
    }

    /// "addresses +10.244.0.2/16 -10.244.0.1/16", in which order does not count.
    fn set<T: Ord + fmt::Display>(&mut self, key: &str, old: &[T], new: &[T]) {
        let (mut had, mut has): (Vec<&T>, Vec<&T>) = (old.iter().collect(), new.iter().collect());
        had.sort_unstable();
        has.sort_unstable();
        let gained = has.iter().filter(|item| had.binary_search(item).is_err()).map(|item| format!("+{item}"));
        let lost = had.iter().filter(|item| has.binary_search(item).is_err()).map(|item| format!("-{item}"));
        let parts: Vec<String> = gained.chain(lost).collect();
        if !parts.is_empty() {
            self.parts.push(format!("{key} {}", parts.join(" ")));
        }
    }

    fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    fn text(&self) -> String {
        self.parts.join(", ")
    }
}

/// Objects by their names.
fn by_name<T>(objects: &[T], name: impl Fn(&T) -> &Name) -> BTreeMap<&Name, &T> {
    objects.iter().map(|object| (name(object), object)).collect()
}

#[cfg(test)]
mod tests;
