//! `[switch]`

use super::{
    Change::{Live, Restart},
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
    Key::other("admins", "a list of user names and uids")
        .or("root, and the user the switch runs as")
        .example("[\"root\", 1000]")
        .change(Live)
        .meaning("Who may use the control socket; the kernel says who connects."),
];
