//! `[[tunnel]]`

use super::{super::tunnel, Key, Part, Section};

pub(in crate::config) const SECTION: Section = Section {
    name: "tunnel",
    many: true,
    meaning: "A way to another VTEP, over IPv4 or IPv6. VXLAN takes 50 octets of the uplink's MTU over IPv4, 70 over IPv6; \
              the containers' MTU is what is left.",
    parts: &[
        Part { meaning: "Over IPv4.", keys: KEYS, values: &[("uplink", "\"up0\"")] },
        Part {
            meaning: "Over IPv6. The UDP checksum is mandatory there, unless both ends agree to leave it out.",
            keys: KEYS6,
            values: &[("name", "\"to-c\""), ("uplink", "\"up0\""), ("remote", "\"2001:db8::3\"")],
        },
        Part {
            meaning: "Over two uplinks, with a next hop of its own on each. Packets from the other end are taken by all of them.",
            keys: KEYS_UPLINKS,
            values: &[("name", "\"to-d\""), ("remote", "\"192.0.2.4\""), ("uplinks", "[\"up0\", \"up1\"]")],
        },
    ],
};

pub(in crate::config) const UDP_PORT: Key = Key::number("port", "", 1, 65_535)
    .or_number(tunnel::VXLAN_PORT as i64)
    .meaning("UDP destination port, sent and listened on. Linux's own default, and Flannel's, is 8472.");

pub(in crate::config) const TTL: Key = Key::number("ttl", "hops", 1, 255)
    .or_number(tunnel::TTL_DEFAULT as i64)
    .meaning("TTL or hop limit of outer packets.");

const NAME: Key = Key::other("name", "1 to 32 of a-z, 0-9 and `-`, not beginning with `-`")
    .example("\"to-b\"")
    .meaning("What networks and `millrace show tunnels` call it.");

const UPLINK: Key = Key::other("uplink", "the name of a [[port]] with role = \"uplink\"")
    .or("`uplinks` counts")
    .example("\"up0\"")
    .meaning("The port its packets leave and come in by.");

pub(in crate::config) const MULTIPATH: Key =
    Key::words("multipath", &["active-backup", "ecmp"]).or_text("\"active-backup\"").meaning(
        "How `uplinks` are used. \"active-backup\": all packets take the first whose link is up and whose next hop is known. \
         \"ecmp\": flows are spread over all of these, by their outer source port.",
    );

const REMOTE: Key = Key::other("remote", "an address")
    .example("\"192.0.2.2\"")
    .meaning("The other VTEP. It must be on-link, or behind a gateway.");

const KEYS: &[Key] = &[
    NAME,
    UPLINK,
    REMOTE,
    Key::other("local", "an address of the uplink")
        .or_text("\"192.0.2.1\"")
        .meaning(
            "Our own end. The default is the uplink's first address of the remote's family; of several uplinks the first \
             that all of them have, else of each its own.",
        ),
    UDP_PORT,
    TTL,
    Key::flag("df").or_text("true").meaning("Whether outer IPv4 packets may not be fragmented on the way."),
    Key::flag("checksum").or_text("false").meaning(
        "Whether outer packets have a UDP checksum. Over IPv6 the default is true, and false needs `udp6_zero_checksum_tx`.",
    ),
    Key::other("dscp", "0 to 63, or \"inherit\"").or_text("\"inherit\"").example("46").meaning(
        "Code point of outer packets; \"inherit\" is the inner packet's. Set a number where guests are not trusted to \
         choose their class. ECN always passes through (RFC 6040).",
    ),
    Key::other("next_hop_mac", "a unicast MAC")
        .or("asked for by ARP or neighbour discovery")
        .example("\"02:00:00:00:00:02\"")
        .meaning("The MAC of the remote or of the gateway on the way to it, where nobody answers for it."),
];

const KEYS6: &[Key] = &[
    NAME,
    UPLINK,
    REMOTE,
    Key::flag("udp6_zero_checksum_tx")
        .or_text("false")
        .meaning("Sends packets over IPv6 without a checksum, where the other VTEP takes them (RFC 6935)."),
    Key::flag("udp6_zero_checksum_rx")
        .or_text("false")
        .meaning("Takes packets over IPv6 without a checksum (RFC 6935). Over IPv4 they are always taken."),
];

const KEYS_UPLINKS: &[Key] = &[
    NAME,
    REMOTE,
    Key::other("uplinks", "a list of 1 to 8 [[port]] names").or("`uplink` counts").example("[\"up0\", \"up1\"]").meaning(
        "The ports its packets leave by, the preferred one first. An address that all have, as a host route (/32, /128), is \
         the way to one VTEP on several links.",
    ),
    MULTIPATH,
];
