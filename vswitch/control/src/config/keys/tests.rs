//! The rows say what the code does: against serde's own list of fields, against `load`, and against `diff`.

use std::{fs, path::Path};

use serde::{
    Deserialize, Deserializer,
    de::{Visitor, value::Error},
    forward_to_deserialize_any,
};

use super::*;
use crate::{
    config::{Config, file, load, reference},
    diff::{Effect, diff},
};

/// A key in its part, by their places.
type Place = (usize, usize, &'static Key);

/// All rows, once for each part they are in.
fn rows() -> impl Iterator<Item = Place> {
    SECTIONS.into_iter().enumerate().flat_map(|(s, section)| {
        section.parts.iter().enumerate().flat_map(move |(p, part)| part.keys.iter().map(move |key| (s, p, key)))
    })
}

/// The file that the reference gives, with these keys set.
fn file_with(set: &[(Place, &str)]) -> String {
    let mut text = String::new();
    for (s, section) in SECTIONS.into_iter().enumerate() {
        for (p, part) in section.parts.iter().enumerate() {
            text += &if section.many { format!("[[{}]]\n", section.name) } else { format!("[{}]\n", section.name) };
            for key in part.keys {
                let value = set.iter().find(|((s_, p_, k), _)| (*s_, *p_, k.name) == (s, p, key.name));
                let given = part.gives(key).then(|| part.value(key));
                let value = value.map(|(_, value)| (*value).to_owned()).or(given);
                text.extend(value.map(|value| format!("{} = {value}\n", key.name)));
            }
        }
    }
    text
}

fn read(text: &str) -> Config {
    load(text, "f").unwrap_or_else(|errors| panic!("{text}\n{errors:#?}"))
}

fn place(section: &str, key: &str) -> Place {
    rows().find(|(s, _, row)| SECTIONS[*s].name == section && row.name == key).unwrap()
}

/// The fields that serde knows of a struct.
fn fields<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    struct Ask<'a>(&'a mut Vec<&'static str>);

    impl<'de> Deserializer<'de> for Ask<'_> {
        type Error = Error;

        fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
            Err(serde::de::Error::custom("asked for something else than a struct"))
        }

        fn deserialize_struct<V: Visitor<'de>>(
            self,
            _: &'static str,
            fields: &'static [&'static str],
            _: V,
        ) -> Result<V::Value, Error> {
            self.0.extend(fields);
            Err(serde::de::Error::custom("that is all"))
        }

        forward_to_deserialize_any! {
            bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
            unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
        }
    }

    let mut found = Vec::new();
    assert!(T::deserialize(Ask(&mut found)).is_err());
    found.sort_unstable();
    found
}

fn names<'k>(keys: impl IntoIterator<Item = &'k Key>) -> Vec<&'static str> {
    let mut names: Vec<&str> = keys.into_iter().map(|key| key.name).collect();
    names.sort_unstable();
    names
}

#[test]
fn every_key_that_is_read_has_a_row_and_every_row_is_read() {
    for section in SECTIONS {
        let read = match section.name {
            "switch" => fields::<file::Switch>(),
            "workers" => fields::<file::Workers>(),
            "memory" => fields::<file::Memory>(),
            "tables" => fields::<file::Tables>(),
            "port" => fields::<file::Port>(),
            "network" => fields::<file::Network>(),
            "tunnel" => fields::<file::Tunnel>(),
            other => panic!("[{other}] is read by nobody"),
        };
        assert_eq!(names(section.keys()), read, "[{}]", section.name);
    }
    assert_eq!(names(place("port", "trunk").2.entries), fields::<file::Trunk>());
    assert_eq!(names(place("network", "static").2.entries), fields::<file::Static>());
}

#[test]
fn the_reference_on_disk_is_the_one_of_the_code() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/reference.toml");
    let on_disk = fs::read_to_string(path).unwrap();
    let mend = "mend: cargo run -q -p millrace-cli -- config reference > config/reference.toml";
    assert!(on_disk == reference(), "config/reference.toml is not what the rows say; {mend}");
}

