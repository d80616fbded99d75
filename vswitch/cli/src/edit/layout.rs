//! Where in the text of a configuration its sections, keys and values stand.

use std::ops::Range;

use toml_edit::{ArrayOfTables, Document, Item, Table};

/// A section with its keys, and the sections within it.
#[derive(Debug)]
pub(super) struct Section {
    /// `[[port]]`.
    pub(super) header: Range<usize>,
    pub(super) pairs: Vec<Pair>,
    /// Sections of its own, such as `[[port.trunk]]`, with their keys.
    pub(super) inner: Vec<(String, Section)>,
}

/// `key = value`.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    /// Where the key begins.
    pub(super) start: usize,
    /// Where the value stands; of a dotted key (`a.b = 1`) all values below it.
    pub(super) value: Range<usize>,
    pub(super) is_dotted: bool,
    /// The elements, where the value is a list.
    pub(super) elements: Option<Vec<Range<usize>>>,
    /// The value, where it is text.
    pub(super) text: Option<String>,
}

/// All sections `[[kind]]`, in the order of the file. An error is what keeps them from being edited.
pub(super) fn sections(text: &str, kind: &str) -> Result<Vec<Section>, String> {
    let document = Document::parse(text).map_err(|error| format!("the text is no TOML: {}", error.message()))?;
    match document.get(kind) {
        None => Ok(Vec::new()),
        Some(Item::ArrayOfTables(tables)) => Ok(all(tables)),
        Some(_) => Err(format!("`{kind}` is written as a list of inline tables here: edit the file, and apply it")),
    }
}

fn all(tables: &ArrayOfTables) -> Vec<Section> {
    tables.iter().map(section).collect()
}

fn section(table: &Table) -> Section {
    let mut section = Section { header: table.span().unwrap_or_default(), pairs: Vec::new(), inner: Vec::new() };
    for (key, item) in table.iter() {
        match item {
            Item::ArrayOfTables(tables) => {
                section.inner.extend(all(tables).into_iter().map(|inner| (key.to_owned(), inner)));
            }
            Item::Table(inner) if !inner.is_dotted() => {
                section.inner.push((key.to_owned(), self::section(inner)));
            }
            _ => section.pairs.extend(pair(table, key, item)),
        }
    }
    section
}

fn pair(table: &Table, key: &str, item: &Item) -> Option<Pair> {
    let start = table.key(key)?.span()?.start;
    let elements = item.as_array().map(|list| list.iter().filter_map(|value| value.span()).collect());
    let (value, is_dotted) = match item {
        Item::Table(dotted) => (start..last_octet(dotted)?, true),
        _ => (item.span()?, false),
    };
    let text = item.as_str().map(str::to_owned);
    Some(Pair { key: key.to_owned(), start, value, is_dotted, elements, text })
}

/// Where the last value below a dotted key ends.
fn last_octet(table: &Table) -> Option<usize> {
    let end = |item: &Item| match item {
        Item::Table(inner) => last_octet(inner),
        _ => item.span().map(|span| span.end),
    };
    table.iter().filter_map(|(_, item)| end(item)).max()
}

impl Section {
    /// Its name.
    pub(super) fn name(&self) -> Option<&str> {
        self.pair("name")?.text.as_deref()
    }

    pub(super) fn pair(&self, key: &str) -> Option<&Pair> {
        self.pairs.iter().find(|pair| pair.key == key)
    }

    /// Sections of that key within it.
    pub(super) fn inner(&self, key: &str) -> impl Iterator<Item = &Section> {
        self.inner.iter().filter(move |(own, _)| own == key).map(|(_, section)| section)
    }

    /// Where its own last key ends; not those of sections within it.
    pub(super) fn own_end(&self) -> usize {
        self.pairs.iter().map(|pair| pair.value.end).fold(self.header.end, usize::max)
    }

    /// Where it ends with all that is within it.
    pub(super) fn whole_end(&self) -> usize {
        self.inner.iter().map(|(_, inner)| inner.whole_end()).fold(self.own_end(), usize::max)
    }

    /// Where it and each section within it stand. Sections of others may stand in between.
    pub(super) fn places(&self) -> Vec<Range<usize>> {
        let own = self.header.start..self.own_end();
        let inner = self.inner.iter().flat_map(|(_, inner)| inner.places());
        std::iter::once(own).chain(inner).collect()
    }
}
