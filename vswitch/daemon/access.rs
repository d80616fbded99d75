//! From the names in the configuration to the numbers by which the kernel knows a peer.

use std::collections::BTreeMap;

use control::{
    config::{self, Group, User},
    server::Access,
};
use log::warn;

use crate::os;

/// The numbers of those who may use the control socket. Who does not exist on this machine is left out, with a warning;
/// where that leaves no admin at all, whoever runs the switch is one, who could end it anyway.
pub(crate) fn resolve(access: &config::Access) -> Access {
    let mut found = Access {
        admins: numbers("admins", &access.admins, uid),
        admin_groups: numbers("admin_groups", &access.admin_groups, gid),
        readers: numbers("readers", &access.readers, uid),
        reader_groups: numbers("reader_groups", &access.reader_groups, gid),
    };
    let is_named = !access.admins.is_empty() || !access.admin_groups.is_empty();
    if is_named && found.admins.is_empty() && found.admin_groups.is_empty() {
        let (own, name) = (os::user_id(), format!("uid {}", os::user_id()));
        warn!(
            "[switch] none of `admins` and `admin_groups` is on this machine: {name}, which runs the switch, is admin"
        );
        found.admins.insert(own, name);
    }
    found
}

/// Each number with what messages call it; where two entries mean the same, the first one's name.
fn numbers<T>(key: &str, listed: &[T], find: impl Fn(&T) -> Result<(u32, String), String>) -> BTreeMap<u32, String> {
    let mut found = BTreeMap::new();
    for account in listed {
        match find(account) {
            Ok((number, name)) => _ = found.entry(number).or_insert(name),
            Err(missing) => warn!("[switch] {key}: there is no {missing} on this machine"),
        }
    }
    found
}

/// The number of a user, and what messages call it; else who is missing.
pub(crate) fn uid(user: &User) -> Result<(u32, String), String> {
    match user {
        User::Named(name) => os::user_named(name).map(|uid| (uid, name.clone())).ok_or(format!("user `{name}`")),
        User::Uid(uid) => Ok((*uid, format!("uid {uid}"))),
        User::Own => Ok((os::user_id(), format!("uid {}", os::user_id()))),
    }
}

/// The same of a group.
pub(crate) fn gid(group: &Group) -> Result<(u32, String), String> {
    match group {
        Group::Named(name) => os::group_named(name).map(|gid| (gid, name.clone())).ok_or(format!("group `{name}`")),
        Group::Gid(gid) => Ok((*gid, format!("gid {gid}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_numbers_and_what_does_not_exist_is_left_out() {
        let users = [User::Named("root".into()), User::Named("no such user".into()), User::Uid(0), User::Uid(7)];
        let groups = [Group::Named("root".into()), Group::Named("no such group".into()), Group::Gid(9)];
        let (admins, reader_groups) = (users.to_vec(), groups.to_vec());
        let access = config::Access { admins, admin_groups: Vec::new(), readers: Vec::new(), reader_groups };
        let access = resolve(&access);
        let named = |accounts: &[(u32, &str)]| accounts.iter().map(|(n, name)| (*n, (*name).to_owned())).collect();
        assert_eq!(access.admins, named(&[(0, "root"), (7, "uid 7")]));
        assert_eq!(access.reader_groups, named(&[(0, "root"), (9, "gid 9")]));
    }
    #[test]
    fn names_that_are_all_wrong_leave_the_switch_to_whoever_runs_it() {
        let nobody = || config::Access {
            admins: Vec::new(),
            admin_groups: Vec::new(),
            readers: vec![User::Named("no such user".into())],
            reader_groups: Vec::new(),
        };
        assert_eq!(resolve(&nobody()), Access::default(), "nobody is meant to be");
        let misspelt = config::Access { admin_groups: vec![Group::Named("no such group".into())], ..nobody() };
        let admins: Vec<u32> = resolve(&misspelt).admins.into_keys().collect();
        assert_eq!(admins, [os::user_id()]);
        let one_is_there = config::Access { admin_groups: vec![Group::Gid(7)], ..misspelt };
        assert!(resolve(&one_is_there).admins.is_empty());
    }
}
