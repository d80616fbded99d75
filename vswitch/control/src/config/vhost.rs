//! The sockets of vhost-user ports: where they lie and who may be at their other end, as `[switch]` and `[[port]]` say.

use std::path::{Path, PathBuf};

use super::{
    Group, Kind, Name, SocketMode, User, access,
    file::{self, Text},
    keys,
    port::span,
    section::Section,
};

/// Octets a path may have as the address of a socket (`sun_path`, one kept for its end): what peers can use.
const ADDRESS_MAX: usize = 107;

/// Octets a socket's path may have: the kernel's own limit for paths, for the switch reaches sockets whose path is longer
/// than an address by way of their folder.
const PATH_MAX: usize = 4095;

/// The permission bits there are for a socket.
const PERMISSIONS_MAX: u32 = 0o777;

/// The switch's own folder for sockets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketFolder {
    /// Its absolute path.
    pub path: PathBuf,
    /// Whose members may make sockets there.
    pub group: Option<Group>,
}

/// Who may be at the other end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketAccess {
    /// The switch's own folder, where the socket lies in it.
    pub folder: Option<SocketFolder>,
    /// The owner of a socket that the switch makes; the user who must be listening where the guest does. `None`: the
    /// switch's own, or anybody.
    pub owner: Option<User>,
    /// The group of a socket that the switch makes.
    pub group: Option<Group>,
    /// Permission bits of a socket that the switch makes.
    pub permissions: u32,
}

impl SocketFolder {
    /// The keys of `[switch]`.
    pub(super) fn check(check: &mut Section, said: &file::Switch, switch: &Name) -> SocketFolder {
        let path = said.vhost_dir.as_ref().and_then(|text| folder(check, text));
        let group = said.vhost_group.as_ref().and_then(|said| access::group(check, "vhost_group", said));
        SocketFolder { path: path.unwrap_or_else(|| format!("/run/millrace/{switch}.vhost").into()), group }
    }
}

fn folder(check: &mut Section, text: &Text) -> Option<PathBuf> {
    let path = text.get_ref();
    if !is_absolute(path) || path.len() > ADDRESS_MAX {
        let hint = "an absolute path, as in \"/run/millrace/node-a.vhost\"";
        check.refuse("vhost_dir", &text.span(), "cannot be a folder of sockets", hint);
        return None;
    }
    Some(path.into())
}

fn is_absolute(path: &str) -> bool {
    path.starts_with('/') && !path.ends_with('/') && !path.contains(char::is_control)
}

/// What a vhost-user port says of its socket. `folder` is unknown only where `[switch]` is wrong, which is reported.
pub(super) fn check(said: &file::Port, folder: Option<&SocketFolder>, check: &mut Section) -> Option<Kind> {
    let modes = [SocketMode::Client, SocketMode::Server];
    let mode = match &said.mode {
        Some(text) => check.chosen(&keys::MODE, text, &modes)?,
        None => SocketMode::Client,
    };
    let (socket, folder) = place(said, folder?, check)?;
    let access = socket_access(said, mode, folder.cloned(), check);
    Some(Kind::VhostUser { socket, mode, access })
}

/// Where the socket is, and the switch's own folder where it lies in that.
fn place<'f>(
    said: &file::Port,
    folder: &'f SocketFolder,
    check: &mut Section,
) -> Option<(PathBuf, Option<&'f SocketFolder>)> {
    let (key, text) = match &said.socket {
        Some(text) => ("socket", text),
        None => ("name", &said.name),
    };
    if Path::new(text.get_ref()).is_absolute() {
        let is_path = is_absolute(text.get_ref()) && Path::new(text.get_ref()).file_name().is_some();
        if is_path && text.get_ref().len() <= PATH_MAX {
            return Some((text.get_ref().into(), None));
        }
    } else if let Some(name) = file_name(said) {
        let path = folder.path.join(name);
        let octets = path.as_os_str().len();
        if octets <= ADDRESS_MAX {
            return Some((path, Some(folder)));
        }
        let problem = format!("is a path of {octets} octets in `vhost_dir`, and a socket's address has {ADDRESS_MAX}");
        check.refuse(key, &text.span(), problem, "a shorter name, or a shorter `vhost_dir` in [switch]");
        return None;
    }
    if key == "socket" {
        let hint = "a name, which is looked for in `vhost_dir` of [switch], or an absolute path";
        check.refuse("socket", &text.span(), "is not a socket's path", hint);
    }
    None
}

/// The socket's name in the switch's own folder, where it can be one.
fn file_name(said: &file::Port) -> Option<String> {
    let Some(text) = &said.socket else {
        return said.name.get_ref().parse::<Name>().is_ok().then(|| format!("{}.sock", said.name.get_ref()));
    };
    let name = text.get_ref();
    let is_name = !name.is_empty() && name != "." && name != ".." && !name.contains('/');
    (is_name && !name.contains(char::is_control)).then(|| name.clone())
}

