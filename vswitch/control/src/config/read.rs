//! Text → [`File`]: TOML's grammar, the sections, their keys, and the kinds of values.
//!
//! A section is read by serde, which stops at its first objection. Here the key it objects to is reported and taken out,
//! and the section is read again, so that the operator sees all objections at once.

use serde::de::DeserializeOwned;
use toml::{
    Spanned,
    de::{DeString, DeTable, DeValue, ValueDeserializer},
};

use super::{
    error::{Errors, Span, nearest},
    file::File,
    keys, version,
};

/// Octets of a configuration file that are read at most; a thousand ports and networks need a tenth of it.
const FILE_MAX: usize = 4 << 20;

/// Objections reported in one section.
const OBJECTIONS_MAX: usize = 16;

/// Reads `text`. What could not be read is missing in the result and named in `errors`.
pub(super) fn read(text: &str, errors: &mut Errors) -> File {
    let mut file = File::default();
    if text.len() > FILE_MAX {
        errors.hint(&(0..0), format!("the file has {} octets", text.len()), format!("at most {FILE_MAX}"));
        return file;
    }
    let (table, objections) = DeTable::parse_recoverable(text);
    if !objections.is_empty() {
        for objection in objections {
            grammar(text, &objection.span().unwrap_or(0..0), objection.message(), errors);
        }
        return file;
    }
    let table = table.into_inner();
    if table.get(keys::VERSION.name).is_some_and(|value| !version::check(value, errors)) {
        return file;
    }
    for (key, value) in table {
        match key.get_ref().as_ref() {
            "switch" => file.switch = single("[switch]", value, errors),
            "workers" => file.workers = single("[workers]", value, errors),
            "memory" => file.memory = single("[memory]", value, errors),
            "tables" => file.tables = single("[tables]", value, errors),
            "port" => file.ports = many("port", value, errors),
            "network" => file.networks = many("network", value, errors),
            "tunnel" => file.tunnels = many("tunnel", value, errors),
            key if key == keys::VERSION.name => {}
            unknown => unknown_section(unknown, &key.span(), &value, errors),
        }
    }
    file
}

/// Says what TOML objects to. The usual mistake is text without quotes, which TOML takes for a broken number.
fn grammar(text: &str, at: &Span, message: &str, errors: &mut Errors) {
    let source = errors.source(at);
    let message = if source.is_empty() { one_line(message) } else { format!("{} at `{source}`", one_line(message)) };
    let before = text.get(..at.start).unwrap_or_default().trim_end_matches([' ', '\t']);
    let is_bare = text.get(at.start..).unwrap_or_default().starts_with(char::is_alphabetic);
    if is_bare && before.ends_with(['=', ',']) {
        errors.hint(at, message, "text stands in quotes");
    } else {
        errors.add(at, message);
    }
}

/// A section that exists once.
fn single<T: DeserializeOwned>(name: &str, value: Spanned<DeValue>, errors: &mut Errors) -> Option<Spanned<T>> {
    let span = value.span();
    match value.into_inner() {
        DeValue::Table(table) => section(name, span, table, errors),
        _ => {
            errors.hint(&span, format!("{name} is not a section"), format!("write {name} on a line of its own"));
            None
        }
    }
}

/// All sections of one name.
fn many<T: DeserializeOwned>(name: &str, value: Spanned<DeValue>, errors: &mut Errors) -> Vec<Spanned<T>> {
    let span = value.span();
    let DeValue::Array(array) = value.into_inner() else {
        errors.hint(&span, format!("[{name}] stands in single brackets"), format!("there can be many: [[{name}]]"));
        return Vec::new();
    };
    let mut sections = Vec::new();
    for element in array {
        let span = element.span();
        let DeValue::Table(table) = element.into_inner() else {
            errors.hint(&span, format!("`{name}` holds something else than sections"), format!("write [[{name}]]"));
            continue;
        };
        let named = table.get("name").and_then(|value| value.get_ref().as_str());
        let title = match named.filter(|name| name.parse::<super::Name>().is_ok()) {
            Some(own) => format!("[[{name}]] `{own}`"),
            None => format!("[[{name}]]"),
        };
        sections.extend(section(&title, span, table, errors));
    }
    sections
}

/// One section; what serde objects to is reported and taken out until nothing is left to object to.
fn section<T: DeserializeOwned>(
    title: &str,
    span: Span,
    mut table: DeTable,
    errors: &mut Errors,
) -> Option<Spanned<T>> {
    let mut sound = true;
    for _ in 0..OBJECTIONS_MAX {
        let value = Spanned::new(span.clone(), DeValue::Table(table.clone()));
        let objection = match T::deserialize(ValueDeserializer::from(value)) {
            Ok(read) => return sound.then(|| Spanned::new(span, read)),
            Err(objection) => objection,
        };
        let at = objection.span().unwrap_or(span.clone());
        let path = path_to(&table, &at);
        // A key that is missing because a misspelt or damaged one was taken out is no news.
        if sound || !path.is_empty() {
            report(title, &path, &at, objection.message(), errors);
        }
        sound = false;
        let first = path.first()?;
        table.remove(first.as_str());
    }
    None
}

