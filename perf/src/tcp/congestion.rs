//! How the senders of TCP streams find their pace.
//!
//! A congestion control that paces, as BBR does, sends when a timer says so: what it gets is its own estimate, and two switches
//! of which one is twice as fast look alike. One that does not pace sends whatever the window lets it, and finds the limit of
//! what is between the containers. Which one a socket has from its beginning is a matter of its namespace; iperf3's `-C` is too
//! late, for a socket that once had BBR goes on pacing.

use serde::Serialize;

use crate::process::{self, Namespace, ProcessError};

const SYSCTL: &str = "Debian: `apt install procps`";

/// Those by which the window alone decides: the usual one, if `net.ipv4.tcp_allowed_congestion_control` has it, and the one that
/// every namespace may have.
const FREE: [&str; 2] = ["cubic", "reno"];
/// The one by which a timer does.
const TIMED: &str = "bbr";

/// The congestion controls that streams are measured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Controls {
    /// Of streams that are sent as fast as they can be.
    pub(super) free: &'static str,
    /// Of streams whose sender goes by a timer; `None` where the machine lets namespaces have none.
    pub(super) timed: Option<&'static str>,
}

impl Controls {
    /// Tries which of them a namespace may have.
    pub(super) fn find() -> Result<Controls, ProcessError> {
        let scratch = Namespace::create("pace")?;
        let may_have = |control: &str| set(&scratch, control).is_ok();
        let [usual, always] = FREE;
        let free = if may_have(usual) { usual } else { set(&scratch, always).map(|()| always)? };
        Ok(Controls { free, timed: may_have(TIMED).then_some(TIMED) })
    }
}

/// Has new sockets of a container go by that.
pub(super) fn set(end: &Namespace, control: &str) -> Result<(), ProcessError> {
    let mut sysctl = end.command("sysctl");
    sysctl.args(["-q", "-w", &format!("net.ipv4.tcp_congestion_control={control}")]);
    process::output(&mut sysctl, SYSCTL).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_can_always_send_without_a_timer() {
        match Controls::find() {
            Ok(found) => assert!(FREE.contains(&found.free), "{found:?}"),
            Err(why) => println!("skipped: {why}"),
        }
    }
}