fn socket_access(
    said: &file::Port,
    mode: SocketMode,
    folder: Option<SocketFolder>,
    check: &mut Section,
) -> SocketAccess {
    let owner = said.socket_owner.as_ref().and_then(|said| access::user(check, "socket_owner", said));
    let group = said.socket_group.as_ref().and_then(|said| access::group(check, "socket_group", said));
    let group = group.or_else(|| folder.as_ref()?.group.clone());
    let said_permissions = said.socket_mode.as_ref().and_then(|text| permissions(text, check));
    if mode == SocketMode::Client {
        let hint = "whoever listens makes the socket; `mode = \"server\"` makes that the switch";
        let keys = [("socket_group", span(&said.socket_group)), ("socket_mode", span(&said.socket_mode))];
        for (key, at) in keys {
            if let Some(at) = at {
                check.warn(key, &at, "has no effect where the guest listens", hint);
            }
        }
    }
    let permissions = said_permissions.unwrap_or(if group.is_some() { 0o660 } else { 0o600 });
    SocketAccess { folder, owner, group, permissions }
}

/// Octal digits, as chmod(1) takes them.
fn permissions(text: &Text, check: &mut Section) -> Option<u32> {
    let digits = text.get_ref();
    let is_octal = (3..=4).contains(&digits.len()) && digits.bytes().all(|digit| (b'0'..=b'7').contains(&digit));
    let bits = u32::from_str_radix(digits, 8).ok().filter(|&bits| is_octal && bits <= PERMISSIONS_MAX);
    match bits {
        None => {
            let hint = "three octal digits, as in \"0660\": its owner, its group, everybody; 6 may connect, 0 may not";
            check.refuse("socket_mode", &text.span(), "is no mode of a socket", hint);
        }
        Some(bits) if bits & 0o002 != 0 => {
            let hint = "\"0660\" lets its owner and its group in";
            check.warn("socket_mode", &text.span(), "lets everybody on this machine be the guest", hint);
        }
        Some(_) => {}
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// What becomes of a port `vm1` with these keys, on a switch with those.
    fn load(switch: &str, port: &str) -> Result<(PathBuf, SocketAccess), String> {
        let text = format!(
            "[switch]\nname = \"x\"\n{switch}\n[[port]]\nname = \"vm1\"\nkind = \"vhost-user\"\nnetwork = \"n\"\n{port}\n\
             [[network]]\nname = \"n\"\nvni = 1\n"
        );
        let config = config::load(&text, "f").map_err(|errors| errors[0].to_string())?;
        match config.ports[0].kind.clone() {
            Kind::VhostUser { socket, access, .. } => Ok((socket, access)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_socket_without_a_path_lies_in_the_folder_of_the_switch() {
        for (switch, port, expected) in [
            ("", "", "/run/millrace/x.vhost/vm1.sock"),
            ("", "socket = \"one\"", "/run/millrace/x.vhost/one"),
            ("vhost_dir = \"/srv/v\"", "", "/srv/v/vm1.sock"),
        ] {
            let (socket, access) = load(switch, port).unwrap();
            assert_eq!((socket.to_str(), access.folder.is_some()), (Some(expected), true));
        }
        let (socket, access) = load("vhost_group = \"kvm\"", "socket = \"/srv/vm1\"").unwrap();
        assert_eq!((socket.to_str(), access.folder, access.group), (Some("/srv/vm1"), None, None));
    }

    #[test]
    fn the_group_of_the_folder_is_that_of_its_sockets_and_may_connect() {
        let kvm = Some(Group::Named("kvm".to_owned()));
        let (_, access) = load("vhost_group = \"kvm\"", "mode = \"server\"").unwrap();
        assert_eq!((access.permissions, &access.group), (0o660, &kvm));
        assert_eq!(access.folder.unwrap().group, kvm);
        let own = "mode = \"server\"\nsocket_owner = 7\nsocket_group = 8\nsocket_mode = \"0620\"";
        let (_, access) = load("vhost_group = \"kvm\"", own).unwrap();
        assert_eq!((access.owner, access.group, access.permissions), (Some(User::Uid(7)), Some(Group::Gid(8)), 0o620));
        assert_eq!(load("", "mode = \"server\"").unwrap().1.permissions, 0o600);
    }

    #[test]
    fn what_cannot_be_a_socket_is_refused_by_name() {
        let long = format!("socket = \"{}\"", "s".repeat(100));
        for (switch, port, told) in [
            ("", "socket = \"a/b\"", "`socket = \"a/b\"` in [[port]] `vm1` is not a socket's path"),
            ("", "socket = \"/a/\"", "is not a socket's path"),
            ("", "socket = \"..\"", "is not a socket's path"),
            ("", &long, "is a path of 122 octets in `vhost_dir`, and a socket's address has 107"),
            ("vhost_dir = \"here\"", "", "`vhost_dir = \"here\"` in [switch] cannot be a folder of sockets"),
            ("vhost_group = \"a b\"", "", "is not a group"),
            ("", "socket_owner = -1", "is not a user"),
            ("", "socket_mode = \"1777\"", "`socket_mode = \"1777\"` in [[port]] `vm1` is no mode of a socket"),
            ("", "socket_mode = \"69\"", "is no mode of a socket"),
        ] {
            let error = load(switch, port).unwrap_err();
            assert!(error.contains(told), "{port}: {error}");
        }
    }
}
