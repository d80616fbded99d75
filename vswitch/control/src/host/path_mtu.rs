//! What routers of the underlay say about the length of our packets (RFC 1191, RFC 8201): it lowers the MTU between two
//! VTEPs for a while.
//!
//! Such an error comes from anywhere, so anybody can write one. It is believed only about a packet that we could have
//! sent: it must quote our address, that of a VTEP of ours, the tunnel's UDP port, a source port that we use, and more
//! octets than it lets pass (RFC 5927 section 7). Even then it takes no more than down to [`LEAST_IPV4`] or
//! [`LEAST_IPV6`], raises nothing, and is forgotten after [`LIFETIME`]. By which uplink the packet had left it does not
//! say, so it counts for all of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};

use super::Refused;

/// How long a lowered MTU holds (RFC 1191 section 6.3, RFC 8201 section 4).
pub(crate) const LIFETIME: Duration = Duration::from_secs(600);

/// What every IPv4 host takes (RFC 1122 section 3.3.2); also believed of a router that says less, or nothing.
const LEAST_IPV4: u16 = 576;

/// What every IPv6 link takes (RFC 8200 section 5); who says less is not believed (RFC 8201 section 4).
const LEAST_IPV6: u32 = 1280;

/// Packets that we send, as somebody can quote them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sent {
    /// From which address of ours to which VTEP.
    pub(crate) between: Between,
    /// To which UDP port.
    pub(crate) udp_port: u16,
}

/// Our address, and a VTEP's.
pub(crate) type Between = (IpAddr, IpAddr);

/// An MTU that somebody has lowered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lowered {
    /// Longest outer packet in octets.
    pub(crate) mtu: u16,
    /// When that is forgotten.
    pub(crate) until: Duration,
}

/// The MTUs that the underlay has lowered: one a pair of addresses at most.
#[derive(Default)]
pub(crate) struct PathMtus {
    sent: BTreeSet<Sent>,
    lowered: BTreeMap<Between, Lowered>,
    changed: bool,
}

impl PathMtus {
    /// Makes `sent` all that we can be told about. What is known of others is forgotten.
    pub(crate) fn configure(&mut self, sent: BTreeSet<Sent>) {
        self.lowered.retain(|between, _| sent.iter().any(|sent| sent.between == *between));
        self.sent = sent;
    }

    /// Hears a frame that is for the node, if it is about the length of a packet.
    ///
    /// # Errors
    /// [`Refused::NotOurPacket`]
    pub(crate) fn receive(&mut self, frame: &[u8], now: Duration) -> Result<(), Refused> {
        let report = wire::parse(frame).ok().and_then(|headers| wire::too_big::report(frame, &headers));
        let Some(report) = report else { return Ok(()) };
        let between = (report.src, report.dst);
        let is_ours = self.sent.contains(&Sent { between, udp_port: report.udp_dst })
            && report.udp_src >= wire::SOURCE_PORT_MIN
            && report.len > report.mtu as usize;
        let mtu = bounded(report.mtu, report.src).filter(|_| is_ours).ok_or(Refused::NotOurPacket)?;
        let until = now + LIFETIME;
        match self.lowered.get_mut(&between) {
            Some(lowered) if mtu > lowered.mtu => {}
            Some(lowered) if mtu == lowered.mtu => lowered.until = until,
            _ => {
                let (local, remote) = between;
                log::info!("packets from {local} to {remote} may have {mtu} octets at most, as is said on the way");
                self.lowered.insert(between, Lowered { mtu, until });
                self.changed = true;
            }
        }
        Ok(())
    }

    /// Forgets what is too old.
    pub(crate) fn poll(&mut self, now: Duration) {
        let before = self.lowered.len();
        self.lowered.retain(|_, lowered| lowered.until > now);
        self.changed |= self.lowered.len() != before;
    }

    /// Whether an MTU has changed since the last time this was asked.
    pub(crate) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// All that are lowered.
    pub(crate) fn lowered(&self) -> &BTreeMap<Between, Lowered> {
        &self.lowered
    }
}

/// The MTU to go by where somebody says `mtu`.
fn bounded(mtu: u32, of: IpAddr) -> Option<u16> {
    match of {
        IpAddr::V4(_) => u16::try_from(mtu).ok().map(|mtu| mtu.max(LEAST_IPV4)),
        IpAddr::V6(_) if mtu < LEAST_IPV6 => None,
        IpAddr::V6(_) => u16::try_from(mtu).ok(),
    }
}

#[cfg(test)]
mod tests;
