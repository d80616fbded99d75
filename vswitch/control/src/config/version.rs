//! `version`: the format of the file, so that an older switch says so instead of objecting to each new key.

use serde::Deserialize;
use toml::{
    Spanned,
    de::{DeValue, ValueDeserializer},
};

use super::{error::Errors, keys};

/// The newest format there is, and the only one.
pub(super) const NEWEST: i64 = 1;

/// Whether the file is of a format that can be read; if not, nothing else need be said of it.
pub(super) fn check(value: &Spanned<DeValue>, errors: &mut Errors) -> bool {
    let at = value.span();
    let source = errors.source(&at);
    let name = keys::VERSION.name;
    match i64::deserialize(ValueDeserializer::from(value.clone())) {
        Ok(1..=NEWEST) => return true,
        Ok(newer) if newer > NEWEST => errors.hint(
            &at,
            format!("the file is of format version {newer}, and this Millrace knows versions up to {NEWEST}"),
            "a newer Millrace wrote it: use that one, or write the file again by `millrace config reference` of this one",
        ),
        Ok(_) => errors.hint(&at, format!("`{name} = {source}` is no format version"), format!("the newest is {NEWEST}")),
        Err(_) => errors.hint(&at, format!("`{name} = {source}` is of the wrong kind"), "a whole number is expected"),
    }
    false
}
