//! What an uplink lets in.

use std::net::IpAddr;

use super::ecn;
use datapath::{Cause, DropReason, NoMember, PortId, Snapshot, VtepKey};
use table::MemberId;
use wire::{L3, Mac, Parsed, protocol};

/// What an underlay packet is.
pub(super) enum Admitted {
    /// For the node itself.
    Host,
    /// A tunnelled frame.
    Inner {
        /// Who sent it.
        ingress: MemberId,
        /// The inner frame.
        data: Vec<u8>,
        /// Its headers.
        headers: Parsed,
    },
}

/// Says what an underlay packet is, or why it is not let in.
pub(super) fn admit(
    snapshot: &Snapshot,
    port: PortId,
    own: (Mac, &[IpAddr]),
    bytes: &[u8],
    headers: &Parsed,
) -> Result<Admitted, DropReason> {
    if headers.dst != own.0 && headers.dst.is_unicast() {
        return Err(Cause::UplinkOtherMac.into());
    }
    if headers.l3_kind == L3::Arp {
        return Ok(Admitted::Host);
    }
    let (_, dst) = headers.addresses(bytes).ok_or(Cause::UplinkProtocol)?;
    let is_group = !own.1.contains(&dst);
    if is_group && !is_own_group(dst, own.1) {
        return Err(Cause::UplinkOtherAddress.into());
    }
    if !is_group && !headers.dst.is_unicast() {
        return Err(Cause::UplinkOtherMac.into()); // for one host, but sent to all
    }
    match headers.protocol {
        protocol::ICMPV6 => {
            let wanted = match wire::icmpv6::neighbour(bytes, headers)? {
                // Solicitation and advertisement; the node obeys no router and no redirect.
                Some(message) => [135, 136].contains(&message.kind),
                None => !is_group,
            };
            if wanted { Ok(Admitted::Host) } else { Err(Cause::UplinkProtocol.into()) }
        }
        protocol::ICMP if !is_group => Ok(Admitted::Host),
        protocol::UDP if !is_group => decap(snapshot, port, bytes, headers),
        _ => Err(Cause::UplinkProtocol.into()),
    }
}

/// Whether a frame in a VLAN that the node shares with a network is the node's.
pub(super) fn is_for_node(own: (Mac, &[IpAddr]), bytes: &[u8], headers: &Parsed) -> bool {
    let asks_for = |target: IpAddr| own.1.contains(&target);
    let by_arp = headers.arp(bytes).is_some_and(|arp| asks_for(arp.target_ip.into()));
    let by_nd = matches!(wire::icmpv6::neighbour(bytes, headers), Ok(Some(message))
        if message.kind == 135 && message.target.is_some_and(|target| asks_for(target.into())));
    headers.dst == own.0 || by_arp || by_nd
}

/// All nodes (ff02::1) and the solicited-node group of each address (RFC 4291 section 2.7.1), for a node on IPv6.
fn is_own_group(group: IpAddr, own: &[IpAddr]) -> bool {
    let IpAddr::V6(group) = group else { return false };
    own.iter().any(|address| match address {
        IpAddr::V6(address) => {
            let [.., a, b] = address.segments();
            let solicited = [0xff02, 0, 0, 0, 0, 1, 0xff00 | a & 0xff, b];
            group.segments() == solicited || group.segments() == [0xff02, 0, 0, 0, 0, 0, 0, 1]
        }
        IpAddr::V4(_) => false,
    })
}

fn decap(snapshot: &Snapshot, port: PortId, bytes: &[u8], headers: &Parsed) -> Result<Admitted, DropReason> {
    if headers.ports(bytes).is_some_and(|(_, udp_port)| !snapshot.vteps.listens_on(udp_port)) {
        return Err(Cause::UplinkUdpPort.into());
    }
    let outer = wire::parse_outer(bytes, headers)?.ok_or(Cause::UplinkProtocol)?;
    let sender = VtepKey { uplink: port, local: outer.dst, remote: outer.src, udp_port: outer.udp_dst };
    let ingress = snapshot.vteps.find(sender, outer.vni).map_err(|why| match why {
        NoMember::UnknownVtep => Cause::UnknownVtep,
        NoMember::UnknownVni => Cause::UnknownVni,
    })?;
    // Over IPv6 only who is configured so may leave the checksum out (RFC 6935).
    let is_unsummed = outer.dst.is_ipv6() && bytes[usize::from(headers.l4) + 6..][..2] == [0, 0];
    if is_unsummed && !snapshot.vteps.allows_zero_checksum(sender) {
        return Err(Cause::OuterUdpZeroChecksum.into());
    }
    let data = bytes[outer.inner..outer.inner + outer.inner_len].to_vec();
    let headers = wire::parse(&data)?;
    let data = ecn::leave_tunnel(outer.tos, data, &headers)?;
    Ok(Admitted::Inner { ingress, data, headers })
}
