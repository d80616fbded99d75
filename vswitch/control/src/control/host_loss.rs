//! Ends of frames from or for the node itself that no worker's books know.

use std::fmt;

/// Declares the ways with their names and texts side by side, so that none can lack one of them.
macro_rules! ways {
    ($($variant:ident, $name:literal, $text:literal;)+) => {
        /// How the host stack lost a frame.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum HostLoss { $(#[doc = $text] $variant,)+ }

        impl HostLoss {
            const ALL: &'static [HostLoss] = &[$(HostLoss::$variant),+];

            const fn name(self) -> &'static str {
                match self { $(HostLoss::$variant => $name,)+ }
            }

            const fn text(self) -> &'static str {
                match self { $(HostLoss::$variant => $text,)+ }
            }
        }
    };
}

ways! {
    InjectFull, "host-inject-full", "the worker that sends for the node has more of its frames waiting than it may have";
    NoBuffer, "host-no-buffer", "the pool had no buffer, or none large enough, for a frame of the node";
    Unserved, "host-unserved", "no worker sends for the uplink by which a frame of the node would leave";
    NoUplink, "host-no-uplink", "a frame for the node came by a port that is no uplink of it any more";
    NotSpoken, "host-not-spoken", "a frame for the node is neither ARP nor ICMP, nothing else is answered";
    NotOurPacket, "host-not-our-packet", "an ICMP error said how long a packet may be that the node cannot have sent: somebody forges them";
    QueueFull, "host-queue-full", "more frames wait for the host stack than may";
}

impl fmt::Display for HostLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

/// How many frames were lost in each way.
#[derive(Clone, Debug, Default)]
pub(super) struct HostLosses([u64; HostLoss::ALL.len()]);

impl HostLosses {
    pub(super) fn count(&mut self, way: HostLoss) {
        self.0[way as usize] += 1;
    }

    /// One row a way.
    pub(super) fn rows(&self) -> Vec<api::HostLoss> {
        let rows = HostLoss::ALL.iter().zip(self.0);
        rows.map(|(way, frames)| api::HostLoss { reason: way.name().into(), text: way.text().into(), frames }).collect()
    }
}
