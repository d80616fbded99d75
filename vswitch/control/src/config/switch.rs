//! `[switch]`: the switch itself, and who may talk to it.

use std::path::PathBuf;

use toml::Spanned;

use super::{
    Name,
    error::{Errors, Span},
    file,
    section::Section,
};

/// Octets a socket's path may have (`sockaddr_un`, one kept for its end).
const SOCKET_MAX: usize = 107;

/// Octets a user name may have (`LOGIN_NAME_MAX` less one).
const USER_NAME_MAX: usize = 255;

/// `[switch]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Names the socket, EAL's file prefix and the shared-memory regions.
    pub name: Name,
    /// Path of the control socket.
    pub socket: PathBuf,
    /// Who may use the socket.
    pub admins: Vec<Admin>,
}

/// Somebody who may use the control socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admin {
    /// The user with that name; whether there is one is known at run time only.
    User(String),
    /// The user with that number.
    Uid(u32),
    /// Whoever runs the daemon.
    Own,
}

impl Switch {
    /// Checks the section, which must be there. `None` where it names no switch.
    pub(super) fn check(section: Option<&Spanned<file::Switch>>, errors: &mut Errors) -> Option<Switch> {
        let Some(section) = section else {
            let start: Span = 0..0;
            errors.hint(&start, "there is no section [switch]", "add [switch] with `name = \"…\"`");
            return None;
        };
        let said = section.get_ref();
        let mut check = Section::single(errors, "[switch]", section.span());
        let name = check.name("name", &said.name);
        let socket = said.socket.as_ref().and_then(|text| socket(&mut check, text));
        let admins = match &said.admins {
            None => vec![Admin::User("root".to_owned()), Admin::Own],
            Some(users) => users.iter().filter_map(|user| admin(&mut check, user)).collect(),
        };
        let name = name?;
        let socket = socket.unwrap_or_else(|| format!("/run/millrace/{name}.sock").into());
        Some(Switch { name, socket, admins })
    }
}

fn socket(check: &mut Section, text: &file::Text) -> Option<PathBuf> {
    let path = text.get_ref();
    if !path.starts_with('/') || path.ends_with('/') || path.contains(char::is_control) || path.len() > SOCKET_MAX {
        let hint = format!("an absolute path of at most {SOCKET_MAX} octets, as in \"/run/millrace/node-a.sock\"");
        check.refuse("socket", &text.span(), "cannot be the path of a socket", hint);
        return None;
    }
    Some(path.into())
}

fn admin(check: &mut Section, user: &Spanned<file::User>) -> Option<Admin> {
    let admin = match user.get_ref() {
        file::User::Id(id) => u32::try_from(*id).ok().map(Admin::Uid),
        file::User::Name(name) if !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_digit()) => {
            name.parse().ok().map(Admin::Uid)
        }
        file::User::Name(name) => {
            let legal = (1..=USER_NAME_MAX).contains(&name.len())
                && !name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':' || c == '/');
            legal.then(|| Admin::User(name.clone()))
        }
    };
    if admin.is_none() {
        check.refuse("admins", &user.span(), "is not a user", "a user name, or a uid such as 1000");
    }
    admin
}
