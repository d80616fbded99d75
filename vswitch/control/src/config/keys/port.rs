//! `[[port]]`

use datapath::WORKERS_MAX;
use wire::vlan::VlanId;

use super::{
    super::mtu::{MTU_DEFAULT, MTU_MAX, MTU_MIN},
    Change::Reopen,
    Key, Part, Section,
};

pub(in crate::config) const SECTION: Section = Section {
    name: "port",
    many: true,
    meaning: "A way in and out. An uplink has the underlay behind it, an access port a container or VM.",
    parts: &[
        Part {
            meaning: "An uplink on a device that DPDK drives. Keys that no other comment restricts are those of any port.",
            keys: UPLINK,
            values: &[
                ("name", "\"up0\""),
                ("kind", "\"eth\""),
                ("device", "\"net_af_packet0,iface=ul0\""),
                ("role", "\"uplink\""),
                ("addresses", "[\"192.0.2.1/24\", \"2001:db8::1/64\"]"),
            ],
        },
        Part {
            meaning: "A second uplink.",
            keys: SECOND_UPLINK,
            values: &[
                ("name", "\"up1\""),
                ("kind", "\"eth\""),
                ("device", "\"net_af_packet1,iface=ul1\""),
                ("role", "\"uplink\""),
                ("addresses", "[\"198.51.100.1/24\"]"),
                ("gateway", "\"198.51.100.254\""),
            ],
        },
        Part {
            meaning: "An uplink that the node's own kernel forwards: plug its interface into a bridge with the node's NIC, or route \
                      to it. Super-frames leave in tunnels as they are, where the kernel is 6.17 or later.",
            keys: TAP_UPLINK,
            values: &[
                ("name", "\"up2\""),
                ("kind", "\"tap\""),
                ("role", "\"uplink\""),
                ("interface", "\"mr-up2\""),
                ("addresses", "[\"203.0.113.1/24\"]"),
                ("mac", "\"02:00:00:00:02:01\""),
            ],
        },
        Part {
            meaning: "An access port on a TAP interface. One on a DPDK device has `device` in place of `netns` and \
                      `interface`, which are of TAPs only.",
            keys: ACCESS,
            values: &[
                ("name", "\"a1\""),
                ("kind", "\"tap\""),
                ("netns", "\"pod-1\""),
                ("interface", "\"eth0\""),
                ("addresses", "[\"10.244.0.1/24\"]"),
                ("network", "\"blue\""),
            ],
        },
        Part {
            meaning: "An access port of kind \"vhost-user\": what has no `device`, `netns` or `interface` of those above, but a \
                      socket.",
            keys: VHOST_USER,
            values: &[("name", "\"vm1\""), ("kind", "\"vhost-user\""), ("network", "\"blue\"")],
        },
    ],
};

const NAME: Key = Key::other("name", "1 to 32 of a-z, 0-9 and `-`, not beginning with `-`")
    .example("\"up0\"")
    .meaning("What other sections and `millrace show ports` call it.");

pub(in crate::config) const KIND: Key = Key::words("kind", &["eth", "tap", "vhost-user"])
    .example("\"eth\"")
    .change(Reopen)
    .meaning(
        "\"eth\" is a device that DPDK drives, \"tap\" an interface of the kernel, made in a network namespace, \"vhost-user\" \
         the virtio device of a VM or of a DPDK container.",
    );

pub(in crate::config) const MODE: Key = Key::words("mode", &["client", "server"])
    .or_text("\"client\"")
    .change(Reopen)
    .meaning(
        "Who listens on the socket: with \"client\" the guest, and both sides may be restarted; with \"server\" the switch.",
    );

pub(in crate::config) const ROLE: Key = Key::words("role", &["uplink", "access"])
    .or_text("\"access\"")
    .example("\"uplink\"")
    .change(Reopen)
    .meaning("What it is for. It must be said of uplinks only.");

pub(in crate::config) const MTU: Key = Key::number("mtu", "octets", MTU_MIN as i64, MTU_MAX as i64)
    .or_number(MTU_DEFAULT as i64)
    .change(Reopen)
    .meaning(
        "Longest packet behind an Ethernet header; tags do not count, and 1280 at least are needed for IPv6. The default \
         of an access port is what its network leaves: `millrace show mtu`. Only an `eth` port is opened anew for another; \
         a guest that is connected keeps what it was told.",
    );

