//! `show_flows`.

use api::{FlowRow, Flows, Verdict};
use datapath::{FlowView, Recipe};

use super::{Control, PortFactory, limit};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_flows(&self, rows: Option<u32>) -> Flows {
        let mut flows = Flows::default();
        for desk in &self.desks {
            let worker = desk.link.view.worker().0;
            for flow in desk.link.view.flows() {
                flows.total += 1;
                if flows.flows.len() < limit(rows) {
                    flows.flows.push(self.flow_row(worker, &flow));
                }
            }
        }
        flows
    }

    fn flow_row(&self, worker: u8, flow: &FlowView) -> FlowRow {
        FlowRow {
            worker,
            ingress: self.member_name(flow.ingress),
            network: self.member_network(flow.ingress),
            src: flow.src,
            dst: flow.dst,
            source: flow.source,
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
