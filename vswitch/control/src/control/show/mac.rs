//! `show_macs`.

use api::{MacKind, MacRow, Macs, RpcError};
use datapath::MacView;

use super::{Control, PortFactory, limit};

impl<F: PortFactory> Control<F> {
    pub(in crate::control) fn show_macs(&self, network: Option<&str>, rows: Option<u32>) -> Result<Macs, RpcError> {
        let only = match network {
            Some(name) => match self.compiled.network_id(name) {
                Some(id) => Some(id),
                None => return Err(RpcError::invalid_params(format!("there is no network `{name:.40}`"))),
            },
            None => None,
        };
        let mut macs = Macs::default();
        for desk in &self.desks {
            let worker = desk.link.view.worker().0;
            for mac in desk.link.view.macs().filter(|mac| only.is_none_or(|id| mac.network == id)) {
                macs.total += 1;
                if macs.macs.len() < limit(rows) {
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