/// Says what serde objects to, in the operator's words.
fn report(title: &str, path: &[String], at: &Span, message: &str, errors: &mut Errors) {
    let is_missing = message.starts_with("missing field `");
    let place = match path {
        [outer] if is_missing => format!("`{outer}` of {title}"),
        [outer, _, ..] => format!("`{outer}` of {title}"),
        _ => title.to_owned(),
    };
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let Some(rest) = message.strip_prefix("unknown field `") {
        let (word, known) = (rest.split('`').next().unwrap_or_default(), quoted.get(1..).unwrap_or_default());
        let message = format!("unknown key `{}` in {place}", super::error::shorten(word));
        errors.hint(at, message, advice(word, known.iter().copied(), "its keys are"));
    } else if is_missing {
        let key = quoted.first().copied().unwrap_or_default();
        errors.hint(at, format!("{place} has no `{key}`"), format!("add `{key} = …`"));
    } else if let Some((_, expected)) = message.rsplit_once(", expected ") {
        let key = path.last().map(String::as_str).unwrap_or_default();
        let source = errors.source(at);
        errors.hint(at, format!("`{key} = {source}` in {place} is of the wrong kind"), kind(expected));
    } else if let Some(key) = path.last() {
        errors.add(at, format!("`{key} = {}` in {place}: {}", errors.source(at), one_line(message)));
    } else {
        errors.add(at, format!("{place}: {}", one_line(message)));
    }
}

/// "did you mean", or all that there is to choose from.
pub(super) fn advice<'k>(word: &str, known: impl Iterator<Item = &'k str> + Clone, list: &str) -> String {
    const LISTED_MAX: usize = 20;
    if let Some(near) = nearest(word, known.clone()) {
        return format!("did you mean `{near}`?");
    }
    let mut all: Vec<String> = known.clone().take(LISTED_MAX).map(|word| format!("`{word}`")).collect();
    if known.clone().nth(LISTED_MAX).is_some() {
        all.push("…".to_owned());
    }
    if all.is_empty() { "there is none".to_owned() } else { format!("{list} {}", all.join(", ")) }
}

/// Serde's name of a kind of value, as an operator would put it.
fn kind(expected: &str) -> String {
    match expected {
        "i64" => "a whole number is expected".to_owned(),
        "a sequence" => "a list in [ ] is expected".to_owned(),
        "a boolean" => "true or false is expected".to_owned(),
        "a string" => "text in quotes is expected".to_owned(),
        other if other.starts_with("struct ") => "a table in { } is expected".to_owned(),
        other => format!("{other} is expected"),
    }
}

fn unknown_section(unknown: &str, span: &Span, value: &Spanned<DeValue>, errors: &mut Errors) {
    let unknown = super::error::shorten(unknown);
    match value.get_ref() {
        DeValue::Table(_) | DeValue::Array(_) => {
            let known = keys::SECTIONS.into_iter().map(|section| section.name);
            let hint = if errors.is_full() { String::new() } else { advice(&unknown, known, "the sections are") };
            errors.hint(span, format!("unknown section [{unknown}]"), hint);
        }
        _ => errors.hint(span, format!("`{unknown}` stands in no section"), "write it below [switch] or another"),
    }
}

/// The keys that lead to what stands at `at`: of the table, of a table within it, and so on.
fn path_to(table: &DeTable, at: &Span) -> Vec<String> {
    fn inside(value: &Spanned<DeValue>, at: &Span) -> Option<Vec<String>> {
        if value.span() == *at {
            return Some(Vec::new());
        }
        match value.get_ref() {
            DeValue::Table(table) => Some(path_to(table, at)).filter(|path| !path.is_empty()),
            DeValue::Array(array) => array.iter().find_map(|element| inside(element, at)),
            _ => None,
        }
    }
    let here = |(key, value): (&Spanned<DeString>, &Spanned<DeValue>)| {
        let rest = if key.span() == *at { Some(Vec::new()) } else { inside(value, at) };
        rest.map(|rest| std::iter::once(key.get_ref().to_string()).chain(rest).collect())
    };
    table.iter().find_map(here).unwrap_or_default()
}

/// A message of the TOML reader without line breaks.
fn one_line(message: &str) -> String {
    message.trim().replace('\n', ", ")
}