#[test]
fn the_reference_loads_with_all_its_comments_taken_away() {
    let is_key = |line: &str| line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_lowercase()));
    let alternatives: Vec<&Key> = rows().map(|(.., key)| key).filter(|key| key.instead_of.is_some()).collect();
    assert!(!alternatives.is_empty());
    for alternative in [None].into_iter().chain(alternatives.into_iter().map(Some)) {
        let stays = |line: &str| {
            let name = line[1..].split(' ').next().unwrap_or_default();
            match alternative {
                Some(key) => Some(name) == key.instead_of,
                None => rows().any(|(.., key)| key.name == name && key.instead_of.is_some()),
            }
        };
        let text = reference();
        let lines = text.lines().map(|line| if is_key(line) && !stays(line) { &line[1..] } else { line });
        let text: String = lines.flat_map(|line| [line, "\n"]).collect();
        assert!(text.contains("\nflows_max = "));
        read(&text);
    }
}

#[test]
fn the_small_file_at_the_top_of_the_reference_works() {
    let page = reference();
    let lines = page.lines().take_while(|line| line.starts_with('#'));
    let small: String = lines.filter_map(|line| line.strip_prefix("#     ")).flat_map(|line| [line, "\n"]).collect();
    let config = read(&small);
    assert_eq!((config.ports.len(), config.networks.len(), config.warnings.len()), (2, 1, 0));
}

#[test]
fn a_default_is_what_an_absent_key_means() {
    let base = read(&file_with(&[]));
    let mut compared = 0;
    for (s, p, key) in rows() {
        if matches!(key.absent, Absent::Text(_) | Absent::Number(_)) && !SECTIONS[s].parts[p].gives(key) {
            let text = file_with(&[((s, p, key), &key.shown())]);
            assert_eq!(read(&text), base, "[{}] {}", SECTIONS[s].name, key.name);
            compared += 1;
        }
    }
    assert!(compared >= 25, "{compared}");
}

/// A value that is not the default, as TOML.
fn another(key: &Key) -> String {
    match (key.takes, key.absent) {
        (_, absent) if !key.example.is_empty() && absent != Absent::Text(key.example) => key.example.to_owned(),
        (Takes::Number { max, .. }, Absent::Number(number)) => {
            (if number < max { number + 1 } else { number - 1 }).to_string()
        }
        (Takes::Words(words), Absent::Text(word)) => {
            format!("{:?}", words.iter().find(|w| !word.contains(**w)).unwrap())
        }
        (Takes::Flag, Absent::Text(flag)) => (flag == "false").to_string(),
        _ => panic!("`{}` needs an example that is not its default", key.name),
    }
}

#[test]
fn another_value_takes_what_its_row_says() {
    for (s, p, key) in rows() {
        let (part, section) = (&SECTIONS[s].parts[p], SECTIONS[s].name);
        // What is given is compared by the tests of `diff`; the only address there is to choose is the default, and a TAP
        // has one role, as has a guest.
        if part.gives(key) || key.name == "local" || (key.name == "role" && (part.has("netns") || part.has("socket"))) {
            continue;
        }
        // A second queue needs a second worker.
        let mut set = match key.name {
            "queues" => vec![(place("workers", "count"), "2")],
            "workers" => vec![(place("workers", "count"), "2"), (place("port", "queues"), "2")],
            _ => Vec::new(),
        };
        let old = read(&file_with(&set));
        let another = another(key);
        set.push(((s, p, key), &another));
        let new = read(&file_with(&set));
        let diff = diff(&old, &new);
        let change = diff.changes().iter().map(|change| match change.effect {
            Effect::Live | Effect::Later => Change::Live,
            Effect::Reopen => Change::Reopen,
            Effect::Restart => Change::Restart,
        });
        assert_eq!(change.max(), Some(key.change), "[{section}] {} = {another}: {diff}", key.name);
    }
}

#[test]
fn numbers_beyond_their_row_are_refused() {
    for (s, p, key) in rows() {
        let Takes::Number { min, max, .. } = key.takes else { continue };
        for beyond in [min - 1, max + 1] {
            let value = if key.name == "cores" { format!("[{beyond}]") } else { beyond.to_string() };
            let errors = load(&file_with(&[((s, p, key), &value)]), "f").unwrap_err();
            let said = errors.iter().any(|error| {
                error.message.starts_with(&format!("`{} = ", key.name)) && error.message.ends_with(" is out of range")
            });
            assert!(said, "[{}] {} = {value}: {errors:?}", SECTIONS[s].name, key.name);
        }
    }
}

#[test]
fn numbers_are_grouped_by_thousands() {
    let shown = [0, 300, 9600, 65_407, -16_384, 16_777_216].map(grouped);
    assert_eq!(shown, ["0", "300", "9600", "65_407", "-16_384", "16_777_216"]);
}
