//! `show_macs`.

use api::{MacFilter, MacKind, MacRow, Macs, RpcError};
use datapath::MacView;

use super::{Control, PortFactory, limit};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_macs(&self, filter: &MacFilter) -> Result<Macs, RpcError> {
        let network = self.wanted_network(filter.network.as_deref())?;
        let members = self.wanted_members(filter.member.as_deref())?;
        let is_wanted = |mac: &MacView| {
            network.is_none_or(|id| mac.network == id)
                && filter.mac.is_none_or(|only| mac.mac == only)
                && members.as_ref().is_none_or(|members| members.contains(&mac.member))
        };
        let mut macs = Macs::default();
        for desk in &self.desks {
            let worker = desk.link.view.worker().0;
            for mac in desk.link.view.macs().filter(is_wanted) {
                macs.total += 1;
                if macs.macs.len() < limit(filter.limit) {
                    macs.macs.push(self.mac_row(worker, &mac));
                }
            }
        }
        macs.macs.sort_by(|a, b| (&a.network, a.mac, a.worker).cmp(&(&b.network, b.mac, b.worker)));
        Ok(macs)
    }

    fn mac_row(&self, worker: u8, mac: &MacView) -> MacRow {
        let network = self.compiled.network_name(mac.network);
        MacRow {
            network: network.map_or_else(|| format!("(gone: {})", mac.network), ToString::to_string),
            mac: mac.mac,
            member: self.member_name(mac.member),
            kind: if mac.is_static { MacKind::Static } else { MacKind::Learned },
            age_ms: (!mac.is_static).then(|| self.age_ms(mac.last_seen)),
            worker,
        }
    }
}
