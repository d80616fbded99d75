//! `[switch]`: the switch itself, and who may talk to it.

use std::path::PathBuf;

use toml::Spanned;

use super::{
    Name,
    access::{Access, Pace},
    error::{Errors, Span},
    file,
    section::Section,
    vhost::SocketFolder,
};

/// Octets a socket's path may have (`sockaddr_un`, one kept for its end).
const SOCKET_MAX: usize = 107;

/// `[switch]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Names the socket, EAL's file prefix and the shared-memory regions.
    pub name: Name,
    /// Path of the control socket.
    pub socket: PathBuf,
    /// Where sockets of vhost-user ports lie that are given without a path.
    pub vhost: SocketFolder,
    /// Who may use the socket.
    pub access: Access,
    /// How much.
    pub pace: Pace,
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
        let access = Access::check(&mut check, said);
        let pace = Pace::check(&mut check, said);
        let name = name?;
        let socket = socket.unwrap_or_else(|| format!("/run/millrace/{name}.sock").into());
        let vhost = SocketFolder::check(&mut check, said, &name);
        Some(Switch { name, socket, vhost, access, pace })
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
