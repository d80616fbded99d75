//! The trial's place in the start of a device.

use std::sync::Arc;

use dpdk_sys::rte_eth_dev_info;

use super::{Asked, Looped, hold, loopback::sends_to_itself};
use crate::{EthConfig, Pool, device::Shared, eth_port, nic, plan::Plan, registers, setup::Target};

/// Has a device that can send to itself do what is to be left to it, before it is set up for good; whether it could. What it
/// fails at is not left to it.
pub(crate) fn in_a_loop(
    target: &Target,
    shared: &Arc<Shared>,
    plan: &mut Plan,
    config: &EthConfig,
    info: &rte_eth_dev_info,
) -> bool {
    if !plan.nic.takes.checksum || !sends_to_itself(target.driver) {
        return false;
    }
    if let Err(error) = target.set_up(&plan.looped(), config, info).and_then(|()| target.start()) {
        log::debug!("port {}: it does not start as a loop: {error}", config.name);
        return false;
    }
    let port = eth_port::new(shared, 0, plan.mtu, plan.nic, &config.pool);
    let looped = Looped::new(port, &config.pool, registers::mac(target.port));
    let has_looped = looped.is_some();
    if let Some(mut looped) = looped {
        let (takes, findings) = hold(plan.nic.takes, &mut config.pool.clone(), &mut looped);
        nic::tried(plan, takes, &findings);
    }
    target.stop();
    has_looped
}

/// Shows the driver what is to be left to it; what it refuses is not.
pub(crate) fn by_asking(shared: &Arc<Shared>, plan: &mut Plan, pool: &Pool) {
    let mut asked = Asked(eth_port::new(shared, 0, plan.mtu, plan.nic, pool));
    let (takes, findings) = hold(plan.nic.takes, &mut pool.clone(), &mut asked);
    nic::tried(plan, takes, &findings);
}
