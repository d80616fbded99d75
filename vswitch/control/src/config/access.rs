//! Who may use the control socket, as what, and how much: the keys of `[switch]` about people.

use toml::Spanned;

use super::{file, keys, section::Section};

/// Octets a user's or group's name may have (`LOGIN_NAME_MAX` less one).
const NAME_MAX: usize = 255;

/// Defaults of [`Pace`]. A script that asks in a loop does not notice them.
pub(super) const REQUESTS_PER_S_DEFAULT: u32 = 1_000;
pub(super) const REQUESTS_BURST_DEFAULT: u32 = 2_000;
pub(super) const CONNECTIONS_DEFAULT: u32 = 64;

/// Users or groups that one key may list.
const LISTED_MAX: usize = 1_000;

/// Who may use the control socket: admins everything, readers what changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    /// Users who may change the switch.
    pub admins: Vec<User>,
    /// Groups whose members may.
    pub admin_groups: Vec<Group>,
    /// Users who may look.
    pub readers: Vec<User>,
    /// Groups whose members may.
    pub reader_groups: Vec<Group>,
}

/// A user; whether there is one of that name is known at run time only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// The one with that name.
    Named(String),
    /// The one with that number.
    Uid(u32),
    /// Whoever runs the daemon.
    Own,
}

/// A group; whether there is one of that name is known at run time only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Group {
    /// The one with that name.
    Named(String),
    /// The one with that number.
    Gid(u32),
}

/// How much one user may ask of the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Requests a second in the long run.
    pub requests_per_s: u32,
    /// Requests at once, after a rest.
    pub requests_burst: u32,
    /// Connections at one time.
    pub connections_per_user: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            requests_per_s: REQUESTS_PER_S_DEFAULT,
            requests_burst: REQUESTS_BURST_DEFAULT,
            connections_per_user: CONNECTIONS_DEFAULT,
        }
    }
}

impl Access {
    pub(super) fn check(check: &mut Section, said: &file::Switch) -> Access {
        let admins = match &said.admins {
            None => vec![User::Named("root".to_owned()), User::Own],
            Some(list) => users(check, "admins", list),
        };
        if said.admins.as_ref().is_some_and(Vec::is_empty) && said.admin_groups.is_empty() {
            let hint = "name a user in `admins` or a group in `admin_groups`";
            check.misses("leaves nobody who may change the running switch, so that only a restart does", hint);
        }
        Access {
            admins,
            admin_groups: groups(check, "admin_groups", &said.admin_groups),
            readers: users(check, "readers", &said.readers),
            reader_groups: groups(check, "reader_groups", &said.reader_groups),
        }
    }
}

impl Pace {
    pub(super) fn check(check: &mut Section, said: &file::Switch) -> Pace {
        let default = Pace::default();
        Pace {
            requests_per_s: check.counted_or(&keys::REQUESTS_PER_S, &said.requests_per_s, default.requests_per_s),
            requests_burst: check.counted_or(&keys::REQUESTS_BURST, &said.requests_burst, default.requests_burst),
            connections_per_user: check.counted_or(
                &keys::CONNECTIONS_PER_USER,
                &said.connections_per_user,
                default.connections_per_user,
            ),
        }
    }
}

fn users(check: &mut Section, key: &str, list: &[Spanned<file::Account>]) -> Vec<User> {
    let accounts = accounts(check, key, list, "is not a user", "a user name, or a uid such as 1000");
    accounts.into_iter().map(|account| account.map_or_else(User::Named, User::Uid)).collect()
}

fn groups(check: &mut Section, key: &str, list: &[Spanned<file::Account>]) -> Vec<Group> {
    let accounts = accounts(check, key, list, "is not a group", "a group name, or a gid such as 1000");
    accounts.into_iter().map(|account| account.map_or_else(Group::Named, Group::Gid)).collect()
}

/// One user; `None` (reported) where it is none.
pub(super) fn user(check: &mut Section, key: &str, said: &Spanned<file::Account>) -> Option<User> {
    users(check, key, std::slice::from_ref(said)).pop()
}

/// One group; `None` (reported) where it is none.
pub(super) fn group(check: &mut Section, key: &str, said: &Spanned<file::Account>) -> Option<Group> {
    groups(check, key, std::slice::from_ref(said)).pop()
}

/// The numbers (`Ok`) and names (`Err`) of a list; what is neither is reported.
fn accounts(
    check: &mut Section,
    key: &str,
    list: &[Spanned<file::Account>],
    problem: &str,
    hint: &str,
) -> Vec<Result<u32, String>> {
    if let Some(beyond) = list.get(LISTED_MAX) {
        check.refuse(key, &beyond.span(), format!("is beyond the {LISTED_MAX} that can be listed"), "use a group");
        return Vec::new();
    }
    let mut found = Vec::new();
    for account in list {
        match number_or_name(account.get_ref()) {
            Some(account) => found.push(account),
            None => check.refuse(key, &account.span(), problem, hint),
        }
    }
    found
}

fn number_or_name(account: &file::Account) -> Option<Result<u32, String>> {
    match account {
        file::Account::Id(id) => u32::try_from(*id).ok().map(Ok),
        file::Account::Name(name) if !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_digit()) => {
            name.parse().ok().map(Ok)
        }
        file::Account::Name(name) => {
            let legal = (1..=NAME_MAX).contains(&name.len())
                && !name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ':' || c == '/');
            legal.then(|| Err(name.clone()))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config;

    #[test]
    fn a_switch_that_nobody_may_change_is_warned_of() {
        let warnings = |keys: &str| -> Vec<String> {
            let config = config::load(&format!("[switch]\nname = \"x\"\n{keys}"), "f").unwrap();
            config.warnings.iter().map(ToString::to_string).collect()
        };
        let told = warnings("admins = []").join("\n");
        assert!(told.contains("[switch] leaves nobody who may change the running switch"), "{told}");
        for keys in ["", "admins = [0]", "admins = []\nadmin_groups = [\"adm\"]"] {
            let told = warnings(keys).join("\n");
            assert!(!told.contains("leaves nobody"), "{keys}: {told}");
        }
    }
}