pub(in crate::config) const QUEUES: Key = Key::number("queues", "queue pairs", 1, WORKERS_MAX as i64)
    .or("as many as `workers` names, else 1")
    .example("2")
    .change(Reopen)
    .meaning(
        "A worker holds one queue pair of a port at most. Of a container whose TAP has several, the kernel spreads the \
         flows: what it sends comes by the queue pair by which its peer's packets went to it.",
    );

pub(in crate::config) const RX_DESCRIPTORS: Key = Key::number("rx_descriptors", "descriptors", 32, 32_768)
    .or("what the driver prefers, at most 512")
    .example("1024")
    .change(Reopen)
    .meaning(
        "Frames that each rx queue of an `eth` port holds while no worker comes by. More outlasts longer pauses, and \
         takes as many buffers more. The device rounds it: `millrace show ports --detail`.",
    );

pub(in crate::config) const TX_DESCRIPTORS: Key = Key::number("tx_descriptors", "descriptors", 32, 32_768)
    .or("what the driver prefers, at most 512")
    .example("1024")
    .change(Reopen)
    .meaning("The same of each tx queue.");

pub(in crate::config) const STORM_MAX: Key = Key::number("storm_max", "frames a second", 1, u32::MAX as i64)
    .or("no limit")
    .example("1000")
    .meaning("Broadcast, multicast and unknown unicast that may be flooded from here.");

const OFFLOADS: Key = Key::flag("offloads").or_text("true").change(Reopen).meaning(
    "Whether a container or VM leaves checksums, and packets of up to 64 KiB that are to be cut into segments, to the switch, \
     which passes them on as they are, or finishes them where the other end takes no such. It makes one TCP stream several \
     times as fast. Of kind \"eth\" it is false by default: true leaves them to the device as far as its driver offers it. \
     A NIC that can send to itself is tried first, any other believed. `millrace show ports --detail` tells what has come of \
     it, and what the other side has of it.",
);

pub(in crate::config) const VLAN: Key = Key::number("vlan", "", 1, VlanId::MAX as i64)
    .or("untagged")
    .example("100")
    .meaning("Uplinks only: the VLAN that the node's own traffic, tunnels included, is in.");

const ADDRESSES: Key = Key::other("addresses", "a list of addresses with prefix lengths")
    .or_text("[]")
    .example("[\"192.0.2.1/24\"]")
    .meaning(
        "Of an uplink: the node's own, which answer ARP, neighbour solicitations and ping, 8 at most. Of an access \
         port: the guest's, which are set on a TAP's interface, and all it may send from (`anti_spoof`).",
    );

const DEVICE: Key = Key::other("device", "a PCI address, or a virtual device with its arguments")
    .or("only where kind = \"tap\"")
    .example("\"0000:3b:02.1\"")
    .change(Reopen)
    .meaning("What DPDK drives: as in \"0000:3b:02.1\", or, taken from the kernel, \"net_af_packet0,iface=eth1\".");

const GATEWAY: Key = Key::other("gateway", "an address in one of the port's prefixes")
    .or("what is not on-link cannot be reached")
    .example("\"192.0.2.254\"")
    .meaning("Uplinks only: the IPv4 router.");

const MAC: Key = Key::other("mac", "a unicast MAC")
    .or("the device's own; required of an uplink that is a TAP")
    .example("\"02:00:00:00:01:01\"")
    .meaning("Of an uplink the node's own, of an access port the guest's. A TAP is opened anew for another one.");

const INTERFACE: Key = Key::other("interface", "1 to 15 octets without `/`, `:`, `%` and spaces")
    .or("the port's name")
    .example("\"eth0\"")
    .change(Reopen)
    .meaning("Its name there.");

const TAP_UPLINK: &[Key] = &[NAME, KIND, ROLE, INTERFACE, MAC, ADDRESSES];

const SECOND_UPLINK: &[Key] = &[NAME, KIND, DEVICE, ROLE, ADDRESSES, GATEWAY];

