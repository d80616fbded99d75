//! Whether frames really went the way they should have: the switch's own books, before and after.

use api::{Drops, FlowFilter, Flows, Ledger, Ports, Reply, Request, Verdict};

use crate::{
    control_socket::{ControlSocket, SocketError},
    work::{IN, OUT, Work},
};

/// Rows of cached decisions looked at: more than there are pairs of MACs.
const FLOWS_LOOKED_AT: u32 = 256;

/// The two ports' counters at one moment, from one answer, so that they belong together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    sent: u64,
    sent_octets: u64,
    dropped: u64,
    refused: u64,
}

impl Counts {
    pub(crate) fn read(socket: &mut ControlSocket) -> Result<Counts, SocketError> {
        Ok(Counts::of(&socket.ask(&Request::ShowPorts, ports)?))
    }

    fn of(ports: &Ports) -> Counts {
        let mut counts = Counts::default();
        for port in &ports.ports {
            if port.name == IN {
                counts.received = port.rx_frames;
                counts.dropped = port.dropped;
            } else if port.name == OUT {
                counts.sent = port.tx_frames;
                counts.sent_octets = port.tx_octets;
                counts.refused = port.refused;
            }
        }
        counts
    }

    /// What was counted from `earlier` on.
    pub(crate) fn since(&self, earlier: &Counts) -> Counts {
        Counts {
            received: self.received.saturating_sub(earlier.received),
            sent: self.sent.saturating_sub(earlier.sent),
            sent_octets: self.sent_octets.saturating_sub(earlier.sent_octets),
            dropped: self.dropped.saturating_sub(earlier.dropped),
            refused: self.refused.saturating_sub(earlier.refused),
        }
    }

    /// What is wrong with these counts where every frame should have been sent, and `work` been done to it.
    fn objection(&self, work: Work) -> Option<String> {
        let Counts { received, sent, sent_octets, dropped, refused } = *self;
        let octets = received * work.sent_len() as u64;
        if received == 0 {
            return Some("no frame came in".to_owned());
        }
        if dropped > 0 || refused > 0 {
            return Some(format!("of {received} frames {dropped} were dropped and {refused} refused by the sink"));
        }
        if sent != received {
            return Some(format!("{received} frames came in and {sent} went out"));
        }
        (sent_octets != octets).then(|| format!("{sent} frames went out with {sent_octets} octets instead of {octets}"))
    }
}

/// What is wrong with what the switch did while it counted `counts`; `None` where every frame went its way.
pub(crate) fn objection(
    work: Work,
    counts: &Counts,
    socket: &mut ControlSocket,
) -> Result<Option<String>, SocketError> {
    if let Some(what) = counts.objection(work) {
        let reasons = named(&socket.ask(&Request::ShowDrops, drops)?);
        return Ok(Some(if reasons.is_empty() { what } else { format!("{what} (since the start: {reasons})") }));
    }
    if !socket.ask(&Request::ShowLedger, ledger)?.balanced {
        return Ok(Some("the ledger does not balance".to_owned()));
    }
    let flows =
        socket.ask(&Request::ShowFlows(FlowFilter { limit: Some(FLOWS_LOOKED_AT), ..FlowFilter::default() }), flows)?;
    Ok(misled(work, &flows))
}

/// A cached decision that does not say what the work asks for: a flood to the one other member would count the same.
fn misled(work: Work, flows: &Flows) -> Option<String> {
    let right = |verdict: &Verdict| matches!(verdict, Verdict::Forward { egress } if egress == work.egress());
    if flows.flows.is_empty() {
        return Some("the switch remembers no flow".to_owned());
    }
    let wrong = flows.flows.iter().find(|row| !right(&row.verdict))?;
    Some(format!("frames to {}: {}, not forward to {}", wrong.dst, wrong.verdict, work.egress()))
}

/// Reasons with drops, the most frequent first.
fn named(drops: &Drops) -> String {
    let mut rows: Vec<_> = drops.reasons.iter().filter(|row| row.frames > 0).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.frames));
    rows.iter().map(|row| format!("{} {}", row.frames, row.reason)).collect::<Vec<_>>().join(", ")
}

pub(crate) fn ports(reply: Reply) -> Option<Ports> {
    if let Reply::Ports(ports) = reply { Some(ports) } else { None }
}

