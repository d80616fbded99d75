//! Who was found to send VXLAN lately: a small cache in front of the VTEP table, for senders talk in bursts.

use table::MemberId;
use wire::{OuterEnds, Vni};

use crate::{PortId, VtepKey};

/// Plain senders remembered; each has one place.
const PLACES: usize = 64;

/// Holds for one snapshot.
pub(crate) struct Senders {
    generation: u64,
    /// The previous sender that was looked up: who it is, whether it left the UDP checksum out over IPv6, in which network,
    /// as which member.
    pub(super) last: Option<(VtepKey, bool, Vni, MemberId)>,
    /// Senders whose outer headers are plain, by those.
    plain: [Option<Plain>; PLACES],
}

#[derive(Clone, Copy)]
struct Plain {
    uplink: PortId,
    ends: OuterEnds,
    member: MemberId,
}

impl Senders {
    pub(crate) fn new() -> Senders {
        Senders { generation: 0, last: None, plain: [None; PLACES] }
    }

    /// Forgets what was found out under another snapshot than that of `generation`.
    #[inline]
    pub(crate) fn hold_for(&mut self, generation: u64) {
        if self.generation != generation {
            *self = Senders { generation, ..Senders::new() };
        }
    }

    /// The member that sends packets with these ends by `uplink`, if that was found out.
    #[inline(always)]
    pub(super) fn find(&self, uplink: PortId, ends: OuterEnds) -> Option<MemberId> {
        let plain = self.plain[ends.mix() % PLACES].as_ref()?;
        (plain.uplink == uplink && plain.ends == ends).then_some(plain.member)
    }

    /// Remembers what was found out about an untagged packet for an uplink whose underlay is in no VLAN.
    #[inline(never)]
    pub(crate) fn remember(&mut self, uplink: PortId, packet: &[u8], member: MemberId) {
        if let Some(outer) = wire::parse_plain_outer(packet) {
            self.plain[outer.ends.mix() % PLACES] = Some(Plain { uplink, ends: outer.ends, member });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Dscp, Mac, OuterParams, OuterTemplate, parse_plain_outer};

    fn packet(vni: u32) -> Vec<u8> {
        let [src, dst] = [[192, 0, 2, 1], [192, 0, 2, 2]].map(std::net::IpAddr::from);
        let (dst_mac, src_mac) = (Mac::new([2, 0, 0, 0, 0, 1]), Mac::new([2, 0, 0, 0, 0, 2]));
        let (vni, dscp) = (Vni::new(vni).unwrap(), Dscp::Fixed(0));
        let params =
            OuterParams { dst_mac, src_mac, src, dst, udp_dst: 4789, ttl: 64, dscp, df: true, checksum: false, vni };
        let mut frame = vec![0; 128];
        assert!(OuterTemplate::new(&params).unwrap().write(&mut frame, 50_000, 0, 0));
        frame
    }

    #[test]
    fn a_sender_is_known_by_its_uplink_and_network_until_the_snapshot_changes() {
        let ends = |packet: &[u8]| parse_plain_outer(packet).unwrap().ends;
        let (blue, red) = (packet(1), packet(2));
        let mut senders = Senders::new();
        senders.hold_for(5);
        senders.remember(PortId(3), &blue, MemberId(7));
        assert_eq!(senders.find(PortId(3), ends(&blue)), Some(MemberId(7)));
        assert_eq!(senders.find(PortId(4), ends(&blue)), None, "another uplink");
        assert_eq!(senders.find(PortId(3), ends(&red)), None, "another network");
        senders.hold_for(5);
        assert_eq!(senders.find(PortId(3), ends(&blue)), Some(MemberId(7)));
        senders.hold_for(6);
        assert_eq!(senders.find(PortId(3), ends(&blue)), None, "what a new snapshot says is not known yet");
    }
}
