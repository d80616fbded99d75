//! Every key of the file: its kind, unit, range and default, what a change of it takes, and what it means.
//!
//! One file for each section. The checks take ranges and words from here, and `manual.rs` writes `config/reference.toml`
//! from the same rows, so that neither can say something else than the other. A new key is a field in `file.rs` and a row
//! here; `tests.rs` fails where one of the two is missing, where a default is not what `load` makes of a file without the
//! key, and where a change takes something else than its row says.

mod memory;
mod network;
mod port;
mod switch;
mod tables;
mod tunnel;
mod workers;

pub(super) use memory::{BUFFER, FRAMES, HUGEPAGES, NUMA, SUPER_FRAMES};
pub(super) use network::{AGE_S, FLOW_KEY, NETWORK_MACS_MAX, NETWORK_MTU, VNI};
pub(super) use port::{KIND, MODE, MTU, QUEUES, ROLE, RX_DESCRIPTORS, STORM_MAX, TX_DESCRIPTORS, VLAN};
pub(super) use switch::{CONNECTIONS_PER_USER, REQUESTS_BURST, REQUESTS_PER_S};
pub(super) use tables::{FLOW_IDLE_S, FLOWS_MAX, MACS_MAX};
pub(super) use tunnel::{MULTIPATH, TTL, UDP_PORT};
pub(super) use workers::{BURST, CORES, COUNT, CPU_LATENCY_US, IDLE, REST_MAX_US, TAP_COALESCE_US};

/// All sections, in the order of the reference.
pub(super) const SECTIONS: [&Section; 7] = [
    &switch::SECTION,
    &workers::SECTION,
    &memory::SECTION,
    &tables::SECTION,
    &port::SECTION,
    &network::SECTION,
    &tunnel::SECTION,
];

/// The format's version, above all sections.
pub(super) const VERSION: Key = Key::number("version", "", 1, super::version::NEWEST)
    .or_number(super::version::NEWEST)
    .meaning("The format of this file. A switch refuses a file of a newer format than it knows, and names both.");

/// A section: `[switch]`, or every `[[port]]`.
pub(super) struct Section {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether there can be many.
    pub(super) many: bool,
    /// What it is about.
    pub(super) meaning: &'static str,
    /// Its keys; where sections of one name are of different sorts, one part for each sort.
    pub(super) parts: &'static [Part],
}

impl Section {
    /// All its keys; each stands in one part, but those that every sort must have.
    #[cfg(test)]
    pub(super) fn keys(&self) -> Vec<&'static Key> {
        let mut keys: Vec<&Key> = Vec::new();
        for key in self.parts.iter().flat_map(|part| part.keys) {
            if !keys.iter().any(|other| other.name == key.name) {
                keys.push(key);
            }
        }
        keys
    }
}

/// A section as the reference shows it.
pub(super) struct Part {
    /// Which sort it is, where there are several.
    pub(super) meaning: &'static str,
    /// Its keys.
    pub(super) keys: &'static [Key],
    /// Values that the reference gives instead of the rows' own, to make one working file of all parts.
    pub(super) values: &'static [(&'static str, &'static str)],
}

impl Part {
    /// Whether a key of that name is shown here.
    pub(super) fn has(&self, name: &str) -> bool {
        self.keys.iter().any(|key| key.name == name)
    }

    /// What the reference shows as the value of `key`, as TOML.
    pub(super) fn value(&self, key: &Key) -> String {
        let own = self.values.iter().find(|(name, _)| *name == key.name);
        own.map_or_else(|| key.shown(), |(_, value)| (*value).to_owned())
    }

    /// Whether the reference gives the key, rather than showing it in a comment.
    pub(super) fn gives(&self, key: &Key) -> bool {
        key.absent == Absent::Refused || self.values.iter().any(|(name, _)| *name == key.name)
    }
}

/// A key of a section.
pub(super) struct Key {
    /// Its name.
    pub(super) name: &'static str,
    /// What it may be.
    pub(super) takes: Takes,
    /// What counts where it is absent.
    pub(super) absent: Absent,
    /// A value, as TOML, that is not the default: what the reference shows where there is no default.
    pub(super) example: &'static str,
    /// What another value takes on a running switch.
    pub(super) change: Change,
    /// What it means, in sentences.
    pub(super) meaning: &'static str,
    /// The keys of each table in the list that it takes.
    pub(super) entries: &'static [Key],
    /// The key beside which it cannot stand.
    pub(super) instead_of: Option<&'static str>,
}

/// What a key may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Takes {
    /// A whole number.
    Number {
        /// What it counts; empty for what is only a number.
        unit: &'static str,
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// One of these.
    Words(&'static [&'static str]),
    /// Yes or no.
    Flag,
    /// Something else, in words.
    Other(&'static str),
}

/// What counts where a key is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// It cannot be absent.
    Refused,
    /// This, as TOML.
    Text(&'static str),
    /// This number.
    Number(i64),
    /// Something that is no value, in words.
    Means(&'static str),
}

/// What another value takes on a running switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Change {
    /// `apply`; the object keeps forwarding.
    Live,
    /// `apply`; the port's device is opened anew.
    Reopen,
    /// Another start.
    Restart,
}

impl Key {
    const fn new(name: &'static str, takes: Takes) -> Key {
        let (absent, example, meaning) = (Absent::Refused, "", "");
        Key { name, takes, absent, example, change: Change::Live, meaning, entries: &[], instead_of: None }
    }

    pub(super) const fn number(name: &'static str, unit: &'static str, min: i64, max: i64) -> Key {
        Key::new(name, Takes::Number { unit, min, max })
    }

    pub(super) const fn words(name: &'static str, words: &'static [&'static str]) -> Key {
        Key::new(name, Takes::Words(words))
    }

    pub(super) const fn flag(name: &'static str) -> Key {
        Key::new(name, Takes::Flag)
    }

    pub(super) const fn other(name: &'static str, what: &'static str) -> Key {
        Key::new(name, Takes::Other(what))
    }

    /// The default, as TOML.
    pub(super) const fn or_text(self, toml: &'static str) -> Key {
        Key { absent: Absent::Text(toml), ..self }
    }

    /// The default of a number.
    pub(super) const fn or_number(self, number: i64) -> Key {
        Key { absent: Absent::Number(number), ..self }
    }

    /// What its absence means, where no value would say so.
    pub(super) const fn or(self, means: &'static str) -> Key {
        Key { absent: Absent::Means(means), ..self }
    }

    pub(super) const fn example(self, toml: &'static str) -> Key {
        Key { example: toml, ..self }
    }

    pub(super) const fn meaning(self, meaning: &'static str) -> Key {
        Key { meaning, ..self }
    }

    pub(super) const fn change(self, change: Change) -> Key {
        Key { change, ..self }
    }

    pub(super) const fn entries(self, entries: &'static [Key]) -> Key {
        Key { entries, ..self }
    }

    pub(super) const fn instead_of(self, key: &'static str) -> Key {
        Key { instead_of: Some(key), ..self }
    }

    /// The default, or else the example, as TOML.
    pub(super) fn shown(&self) -> String {
        match self.absent {
            Absent::Refused | Absent::Means(_) => self.example.to_owned(),
            Absent::Text(toml) => toml.to_owned(),
            Absent::Number(number) => grouped(number),
        }
    }
}

/// A number as TOML, with its thousands apart.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        // Four digits are read as easily without.
        if index > 0 && digits.len() > 4 && (digits.len() - index).is_multiple_of(3) {
            text.push('_');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;
