//! Whether two objects are the same but for their generation.
//!
//! Taken apart field by field, so that the compiler asks here about every field that is added.

use datapath::{Member, MemberKind, Network, PortSpec, Role};

pub(super) fn ports(a: &PortSpec, b: &PortSpec) -> bool {
    let PortSpec { generation: _, role, vlans, frame_max, storm_max, workers } = a;
    let is_same_role = match (role, &b.role) {
        (Role::Access { guard }, Role::Access { guard: other }) => guard == other,
        (Role::Uplink { mac, addresses, vlan }, Role::Uplink { mac: mac_b, addresses: addresses_b, vlan: vlan_b }) => {
            (mac, addresses, vlan) == (mac_b, addresses_b, vlan_b)
        }
        (Role::Access { .. } | Role::Uplink { .. }, _) => false,
    };
    is_same_role && (vlans, frame_max, storm_max, workers) == (&b.vlans, &b.frame_max, &b.storm_max, &b.workers)
}

/// Its own values: who is a member does not count, and no decision rests on what TCP is told.
pub(super) fn networks(a: &Network, b: &Network) -> bool {
    let Network { generation: _, vni, macs_max, age_ticks, profile, tcp_mtu: _, members: _, statics } = a;
    (vni, macs_max, age_ticks, profile, statics) == (&b.vni, &b.macs_max, &b.age_ticks, &b.profile, &b.statics)
}

pub(super) fn members(a: &Member, b: &Member) -> bool {
    let Member { generation: _, network, kind } = a;
    let is_same_kind = match (kind, &b.kind) {
        (MemberKind::Local { port, vlan }, MemberKind::Local { port: other, vlan: other_vlan }) => {
            (port, vlan) == (other, other_vlan)
        }
        // No decision rests on the paths: a link that fails makes nobody decide anew.
        (MemberKind::Vtep { paths: _ }, MemberKind::Vtep { paths: _ }) => true,
        (MemberKind::Local { .. } | MemberKind::Vtep { .. }, _) => false,
    };
    is_same_kind && *network == b.network
}
