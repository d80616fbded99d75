//! `[switch]`

use super::{
    super::access::{CONNECTIONS_DEFAULT, REQUESTS_BURST_DEFAULT, REQUESTS_PER_S_DEFAULT},
    Change::{Live, Reopen, Restart},
    Key, Part, Section,
};

pub(in crate::config) const SECTION: Section = Section {
    name: "switch",
    many: false,
    meaning: "The switch itself, and who may talk to it. The only section that must be there.",
    parts: &[Part { meaning: "", keys: KEYS, values: &[] }],
};

const KEYS: &[Key] = &[
    Key::other("name", "1 to 32 of a-z, 0-9 and `-`, not beginning with `-`")
        .example("\"node-a\"")
        .change(Restart)
        .meaning("Names the switch, its control socket, its shared-memory regions and DPDK's runtime files."),
    Key::other("socket", "an absolute path, at most 107 octets")
        .or_text("\"/run/millrace/node-a.sock\"")
        .example("\"/run/other.sock\"")
        .change(Restart)
        .meaning("Path of the control socket. The default is made of the name."),
    Key::other("vhost_dir", "an absolute path")
        .or_text("\"/run/millrace/node-a.vhost\"")
        .example("\"/run/node-a\"")
        .change(Reopen)
        .meaning(
            "Folder of those sockets of vhost-user ports that are given by a name only. It is made where it is missing, and \
             refused where others than root and the switch's user own it, or everybody may write to it. Anybody may pass \
             through it; who may connect to a socket, its own mode says. The default is made of the name.",
        ),
    Key::other("vhost_group", "a group name or gid")
        .or("none")
        .example("\"kvm\"")
        .change(Reopen)
        .meaning(
            "Group whose members run the guests, such as that of QEMU's user: it may make sockets in `vhost_dir` (and \
             remove nobody else's), and connect to those that the switch makes there.",
        ),
    Key::other("admins", "a list of user names and uids")
        .or("root, and the user the switch runs as")
        .example("[\"root\", 1000]")
        .change(Live)
        .meaning(
            "Who may change the switch over the control socket; the kernel says who connects. A list that does not name \
             root leaves root out, and with it `systemctl reload`.",
        ),
    Key::other("admin_groups", "a list of group names and gids")
        .or("none")
        .example("[\"netops\", 2000]")
        .change(Live)
        .meaning("Groups whose members may do the same."),
    Key::other("readers", "a list of user names and uids")
        .or("none")
        .example("[\"monitoring\"]")
        .change(Live)
        .meaning("Who may ask what changes nothing: `show`, `check`, `apply --dry-run`."),
    Key::other("reader_groups", "a list of group names and gids")
        .or("none")
        .example("[\"adm\"]")
        .change(Live)
        .meaning("Groups whose members may do the same."),
    REQUESTS_PER_S,
    REQUESTS_BURST,
    CONNECTIONS_PER_USER,
];

pub(in crate::config) const REQUESTS_PER_S: Key = Key::number("requests_per_s", "requests", 1, 1_000_000)
    .or_number(REQUESTS_PER_S_DEFAULT as i64)
    .change(Live)
    .meaning(
        "Requests of one user that are answered in a second. What exceeds them waits, and what would wait for more than \
         two seconds is refused.",
    );

pub(in crate::config) const REQUESTS_BURST: Key = Key::number("requests_burst", "requests", 1, 1_000_000)
    .or_number(REQUESTS_BURST_DEFAULT as i64)
    .change(Live)
    .meaning("Requests of one user that are answered at once, after a rest.");

pub(in crate::config) const CONNECTIONS_PER_USER: Key = Key::number("connections_per_user", "connections", 1, 128)
    .or_number(CONNECTIONS_DEFAULT as i64)
    .change(Live)
    .meaning("Connections that one user may have at one time. Admins may have 128 together, and readers as many.");
