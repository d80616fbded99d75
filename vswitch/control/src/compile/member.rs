//! Members of networks: ports here, and VTEPs elsewhere.

use datapath::{Cause, Member, MemberKind, Path, Paths, VtepKey, VtepTable};
use table::MemberId;
use wire::{
    Mac, Vni,
    outer::{OuterParams, OuterTemplate},
    vlan::VlanId,
};

use super::{MemberName, Source, port::ETHERNET_OCTETS};
use crate::config::{self, Behind, Config, Multipath, Name, Port, Tunnel, next_hop_by};

/// All members: the ports of every network, in the order of the file, and behind them its tunnels.
pub(super) fn names(config: &Config) -> impl Iterator<Item = MemberName> {
    let local = config.ports.iter().flat_map(|port| port.vlans.networks().map(|(_, network)| local(port, network)));
    let remote = config.networks.iter().flat_map(|network| {
        let name = |tunnel: &Name| MemberName { network: network.name.clone(), behind: Behind::Tunnel(tunnel.clone()) };
        network.tunnels.iter().map(name)
    });
    local.chain(remote)
}

/// What a port is called as a member of one of its networks.
pub(super) fn local(port: &Port, network: &Name) -> MemberName {
    MemberName { network: network.clone(), behind: Behind::Port(port.name.clone()) }
}

impl Source<'_> {
    /// The member of that name, without a generation; a VTEP is entered among those who may send to us.
    pub(super) fn member(&self, name: &MemberName, id: MemberId, vteps: &mut VtepTable) -> Option<Member> {
        let kind = match &name.behind {
            Behind::Port(port) => {
                let vlan = self.vlan(self.ports.get(port)?, &name.network)?;
                MemberKind::Local { port: self.compiled.port_id(port.as_str())?, vlan }
            }
            Behind::Tunnel(tunnel) => {
                let tunnel = *self.tunnels.get(tunnel)?;
                let vni = *self.vnis.get(&name.network)?;
                self.hear(tunnel, vni, id, vteps);
                MemberKind::Vtep { paths: self.paths(tunnel, vni) }
            }
        };
        Some(Member { generation: 0, network: self.compiled.network_id(name.network.as_str())?, kind })
    }

    /// The VLAN a network is in behind a port; `None` where it is not there.
    fn vlan(&self, port: &Port, network: &Name) -> Option<Option<VlanId>> {
        port.vlans.networks().find(|&(_, name)| name == network).map(|(vlan, _)| vlan)
    }

    /// Lets the far end of a tunnel send to us by each of its uplinks, whichever we send by: the underlay may see it
    /// otherwise.
    fn hear(&self, tunnel: &Tunnel, vni: Vni, id: MemberId, vteps: &mut VtepTable) {
        let Tunnel { remote, udp_port, .. } = *tunnel;
        for path in &tunnel.paths {
            let Some(uplink) = self.compiled.port_id(path.uplink.as_str()) else { continue };
            let sender = VtepKey { uplink, local: path.local, remote, udp_port };
            vteps.insert(sender, vni, id);
            if tunnel.udp6_zero_checksum_rx {
                vteps.allow_zero_checksum(sender);
            }
        }
    }

    /// The paths that can be used: all of them, or the one that the operator likes best.
    fn paths(&self, tunnel: &Tunnel, vni: Vni) -> Paths {
        let (mut usable, mut without) = (Vec::new(), Cause::NoUplink);
        for path in tunnel.paths.iter().filter(|path| !self.facts.cut_off.contains(&path.uplink)) {
            match self.path(tunnel, path, vni) {
                Some(path) => usable.push(path),
                None => without = Cause::NextHopUnresolved,
            }
        }
        if tunnel.multipath == Multipath::ActiveBackup {
            usable.truncate(1);
        }
        Paths::spread(usable, without)
    }

    /// A path, once the uplink's MAC and the next hop's are known.
    fn path(&self, tunnel: &Tunnel, path: &config::Path, vni: Vni) -> Option<Path> {
        let uplink = self.compiled.port_id(path.uplink.as_str())?;
        let own = self.ports.get(&path.uplink)?.mtu;
        let mtu = self.facts.path_mtus.get(&(path.local, tunnel.remote)).map_or(own, |&said| said.min(own));
        Some(Path { uplink, outer: self.outer(tunnel, path, vni)?, frame_max: mtu + ETHERNET_OCTETS })
    }

    fn outer(&self, tunnel: &Tunnel, path: &config::Path, vni: Vni) -> Option<OuterTemplate> {
        let params = OuterParams {
            dst_mac: self.next_hop_mac(tunnel, path)?,
            src_mac: self.mac(self.ports.get(&path.uplink)?)?,
            src: path.local,
            dst: tunnel.remote,
            udp_dst: tunnel.udp_port,
            ttl: tunnel.ttl,
            dscp: tunnel.dscp,
            df: tunnel.df,
            checksum: tunnel.checksum,
            vni,
        };
        // Both ends are of one family: `config` has checked it.
        OuterTemplate::new(&params).ok()
    }

    fn next_hop_mac(&self, tunnel: &Tunnel, path: &config::Path) -> Option<Mac> {
        let resolved = || {
            let address = next_hop_by(self.ports.get(&path.uplink)?, tunnel.remote)?;
            self.facts.next_hops.get(&(path.uplink.clone(), address)).copied()
        };
        tunnel.next_hop_mac.or_else(resolved)
    }
}
