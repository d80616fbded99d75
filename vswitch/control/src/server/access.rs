//! Who may do what, by the numbers the kernel gives for a peer.

use std::collections::BTreeMap;

use api::{Request, RpcError, UserRole};

/// Names that a message lists before it only counts.
const NAMED_MAX: usize = 8;

/// Who is at the other end of the socket, as the kernel says (`SO_PEERCRED`, `SO_PEERGROUPS`; unix(7)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Effective user id of the process that connected.
    pub uid: u32,
    /// Effective group id of the process that connected.
    pub gid: u32,
    /// Its supplementary groups.
    pub groups: Vec<u32>,
}

/// Who may use the socket, by number; beside each, how messages call it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// Uids of admins.
    pub admins: BTreeMap<u32, String>,
    /// Gids whose members are admins.
    pub admin_groups: BTreeMap<u32, String>,
    /// Uids of readers.
    pub readers: BTreeMap<u32, String>,
    /// Gids whose members are readers.
    pub reader_groups: BTreeMap<u32, String>,
}

impl Access {
    /// The highest role that `peer` has.
    pub fn role(&self, peer: &Peer) -> Option<UserRole> {
        let in_one_of = |groups: &BTreeMap<u32, String>| {
            groups.contains_key(&peer.gid) || peer.groups.iter().any(|group| groups.contains_key(group))
        };
        if self.admins.contains_key(&peer.uid) || in_one_of(&self.admin_groups) {
            Some(UserRole::Admin)
        } else if self.readers.contains_key(&peer.uid) || in_one_of(&self.reader_groups) {
            Some(UserRole::Reader)
        } else {
            None
        }
    }

    /// What somebody without a role is told.
    pub(super) fn not_authorised(&self, peer: &Peer) -> RpcError {
        let mut allowed = listed(&self.admins, &self.admin_groups);
        allowed.extend(listed(&self.readers, &self.reader_groups));
        RpcError::not_authorised(format!(
            "uid {} may not use this socket; allowed: {} (`admins`, `admin_groups`, `readers` and `reader_groups` in the \
             [switch] section of the configuration)",
            peer.uid,
            sentence(&allowed),
        ))
    }

    /// What a reader is told who asks for something else.
    pub(super) fn read_only(&self, peer: &Peer, request: &Request) -> RpcError {
        RpcError::read_only(format!(
            "uid {} may only read, and `{}` changes the switch; allowed: {} (`admins` and `admin_groups` in the [switch] \
             section of the configuration)",
            peer.uid,
            request.method(),
            sentence(&listed(&self.admins, &self.admin_groups)),
        ))
    }
}

fn listed(users: &BTreeMap<u32, String>, groups: &BTreeMap<u32, String>) -> Vec<String> {
    let groups = groups.values().map(|group| format!("members of {group}"));
    users.values().cloned().chain(groups).collect()
}

fn sentence(names: &[String]) -> String {
    match names.len().checked_sub(NAMED_MAX) {
        _ if names.is_empty() => "nobody".to_owned(),
        None | Some(0) => names.join(", "),
        Some(more) => format!("{} and {more} more", names[..NAMED_MAX].join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accounts(numbers: &[u32]) -> BTreeMap<u32, String> {
        numbers.iter().map(|number| (*number, format!("n{number}"))).collect()
    }

    fn access() -> Access {
        Access {
            admins: accounts(&[0, 10]),
            admin_groups: accounts(&[100]),
            readers: accounts(&[20, 10]),
            reader_groups: accounts(&[200, 100]),
        }
    }

    #[test]
    fn the_highest_role_counts_wherever_it_comes_from() {
        let role = |uid, gid, groups: &[u32]| access().role(&Peer { uid, gid, groups: groups.to_vec() });
        assert_eq!(role(0, 9, &[]), Some(UserRole::Admin));
        assert_eq!(role(10, 200, &[]), Some(UserRole::Admin), "a reader too");
        assert_eq!(role(30, 100, &[]), Some(UserRole::Admin), "by the first group");
        assert_eq!(role(20, 9, &[8, 100]), Some(UserRole::Admin), "by another group");
        assert_eq!(role(20, 9, &[]), Some(UserRole::Reader));
        assert_eq!(role(30, 9, &[1, 200]), Some(UserRole::Reader));
        assert_eq!(role(100, 0, &[10, 20]), None, "a gid is no uid");
        assert_eq!(Access::default().role(&Peer::default()), None, "root is nobody where nobody is named");
    }

    #[test]
    fn messages_name_who_may_but_not_a_thousand() {
        let peer = Peer { uid: 7, gid: 7, groups: Vec::new() };
        let told = access().not_authorised(&peer).message;
        let expected = "allowed: n0, n10, members of n100, n10, n20, members of n100, members of n200 (";
        assert!(told.contains(expected), "{told}");
        let apply = Request::Apply { config: String::new(), file: String::new(), dry_run: false, base_revision: None };
        let told = access().read_only(&peer, &apply).message;
        assert!(told.starts_with("uid 7 may only read, and `apply` changes the switch; allowed: n0, n10, members of"));
        assert!(Access::default().read_only(&peer, &apply).message.contains("allowed: nobody ("));
        let many = Access { admins: accounts(&(0..1_000).collect::<Vec<_>>()), ..Access::default() };
        let told = many.not_authorised(&peer).message;
        assert!(told.contains("n6, n7 and 992 more (") && told.len() < 500, "{told}");
    }
}
