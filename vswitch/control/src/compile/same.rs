//! Whether two objects are the same but for their generation.
//!
//! Taken apart field by field, so that the compiler asks here about every field that is added.

use datapath::{Member, MemberKind, Network, PortSpec, Role};

pub(super) fn ports(a: &PortSpec, b: &PortSpec) -> bool {
    let PortSpec { generation: _, role, frame_max, workers } = a;
    let is_same_role = match (role, &b.role) {
        (Role::Access { member, guard }, Role::Access { member: other, guard: other_guard }) => {
            (member, guard) == (other, other_guard)
        }
        (Role::Uplink { mac, addresses }, Role::Uplink { mac: other, addresses: other_addresses }) => {
            (mac, addresses) == (other, other_addresses)
        }
        (Role::Access { .. } | Role::Uplink { .. }, _) => false,
    };
    is_same_role && (frame_max, workers) == (&b.frame_max, &b.workers)
}

/// Its own values: who is a member does not count.
pub(super) fn networks(a: &Network, b: &Network) -> bool {
    let Network { generation: _, vni, macs_max, age_ticks, members: _, statics } = a;
    (vni, macs_max, age_ticks, statics) == (&b.vni, &b.macs_max, &b.age_ticks, &b.statics)
}

pub(super) fn members(a: &Member, b: &Member) -> bool {
    let Member { generation: _, network, kind } = a;
    let is_same_kind = match (kind, &b.kind) {
        (MemberKind::Local { port }, MemberKind::Local { port: other }) => port == other,
        (MemberKind::Vtep { uplink, outer }, MemberKind::Vtep { uplink: other, outer: other_outer }) => {
            (uplink, outer) == (other, other_outer)
        }
        (MemberKind::Local { .. } | MemberKind::Vtep { .. }, _) => false,
    };
    is_same_kind && *network == b.network
}
