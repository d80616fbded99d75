//! Members of networks: ports here, and VTEPs elsewhere.

use datapath::{Member, MemberKind, VtepKey, VtepTable};
use table::MemberId;
use wire::{
    Mac, Vni,
    outer::{OuterParams, OuterTemplate},
    vlan::VlanId,
};

use super::{MemberName, Source};
use crate::config::{Behind, Config, Name, Port, Tunnel, next_hop_by};

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
                let uplink = self.compiled.port_id(tunnel.uplink.as_str())?;
                let Tunnel { local, remote, udp_port, .. } = *tunnel;
                let sender = VtepKey { uplink, local, remote, udp_port };
                vteps.insert(sender, vni, id);
                if tunnel.udp6_zero_checksum_rx {
                    vteps.allow_zero_checksum(sender);
                }
                MemberKind::Vtep { uplink, outer: self.outer(tunnel, vni) }
            }
        };
        Some(Member { generation: 0, network: self.compiled.network_id(name.network.as_str())?, kind })
    }

    /// The VLAN a network is in behind a port; `None` where it is not there.
    fn vlan(&self, port: &Port, network: &Name) -> Option<Option<VlanId>> {
        port.vlans.networks().find(|&(_, name)| name == network).map(|(vlan, _)| vlan)
    }

    /// The outer header, once the uplink's MAC and the next hop's are known.
    fn outer(&self, tunnel: &Tunnel, vni: Vni) -> Option<OuterTemplate> {
        let params = OuterParams {
            dst_mac: self.next_hop_mac(tunnel)?,
            src_mac: self.mac(self.ports.get(&tunnel.uplink)?)?,
            src: tunnel.local,
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

    fn next_hop_mac(&self, tunnel: &Tunnel) -> Option<Mac> {
        let resolved = || {
            let address = next_hop_by(self.ports.get(&tunnel.uplink)?, tunnel.remote)?;
            self.facts.next_hops.get(&(tunnel.uplink.clone(), address)).copied()
        };
        tunnel.next_hop_mac.or_else(resolved)
    }
}
