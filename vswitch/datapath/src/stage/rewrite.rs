//! rewrite: gives the frame the shape in which it leaves.

use frame::Frame;

use crate::{
    Cause, Member, MemberKind, Path, Paths, PortId,
    batch::Meta,
    brain::Brain,
    feature::{ecn, gso, vlan, vxlan},
    way::WayKind,
};
use table::MemberId;

/// Takes the outer header the frame came in with off, so that it starts with the Ethernet header `meta` describes. What
/// congestion the outer header told of is told by the inner one then.
#[inline]
pub(crate) fn strip(frame: &mut Frame, meta: &Meta) {
    strip_plain(frame, meta);
    ecn::mark(frame, meta);
}

/// The same for a packet that gets no mark.
#[inline(always)]
fn strip_plain(frame: &mut Frame, meta: &Meta) {
    if meta.outer_len > 0 {
        let fits = frame.narrow(meta.outer_len, meta.inner_len);
        debug_assert!(fits, "parse found both lengths inside the frame");
    }
}

/// Makes a plain packet ready for `egress`, to which there is a way of this kind and nothing else to be done.
#[inline(always)]
pub(crate) fn plain(
    kind: WayKind,
    egress: MemberId,
    frame: &mut Frame,
    meta: &Meta,
    brain: &mut Brain,
) -> Result<(), Cause> {
    strip_plain(frame, meta);
    match kind {
        WayKind::Bare => Ok(()),
        WayKind::Tunnel => {
            let Some(path) = brain.snapshot.member(egress).and_then(Member::only_path) else {
                return Err(Cause::PortUnknown);
            };
            brain.ip_id = brain.ip_id.wrapping_add(1);
            vxlan::send_plain(frame, &path.outer, brain.ip_id)
        }
    }
}

/// Makes a stripped frame ready for `egress` and says by which port it leaves.
#[inline(always)]
pub(crate) fn towards(egress: MemberId, frame: &mut Frame, meta: &Meta, brain: &mut Brain) -> Result<PortId, Cause> {
    let way = brain.ways.to(egress);
    if frame.len() <= usize::from(way.frame_max) && !frame.is_unfinished() {
        match way.kind {
            WayKind::Bare => return Ok(way.port),
            WayKind::Tunnel => {
                if let Some(MemberKind::Vtep { paths: Paths::One(path) }) =
                    brain.snapshot.member(egress).map(|m| &m.kind)
                {
                    brain.ip_id = brain.ip_id.wrapping_add(1);
                    return vxlan::send(frame, meta, &path.outer, brain.ip_id).map(|()| way.port);
                }
            }
        }
    }
    towards_any(egress, frame, meta, brain)
}

/// The same for frames whose way is not a simple one, which are too long for it, or have work left.
#[inline(never)]
fn towards_any(egress: MemberId, frame: &mut Frame, meta: &Meta, brain: &mut Brain) -> Result<PortId, Cause> {
    let Some(member) = brain.snapshot.member(egress) else { return Err(Cause::PortUnknown) };
    let octets = gso::longest(frame, meta);
    match &member.kind {
        MemberKind::Local { port, vlan } => {
            let spec = brain.snapshot.port(*port).ok_or(Cause::PortUnknown)?;
            if !vlan::fits(octets, meta.headers.tags, spec) {
                return Err(Cause::MtuExceeded);
            }
            vlan::push(frame, *vlan)?;
            Ok(*port)
        }
        MemberKind::Vtep { paths } => {
            let source_port = vxlan::source_port_of(frame, meta);
            let Path { uplink, outer, frame_max } = paths.of(source_port)?;
            let spec = brain.snapshot.port(*uplink).ok_or(Cause::PortUnknown)?;
            brain.ip_id = brain.ip_id.wrapping_add(1);
            if octets + outer.len() > usize::from(*frame_max) {
                return Err(Cause::MtuExceededUnderlay);
            }
            let inner = frame.len();
            vxlan::send(frame, meta, outer, brain.ip_id)?;
            vlan::push(frame, spec.own_vlan())?;
            if frame.is_unfinished() {
                frame.set_outer_len((frame.len() - inner) as u8);
            }
            Ok(*uplink)
        }
    }
}
