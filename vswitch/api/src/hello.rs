//! The first line of a connection: who answers, and in which schema.

use serde::{Deserialize, Serialize};

use crate::{DecodeError, PRODUCT, SCHEMA, UserRole, envelope};

/// What the switch says before anything else, as the `params` of a notification `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PRODUCT`]; anything else is not a switch.
    pub product: String,
    /// The product's version.
    pub version: String,
    /// [`SCHEMA`] of the switch.
    pub schema: u32,
    /// The switch's name.
    pub switch: String,
    /// What this user may do as long as the configuration does not change; `None` (`null`): nothing.
    #[serde(default)]
    pub role: Option<UserRole>,
}

#[derive(Serialize, Deserialize)]
struct Notification<H> {
    jsonrpc: String,
    method: String,
    params: H,
}

impl Hello {
    /// The greeting of a switch of this build, to nobody in particular.
    pub fn new(version: &str, switch: &str) -> Hello {
        Hello { product: PRODUCT.into(), version: version.into(), schema: SCHEMA, switch: switch.into(), role: None }
    }

    /// The same to a user with that role.
    pub fn to(&self, role: Option<UserRole>) -> Hello {
        Hello { role, ..self.clone() }
    }

    /// The line to send, its newline included.
    pub fn encode(&self) -> String {
        envelope::line(&Notification { jsonrpc: "2.0".into(), method: "hello".into(), params: self })
    }

    /// Reads the first line of a connection. Whether the schema suits is the caller's decision.
    pub fn decode(line: &[u8]) -> Result<Hello, DecodeError> {
        let hello: Notification<Hello> = serde_json::from_slice(line)?;
        if hello.jsonrpc != "2.0" || hello.method != "hello" || hello.params.product != PRODUCT {
            return Err(DecodeError::NotHello);
        }
        Ok(hello.params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = concat!(
        r#"{"jsonrpc":"2.0","method":"hello","params":"#,
        r#"{"product":"millrace","version":"0.1.0","schema":1,"switch":"node-a","role":"reader"}}"#,
        "\n"
    );

    #[test]
    fn the_hello_line_is_the_documented_one() {
        let hello = Hello::new("0.1.0", "node-a").to(Some(UserRole::Reader));
        assert_eq!(hello.encode(), GOLDEN);
        assert_eq!(Hello::decode(GOLDEN.as_bytes()).unwrap(), hello);
        assert!(hello.to(None).encode().contains(r#""role":null"#));
    }

    #[test]
    fn a_hello_of_a_switch_without_roles_is_understood() {
        let older = GOLDEN.replace(r#","role":"reader""#, "");
        assert_eq!(Hello::decode(older.as_bytes()).unwrap().role, None);
    }

    #[test]
    fn a_newer_hello_is_still_understood_so_that_the_client_can_name_both_schemas() {
        let newer = GOLDEN.replace(r#""schema":1"#, r#""schema":2,"extra":[1]"#);
        assert_eq!(Hello::decode(newer.as_bytes()).unwrap().schema, 2);
    }

    #[test]
    fn another_programs_first_line_is_no_hello() {
        for line in ["220 mail.example ESMTP\n", "", "{}", &GOLDEN.replace("millrace", "other")] {
            assert!(Hello::decode(line.as_bytes()).is_err(), "{line}");
        }
    }
}
