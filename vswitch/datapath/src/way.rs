//! Where frames leave towards each member, as the hit loop wants to know it: a few octets a member, made of the snapshot
//! when it is installed, so that most frames cost one look and not a walk from member to port.

use table::MemberId;

use crate::{Member, MemberKind, PortId, Snapshot};

/// The way to one member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(align(8))]
pub(crate) struct Way {
    /// What is to be done on it.
    pub(crate) kind: WayKind,
    /// The port at its end.
    pub(crate) port: PortId,
    /// Octets of the longest frame, before anything is put in front of it, for which this is true; for longer ones, and
    /// where this is 0, [`Snapshot`] says what becomes of them.
    pub(crate) frame_max: u16,
}

impl Way {
    /// One for no frame.
    const NONE: Way = Way { kind: WayKind::Bare, port: PortId(0), frame_max: 0 };
}

/// What is done to a frame on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WayKind {
    /// Nothing.
    #[default]
    Bare,
    /// It gets an outer header, by the only path of its member.
    Tunnel,
}

/// By [`MemberId`].
pub(crate) struct Ways(Vec<Way>);

impl Ways {
    /// None yet; a place for every member there can be, made once: installing a snapshot allocates nothing.
    pub(crate) fn new(members_max: usize) -> Ways {
        Ways(vec![Way::default(); members_max])
    }

    /// The way to a member; one for no frame where there is none, or none that is simple.
    #[inline(always)]
    pub(crate) fn to(&self, member: MemberId) -> &Way {
        self.0.get(member.index()).unwrap_or(&Way::NONE)
    }

    /// Makes the ways of `new`; those of `old`, which was in force, go.
    pub(crate) fn install(&mut self, old: &Snapshot, new: &Snapshot) {
        let members = old.members.len().max(new.members.len());
        for (place, way) in self.0.iter_mut().enumerate().take(members) {
            let member = new.member(MemberId(place as u32));
            *way = member.and_then(|member| simple(member, new)).unwrap_or_default();
        }
    }
}

/// The way to a member, where no tag is put on and no choice is left.
fn simple(member: &Member, snapshot: &Snapshot) -> Option<Way> {
    match &member.kind {
        MemberKind::Local { port, vlan: None } => {
            let frame_max = snapshot.port(*port)?.frame_max;
            Some(Way { kind: WayKind::Bare, port: *port, frame_max })
        }
        MemberKind::Local { .. } => None,
        MemberKind::Vtep { paths } => {
            let path = paths.only()?;
            let is_tagged = snapshot.port(path.uplink)?.own_vlan().is_some();
            let frame_max = path.frame_max.checked_sub(path.outer.len() as u16)?;
            (!is_tagged).then_some(Way { kind: WayKind::Tunnel, port: path.uplink, frame_max })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Cause, Guard, Path, Paths, PortSpec, Role, Vlans, path::tests::path};
    use table::NetworkId;
    use wire::vlan::VlanId;

    fn port(frame_max: u16) -> Option<PortSpec> {
        let role = Role::Access { guard: Guard::default() };
        Some(PortSpec { generation: 1, role, vlans: Vlans::default(), frame_max, storm_max: None, workers: Vec::new() })
    }

    fn snapshot(kinds: impl IntoIterator<Item = MemberKind>) -> Snapshot {
        let member = |kind| Some(Member { generation: 1, network: NetworkId(0), kind });
        let ports = vec![port(1514), port(1514), port(1514)];
        Snapshot { generation: 1, ports, members: kinds.into_iter().map(member).collect(), ..Snapshot::default() }
    }

    #[test]
    fn ways_are_simple_where_no_tag_is_put_on_and_no_choice_is_left() {
        let narrow = Path { frame_max: 30, ..path(2) };
        let local = |port: u16, vlan| MemberKind::Local { port: PortId(port), vlan };
        let remote = |uplinks: &[u16]| MemberKind::Vtep {
            paths: Paths::spread(uplinks.iter().map(|&u| path(u)).collect(), Cause::NoUplink),
        };
        let new = snapshot([
            local(1, None),
            local(1, VlanId::new(7)),
            local(9, None),
            remote(&[0]),
            remote(&[0, 1]),
            remote(&[]),
            MemberKind::Vtep { paths: Paths::One(narrow) },
        ]);
        let mut ways = Ways::new(16);
        ways.install(&Snapshot::default(), &new);
        let found = [0, 1, 2, 3, 4, 5, 6, 7, 999].map(|member| *ways.to(MemberId(member)));
        let bare = Way { kind: WayKind::Bare, port: PortId(1), frame_max: 1514 };
        let tunnel = Way { kind: WayKind::Tunnel, port: PortId(0), frame_max: 1514 - 50 };
        let none = Way::default();
        assert_eq!(found, [bare, none, none, tunnel, none, none, none, none, none]);
        ways.install(&new, &snapshot([]));
        assert_eq!([0, 3].map(|member| *ways.to(MemberId(member))), [none, none], "members that have gone");
    }
}
