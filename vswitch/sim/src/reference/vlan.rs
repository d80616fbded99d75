//! VLAN tags on the way in and out.

use datapath::{Cause, DropReason, Vlans};
use table::MemberId;
use wire::{Parsed, vlan::VlanId};

/// A frame behind the tag that said where it belongs.
pub(super) struct Untagged {
    pub(super) vlan: Option<VlanId>,
    pub(super) member: Option<MemberId>,
    pub(super) data: Vec<u8>,
    pub(super) headers: Parsed,
}

/// Takes the outermost tag off, where the port looks at tags and there is one.
pub(super) fn untag(vlans: &Vlans, bytes: &[u8], headers: Parsed) -> Result<Untagged, DropReason> {
    if vlans.transparent || headers.tags == 0 {
        return Ok(Untagged { vlan: None, member: vlans.untagged, data: bytes.to_vec(), headers });
    }
    let id = u16::from_be_bytes([bytes[14], bytes[15]]) & 0x0fff;
    if id == 0x0fff {
        return Err(Cause::VlanRefused.into());
    }
    let vlan = VlanId::new(id);
    let listed = vlans.tagged.iter().find(|(of, _)| Some(*of) == vlan).map(|&(_, member)| member);
    // A tag of VLAN 0 says a priority and no VLAN (IEEE 802.1Q-2018, 6.9.1).
    let member = if id == 0 { vlans.untagged } else { listed };
    let data = [&bytes[..12], &bytes[16..]].concat();
    let headers = wire::parse(&data)?;
    Ok(Untagged { vlan, member, data, headers })
}

/// Puts a tag on, where there is one to put on.
pub(super) fn tag(vlan: Option<VlanId>, frame: Vec<u8>) -> Vec<u8> {
    let Some(vlan) = vlan else { return frame };
    [&frame[..12], &[0x81, 0x00], &vlan.get().to_be_bytes(), &frame[12..]].concat()
}
