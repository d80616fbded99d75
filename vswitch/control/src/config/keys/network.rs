//! `[[network]]`

use super::{
    super::{
        mtu::{MTU_MAX, MTU_MIN},
        network, tables,
    },
    Key, Part, Section,
};

pub(in crate::config) const SECTION: Section = Section {
    name: "network",
    many: true,
    meaning: "A bridge domain: one Ethernet. Its local ports name it, its tunnels are listed here.",
    parts: &[Part { meaning: "", keys: KEYS, values: &[("tunnels", "[\"to-b\", \"to-c\", \"to-d\"]")] }],
};

pub(in crate::config) const VNI: Key = Key::number("vni", "", 0, wire::Vni::MAX.get() as i64)
    .example("4096")
    .meaning("The VXLAN network identifier; no two networks have the same.");

pub(in crate::config) const NETWORK_MTU: Key = Key::number("mtu", "octets", MTU_MIN as i64, MTU_MAX as i64)
    .or("what its ways out leave, else what each port says")
    .example("1400")
    .meaning(
        "Longest packet of its ports, where that should be less than tunnels and bridged uplinks leave, or where there are \
         none. Its ports get it; `millrace show mtu` says where each value comes from.",
    );

const MSS_CLAMP: Key = Key::flag("mss_clamp").or_text("false").meaning(
    "Whether the maximum segment size with which connections of TCP begin is lowered, both ways, to what passes between any \
     two members (`millrace show mtu`): then even those keep their packets short that take their own MTU for everybody's, and \
     whom no ICMP reaches.",
);

pub(in crate::config) const NETWORK_MACS_MAX: Key = Key::number("macs_max", "entries per worker", 1, tables::MACS_MAX)
    .or_number(network::MACS_DEFAULT as i64)
    .meaning("MACs of this network that the FDB may hold, so that no tenant fills it; the rest is flooded to.");

pub(in crate::config) const AGE_S: Key = Key::number("age_s", "seconds", 1, 1_000_000)
    .or_number(network::AGE_S_DEFAULT as i64)
    .meaning("A learned MAC that has been silent for so long is forgotten.");

pub(in crate::config) const FLOW_KEY: Key = Key::words("flow_key", &["mac", "five-tuple"]).or_text("\"mac\"").meaning(
    "What tells one flow from another in `millrace show flows`, with frames and octets of each. \"mac\": who sends to whom. \
     \"five-tuple\": each connection by itself, by IP addresses, protocol and ports; ICMP by type and code, the fragments \
     of two hosts' packets as one flow, what is not IP by its MACs. It costs about a sixth more of a worker's time, and \
     `flows_max` of [tables] should hold all connections at a time: what finds no room is decided about packet by packet.",
);

const KEYS: &[Key] = &[
    Key::other("name", "1 to 32 of a-z, 0-9 and `-`, not beginning with `-`")
        .example("\"blue\"")
        .meaning("What ports and `millrace show networks` call it."),
    VNI,
    NETWORK_MTU,
    MSS_CLAMP,
    NETWORK_MACS_MAX,
    AGE_S,
    FLOW_KEY,
    Key::other("tunnels", "a list of [[tunnel]] names")
        .or_text("[]")
        .example("[\"to-b\"]")
        .meaning("The tunnels that carry it. Several networks can share a tunnel."),
    Key::other("static", "a list of { mac, and port or tunnel }")
        .or_text("[]")
        .example("[{ mac = \"02:00:00:00:00:07\", port = \"a1\" }]")
        .meaning("MACs whose place is known beforehand: never learned elsewhere, never forgotten.")
        .entries(&[
            Key::other("mac", "a unicast MAC").example("\"02:00:00:00:00:07\"").meaning("The MAC."),
            Key::other("port", "the name of a [[port]]")
                .or("`tunnel` counts")
                .example("\"a1\"")
                .meaning("It is behind that port of this network."),
            Key::other("tunnel", "the name of a [[tunnel]]")
                .or("`port` counts")
                .example("\"to-b\"")
                .meaning("Or it is behind the VTEP at the end of that tunnel."),
        ]),
];