const NETWORK: Key = Key::other("network", "the name of a [[network]]")
    .or("no untagged frames")
    .example("\"blue\"")
    .meaning("The bridge domain of untagged frames. An access port has this, or `trunk`, or both; an uplink may.");

const UPLINK: &[Key] = &[
    NAME,
    KIND,
    DEVICE,
    ROLE,
    ADDRESSES,
    GATEWAY,
    Key::other("gateway6", "an address in one of the port's prefixes, or link-local")
        .or("what is not on-link cannot be reached")
        .example("\"fe80::1\"")
        .meaning("Uplinks only: the IPv6 router."),
    VLAN,
    MAC,
    MTU,
    QUEUES,
    Key::other("workers", "a list of worker numbers, one for each queue")
        .or("control spreads the queues")
        .example("[0, 1]")
        .meaning("The worker that holds each queue, counted from 0 in the order of [workers]. The first is the port's home."),
    RX_DESCRIPTORS,
    TX_DESCRIPTORS,
    Key::other("trunk", "a list of { vlan, network }")
        .or("no VLANs")
        .example("[{ vlan = 10, network = \"blue\" }]")
        .change(Reopen)
        .meaning(
            "Which network is behind each VLAN. Tags come off on receipt and go on when sending. On an uplink it bridges \
             networks to the physical network without a tunnel, and the first or last one reopens it. An access port without it \
             passes tags through unseen.",
        )
        .entries(&[
            Key { example: "10", meaning: "The tag.", ..VLAN_OF_TRUNK },
            Key::other("network", "the name of a [[network]]").example("\"blue\"").meaning("What is behind it."),
        ]),
    STORM_MAX,
];

const VLAN_OF_TRUNK: Key = Key::number("vlan", "", 1, VlanId::MAX as i64);

const ACCESS: &[Key] = &[
    NAME,
    KIND,
    ROLE,
    Key::other("netns", "a name under /run/netns, or an absolute path")
        .or("the namespace the switch runs in")
        .example("\"pod-1\"")
        .change(Reopen)
        .meaning("The network namespace that the interface is made in."),
    INTERFACE,
    ADDRESSES,
    NETWORK,
    OFFLOADS,
    Key::flag("anti_spoof").or_text("true").meaning(
        "Access ports only: whether frames must come from its `mac` and `addresses`, or what is allowed beside. The \
         default is false where none of these keys is given.",
    ),
    Key::other("allow", "a list of addresses, 256 at most")
        .or_text("[]")
        .example("[\"10.0.0.9\"]")
        .meaning("Access ports only: further addresses it may send from."),
    Key::other("allow_macs", "a list of MACs, 256 at most")
        .or_text("[]")
        .example("[\"02:00:00:00:00:09\"]")
        .meaning("Access ports only: further MACs it may send from."),
];

const VHOST_USER: &[Key] = &[
    NAME,
    KIND,
    ROLE,
    Key::other("socket", "a name in `vhost_dir` of [switch], or an absolute path")
        .or("the port's name and \".sock\"")
        .example("\"/run/qemu/vm1.sock\"")
        .change(Reopen)
        .meaning(
            "The socket on which the guest's front end and the switch meet. With an absolute path, its folder must not be one \
             that everybody may write to; /tmp will do where the switch listens, or with `socket_owner`.",
        ),
    MODE,
    Key::other("socket_owner", "a user name or uid")
        .or("the switch's own user; whoever listens")
        .example("\"libvirt-qemu\"")
        .change(Reopen)
        .meaning(
            "With mode = \"server\" the socket's owner. With \"client\" the user who has to be listening on it: another one is \
             quarantined.",
        ),
    Key::other("socket_group", "a group name or gid")
        .or("`vhost_group` of [switch], in `vhost_dir`")
        .example("\"kvm\"")
        .change(Reopen)
        .meaning("With mode = \"server\" the socket's group."),
    Key::other("socket_mode", "octal digits as of chmod(1), in quotes")
        .or("\"0660\" where it has a group, else \"0600\"")
        .example("\"0620\"")
        .change(Reopen)
        .meaning("With mode = \"server\" who may connect: who may write to the socket. Nobody can before it is set."),
    NETWORK,
];
