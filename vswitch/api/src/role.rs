//! What a user of the control socket may do.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UserRole {
    /// Ask what changes nothing.
    Reader,
    /// Everything.
    Admin,
}

impl UserRole {
    /// Its word on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            UserRole::Reader => "reader",
            UserRole::Admin => "admin",
        }
    }
}

impl fmt::Display for UserRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
