//! How the senders of TCP streams find their pace.
//!
//! A congestion control that paces, as BBR does, sends when a timer says so: what it gets is its own estimate, and two switches
//! of which one is twice as fast look alike. One that does not pace sends whatever the window lets it, and finds the limit of
//! what is between the containers. Which one a socket has from its beginning is a matter of its namespace; iperf3's `-C` is too
//! late, for a socket that once had BBR goes on pacing.

use crate::process::{self, Namespace};

const SYSCTL: &str = "Debian: `apt install procps`";

/// Whether a timer decides when the sender may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// The window alone does.
    Free,
    /// BBR's timer does.
    Timed,
}

impl Pace {
    /// The congestion controls of that kind, the most usual first. Linux knows `reno` everywhere; the others may be missing, or
    /// not allowed to namespaces (`net.ipv4.tcp_allowed_congestion_control`).
    fn controls(self) -> &'static [&'static str] {
        match self {
            Pace::Free => &["cubic", "reno"],
            Pace::Timed => &["bbr"],
        }
    }
}

/// Has new sockets of a container go by that, and tells how it is called. `None` where the machine allows none of the kind.
pub(super) fn set(end: &Namespace, pace: Pace) -> Option<&'static str> {
    pace.controls().iter().copied().find(|control| {
        let mut sysctl = end.command("sysctl");
        sysctl.args(["-q", "-w", &format!("net.ipv4.tcp_congestion_control={control}")]);
        process::output(&mut sysctl, SYSCTL).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_can_always_send_without_a_timer() {
        match Namespace::create("pace") {
            Ok(end) => assert!(set(&end, Pace::Free).is_some_and(|control| Pace::Free.controls().contains(&control))),
            Err(why) => println!("skipped: {why}"),
        }
    }
}