fn drops(reply: Reply) -> Option<Drops> {
    if let Reply::Drops(drops) = reply { Some(drops) } else { None }
}

fn ledger(reply: Reply) -> Option<Ledger> {
    if let Reply::Ledger(ledger) = reply { Some(ledger) } else { None }
}

fn flows(reply: Reply) -> Option<Flows> {
    if let Reply::Flows(flows) = reply { Some(flows) } else { None }
}

#[cfg(test)]
mod tests {
    use api::{DropRow, FlowRow};
    use wire::Mac;

    use super::*;
    use crate::control_socket::tests::answered_by;

    const GOOD: Counts = Counts { received: 1000, sent: 1000, sent_octets: 114_000, dropped: 0, refused: 0 };

    fn flow(verdict: Verdict) -> Flows {
        let mac = Mac::ZERO;
        let (ingress, packets, octets, idle_ms) = (IN.to_owned(), 1, 64, 0);
        let row = FlowRow {
            worker: 0,
            ingress,
            network: None,
            src: mac,
            dst: mac,
            source: None,
            five_tuple: None,
            verdict,
            packets,
            octets,
            idle_ms,
        };
        Flows { total: 1, flows: vec![row] }
    }

    fn forward(egress: &str) -> Verdict {
        Verdict::Forward { egress: egress.to_owned() }
    }

    #[test]
    fn every_frame_must_leave_and_have_been_worked_on() {
        let said = |counts: Counts| counts.objection(Work::VxlanEncap).unwrap_or_default();
        assert_eq!(said(GOOD), "");
        assert_eq!(said(Counts::default()), "no frame came in");
        assert_eq!(said(Counts { sent: 990, ..GOOD }), "1000 frames came in and 990 went out");
        assert!(said(Counts { dropped: 3, ..GOOD }).contains("3 were dropped"));
        assert!(said(Counts { refused: 3, ..GOOD }).contains("3 refused"));
        let naked = Counts { sent_octets: 64_000, ..GOOD };
        assert_eq!(said(naked), "1000 frames went out with 64000 octets instead of 114000");
    }

    #[test]
    fn what_was_before_does_not_count() {
        let before = Counts { received: 32, dropped: 32, ..Counts::default() };
        let after = Counts { received: 1032, dropped: 32, ..GOOD };
        assert_eq!(after.since(&before), GOOD);
    }

    #[test]
    fn a_flood_that_counts_like_a_forward_is_noticed() {
        assert_eq!(misled(Work::VxlanEncap, &flow(forward("to-remote"))), None);
        let flood = misled(Work::L2, &flow(Verdict::Flood { network: "net".into() })).unwrap();
        assert_eq!(flood, "frames to 00:00:00:00:00:00: flood in net, not forward to out");
        assert!(misled(Work::L2, &flow(forward("to-remote"))).is_some());
        assert_eq!(misled(Work::L2, &Flows::default()).unwrap(), "the switch remembers no flow");
    }

    #[test]
    fn drops_are_objected_to_by_their_reasons() {
        let mut socket = answered_by(|request| match request {
            Request::ShowDrops => {
                let row = |reason: &str, frames| DropRow { reason: reason.into(), frames, ..DropRow::default() };
                let reasons = vec![row("unknown-vtep", 7), row("other", 0), row("tx-unserved", 32)];
                Ok(Reply::Drops(Drops { total: 39, reasons, host: Vec::new() }))
            }
            _ => Err(api::RpcError::internal("not expected")),
        });
        let counts = Counts { dropped: 7, ..GOOD };
        let said = objection(Work::VxlanDecap, &counts, &mut socket).unwrap().unwrap();
        assert!(said.ends_with("(since the start: 32 tx-unserved, 7 unknown-vtep)"), "{said}");
    }

    #[test]
    fn an_unbalanced_ledger_is_objected_to() {
        let mut socket = answered_by(|_| Ok(Reply::Ledger(Ledger::default())));
        let counts = Counts { sent_octets: 64_000, ..GOOD };
        let said = objection(Work::L2, &counts, &mut socket).unwrap();
        assert_eq!(said.as_deref(), Some("the ledger does not balance"));
    }
}
