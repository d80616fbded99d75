//! Connections of TCP are opened with what their network has room for, whatever their ends believe: their segments then fit
//! without anybody being told that one did not, by ICMP that may never arrive.
//!
//! Only openings are touched. They are never plain, so the fast way knows nothing of this.

use frame::Frame;
use wire::mss;

use crate::Worker;

/// Lowers the maximum segment size of a stripped frame that opens a connection in a network that wants it.
#[inline]
pub(crate) fn clamp<P, M>(frame: &mut Frame, place: usize, worker: &mut Worker<P, M>) {
    if mss::is_opening(frame.data(), &worker.batch.meta[place].headers) {
        clamp_opening(frame, place, worker);
    }
}

#[cold]
#[inline(never)]
fn clamp_opening<P, M>(frame: &mut Frame, place: usize, worker: &mut Worker<P, M>) {
    let (meta, snapshot) = (&worker.batch.meta[place], &worker.brain.snapshot);
    let network = snapshot.member(meta.ingress).and_then(|member| snapshot.network(member.network));
    let Some(mtu) = network.and_then(|network| network.tcp_mtu) else { return };
    let is_summed = !frame.is_unfinished();
    let is_clamped = mss::clamp(frame.data_mut(), &meta.headers, mtu, is_summed);
    worker.tally.worker.mss_clamped += u64::from(is_clamped);
}
