//! The snapshot most tests start from.
//!
//! Network 0 (VNI 7): access ports 1, 2 and 3 (members 1, 2, 3), a tunnel by uplink 0 (member 4) and another whose next
//! hop is not known (member 5, in network 1 with port 4 as member 6). Port 3 may only be station 3. Port 0 is the uplink.

use std::net::{IpAddr, Ipv6Addr};

use datapath::{
    Cause, Guard, Member, MemberKind, Network, Path, Paths, PortId, PortSpec, Profile, Role, Snapshot, Vlans, VtepKey,
    VtepTable, WorkerId,
};
use table::{MemberId, NetworkId};
use wire::{Dscp, Mac, OuterParams, OuterTemplate, Vni};

use super::{Rig, address, mac};

/// All ports of the picture, the uplink first.
pub(crate) const PORTS: [u16; 5] = [0, 1, 2, 3, 4];
/// The uplink's MAC.
pub(crate) const UPLINK_MAC: Mac = Mac::new([2, 0xee, 0, 0, 0, 1]);
/// Our address on it.
pub(crate) const LOCAL: [u8; 4] = [192, 0, 2, 1];
/// The other VTEP's.
pub(crate) const REMOTE: [u8; 4] = [192, 0, 2, 2];
/// The silent VTEP's.
pub(crate) const SILENT: [u8; 4] = [192, 0, 2, 3];
/// Our address where the uplink speaks IPv6 too, and the other VTEP's.
pub(crate) const LOCAL6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// See [`LOCAL6`].
pub(crate) const REMOTE6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
/// Ticks after which networks forget a MAC.
pub(crate) const AGE_TICKS: u32 = 100;

/// A port.
pub(crate) fn port(role: Role, vlans: Vlans, worker: u8) -> Option<PortSpec> {
    let workers = vec![WorkerId(worker)];
    Some(PortSpec { generation: 1, role, vlans, frame_max: 1514, storm_max: None, workers })
}

/// An access port of that member that may send anything.
pub(crate) fn access(member: u32, worker: u8) -> Option<PortSpec> {
    port(Role::Access { guard: Guard::default() }, Vlans::transparent(MemberId(member)), worker)
}

/// A member behind a port.
pub(crate) fn local(network: u16, port: u16) -> Option<Member> {
    Some(Member {
        generation: 1,
        network: NetworkId(network),
        kind: MemberKind::Local { port: PortId(port), vlan: None },
    })
}

/// What the outer headers of a tunnel to [`REMOTE`] are like.
pub(crate) fn outer_params(dscp: Dscp) -> OuterParams {
    OuterParams {
        dst_mac: mac(200),
        src_mac: UPLINK_MAC,
        src: LOCAL.into(),
        dst: REMOTE.into(),
        udp_dst: 4789,
        ttl: 64,
        dscp,
        df: true,
        checksum: false,
        vni: Vni::new(7).unwrap(),
    }
}

/// A member behind a tunnel to `remote`, resolved or not.
pub(crate) fn vtep(network: u16, vni: u32, remote: [u8; 4], resolved: bool) -> Option<Member> {
    let vni = Vni::new(vni).unwrap();
    let params = OuterParams { dst: remote.into(), vni, ..outer_params(Dscp::Fixed(0)) };
    let path =
        resolved.then(|| Path { uplink: PortId(0), outer: OuterTemplate::new(&params).unwrap(), frame_max: 1514 });
    let paths = Paths::spread(path.into_iter().collect(), Cause::NextHopUnresolved);
    Some(Member { generation: 1, network: NetworkId(network), kind: MemberKind::Vtep { paths } })
}

/// A network with these members.
pub(crate) fn network(vni: u32, members: &[u32]) -> Option<Network> {
    Some(Network {
        generation: 1,
        vni: Vni::new(vni).unwrap(),
        macs_max: 1000,
        age_ticks: AGE_TICKS,
        tcp_mtu: None,
        profile: Profile::L2,
        members: members.iter().copied().map(MemberId).collect(),
        statics: Vec::new(),
    })
}

/// Lets a VTEP send frames of a network.
pub(crate) fn hear(vteps: &mut VtepTable, remote: [u8; 4], vni: u32, member: u32) {
    let [local, remote] = [LOCAL, remote].map(IpAddr::from);
    let sender = VtepKey { uplink: PortId(0), local, remote, udp_port: 4789 };
    vteps.insert(sender, Vni::new(vni).unwrap(), MemberId(member));
}

/// Who sends VXLAN over IPv6 to us.
pub(crate) const SENDER6: VtepKey =
    VtepKey { uplink: PortId(0), local: IpAddr::V6(LOCAL6), remote: IpAddr::V6(REMOTE6), udp_port: 4789 };

/// Gives the uplink an IPv6 address beside its own and lets the VTEP behind the tunnel send over IPv6 too.
pub(crate) fn speak_ipv6(rig: &mut Rig) {
    rig.change(|snapshot, stamp| {
        let uplink = snapshot.ports[0].as_mut().unwrap();
        let Role::Uplink { addresses, .. } = &mut uplink.role else { unreachable!("port 0 is the uplink") };
        addresses.push(LOCAL6.into());
        uplink.generation = stamp;
        snapshot.vteps.insert(SENDER6, Vni::new(7).unwrap(), MemberId(4));
    });
}

/// The snapshot described above. With two workers, ports 0, 1 and 3 are the first's, 2 and 4 the second's.
pub(crate) fn picture() -> Snapshot {
    let bound = Guard { macs: Some(vec![mac(3)]), addresses: Some(vec![address(3).into()]) };
    let guarded = port(Role::Access { guard: bound }, Vlans::transparent(MemberId(3)), 0);
    let uplink = port(Role::Uplink { mac: UPLINK_MAC, addresses: vec![LOCAL.into()], vlan: None }, Vlans::default(), 0);
    let mut vteps = VtepTable::default();
    hear(&mut vteps, REMOTE, 7, 4);
    hear(&mut vteps, SILENT, 8, 5);
    Snapshot {
        generation: 1,
        ports: vec![uplink, access(1, 0), access(2, 1), guarded, access(6, 1)],
        networks: vec![network(7, &[1, 2, 3, 4]), network(8, &[5, 6])],
        members: vec![
            None,
            local(0, 1),
            local(0, 2),
            local(0, 3),
            vtep(0, 7, REMOTE, true),
            vtep(1, 8, SILENT, false),
            local(1, 4),
        ],
        vteps,
    }
}
