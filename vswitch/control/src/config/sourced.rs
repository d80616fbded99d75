//! A configuration together with the text that says it.

use std::sync::Arc;

use super::{Config, ConfigError, load};

/// A configuration, and the text it was read from: what edits start from and files are compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sourced {
    /// What it means.
    pub config: Config,
    /// The text, comments included.
    pub text: Arc<str>,
    /// What the operator calls the file.
    pub file: String,
}

impl Sourced {
    /// Reads a configuration, as [`load`] does, and keeps its text.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn load(text: &str, file: &str) -> Result<Sourced, Vec<ConfigError>> {
        Ok(Sourced { config: load(text, file)?, text: text.into(), file: file.to_owned() })
    }
}
