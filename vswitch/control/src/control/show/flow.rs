//! `show_flows`.

use std::{collections::HashSet, net::IpAddr};

use api::{FlowFilter, FlowRow, Flows, RpcError, Verdict};
use datapath::{FlowView, Recipe};
use table::MemberId;

use super::{Control, PortFactory, limit};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_flows(&self, filter: &FlowFilter) -> Result<Flows, RpcError> {
        let network = self.wanted_network(filter.network.as_deref())?;
        let members = self.wanted_members(filter.member.as_deref())?;
        let is_wanted = |flow: &FlowView| {
            network.is_none_or(|id| self.compiled.snapshot.member(flow.ingress).is_some_and(|from| from.network == id))
                && filter.mac.is_none_or(|mac| flow.src == mac || flow.dst == mac)
                && filter.address.is_none_or(|address| has_address(flow, address))
                && members.as_ref().is_none_or(|members| passes(flow, members))
        };
        let mut flows = Flows::default();
        for desk in &self.desks {
            let worker = desk.link.view.worker().0;
            for flow in desk.link.view.flows().filter(is_wanted) {
                flows.total += 1;
                if flows.flows.len() < limit(filter.limit) {
                    flows.flows.push(self.flow_row(worker, &flow));
                }
            }
        }
        Ok(flows)
    }

    fn flow_row(&self, worker: u8, flow: &FlowView) -> FlowRow {
        FlowRow {
            worker,
            ingress: self.member_name(flow.ingress),
            network: self.member_network(flow.ingress),
            src: flow.src,
            dst: flow.dst,
            source: flow.source,
            five_tuple: flow.tuple.map(Into::into),
            verdict: self.verdict(&flow.recipe),
            packets: flow.packets,
            octets: flow.bytes,
            idle_ms: self.age_ms(flow.last_seen),
        }
    }

    fn verdict(&self, recipe: &Recipe) -> Verdict {
        match recipe {
            Recipe::Forward(member) => Verdict::Forward { egress: self.member_name(*member) },
            Recipe::Flood(network) => {
                let name = self.compiled.network_name(*network);
                Verdict::Flood { network: name.map_or_else(|| format!("(gone: {network})"), ToString::to_string) }
            }
            Recipe::Drop(reason) => Verdict::Drop { reason: reason.name().into() },
        }
    }
}

/// Whether the flow is known to be from or to `address`.
fn has_address(flow: &FlowView, address: IpAddr) -> bool {
    flow.source == Some(address) || flow.tuple.is_some_and(|tuple| tuple.addresses().1 == address)
}

/// Whether frames of the flow come from or leave by one of `members`.
fn passes(flow: &FlowView, members: &HashSet<MemberId>) -> bool {
    let leaves = matches!(&flow.recipe, Recipe::Forward(member) if members.contains(member));
    leaves || members.contains(&flow.ingress)
}
