//! VLANs (IEEE 802.1Q): which member a frame belongs to by its tag, and the tag itself. It comes off before anything else
//! looks at the frame and goes on when everything else is done, so nobody in between knows of it.

use frame::Frame;
use table::MemberId;
use wire::{
    Malformed, Parsed, ethernet,
    vlan::{TAG_LEN, VlanId},
};

use crate::{Cause, DropReason, PortSpec, Vlans};

/// Octets of both addresses, in front of the tag.
const ADDRESSES: usize = ethernet::HEADER_LEN - 2;

/// Where a received frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The VLAN it was in.
    pub(crate) vlan: Option<VlanId>,
    /// The member it comes from, where a network is in that VLAN.
    pub(crate) member: Option<MemberId>,
}

/// Finds out where a frame belongs; takes the tag that said so off, and corrects `headers`.
#[inline]
pub(crate) fn receive(frame: &mut Frame, headers: &mut Parsed, vlans: &Vlans) -> Result<Place, DropReason> {
    if vlans.transparent || headers.tags == 0 {
        return Ok(Place { vlan: None, member: vlans.untagged });
    }
    receive_tagged(frame, headers, vlans)
}

fn receive_tagged(frame: &mut Frame, headers: &mut Parsed, vlans: &Vlans) -> Result<Place, DropReason> {
    let id = headers.outer_tag(frame.data()).ok_or(Malformed::VlanTruncated)?.id();
    // VID 0 is a priority tag: the frame belongs where untagged ones do (section 6.9.1).
    let vlan = VlanId::new(id);
    if vlan.is_none() && id != 0 {
        return Err(Cause::VlanRefused.into());
    }
    pop(frame);
    *headers = wire::parse(frame.data())?;
    Ok(Place { vlan, member: vlans.member(vlan) })
}

fn pop(frame: &mut Frame) {
    frame.data_mut().copy_within(..ADDRESSES, TAG_LEN);
    let is_there = frame.pull_front(TAG_LEN);
    debug_assert!(is_there, "a parsed tag is in the frame");
}

/// Puts a tag in front of what follows the addresses. An error leaves the frame as it was.
#[inline]
pub(crate) fn push(frame: &mut Frame, vlan: Option<VlanId>) -> Result<(), Cause> {
    let Some(vlan) = vlan else { return Ok(()) };
    let packet = frame.push_front(TAG_LEN).ok_or(Cause::NoHeadroom)?;
    packet.copy_within(TAG_LEN..TAG_LEN + ADDRESSES, 0);
    packet[ADDRESSES..ADDRESSES + 2].copy_from_slice(&ethernet::VLAN.to_be_bytes());
    packet[ADDRESSES + 2..ADDRESSES + TAG_LEN].copy_from_slice(&vlan.get().to_be_bytes());
    Ok(())
}

/// Whether a frame of `octets` with `tags` inside may leave by a port: tags do not count, as in Linux.
#[inline]
pub(crate) fn fits(octets: usize, tags: u8, spec: &PortSpec) -> bool {
    octets <= usize::from(spec.frame_max) + TAG_LEN * usize::from(tags)
}
