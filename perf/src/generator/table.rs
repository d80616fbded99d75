//! A report for people.

use crate::generator::report::{PortRow, Report, StreamRow};

/// Two tables: what became of each stream, and what else was seen at each end.
pub(crate) fn table(report: &Report) -> String {
    let mut text = format!(
        "{:<9} {:>10} {:>10} {:>8} {:>6} {:>6} {:>8} {:>8} {:>10}   {}\n",
        "stream",
        "sent",
        "received",
        "lost",
        "dup",
        "reord",
        "refused",
        "skipped",
        "gap ms",
        "p50 / p99 / p99.9 / p99.99 / max us"
    );
    report.streams.iter().for_each(|row| text += &stream(row));
    let torn: u64 = report.ports.iter().map(|port| port.torn).sum();
    let rate = report.rate.map_or("as many as possible".to_owned(), |rate| rate.to_string());
    text += &format!(
        "{:.2} s, {} octets, {rate} packets/s a stream, {} flow(s); torn: {torn}\n",
        report.seconds, report.size, report.flows
    );
    let unusual = |port: &&PortRow| port.torn + port.stray + port.foreign > 0;
    for PortRow { port, torn, stray, foreign, .. } in report.ports.iter().filter(unusual) {
        text += &format!("port {port}: {torn} torn, {stray} for others, {foreign} not of this generator\n");
    }
    text
}

/// One line of what is known so far.
pub(crate) fn progress(seconds: u64, rows: &[StreamRow]) -> String {
    let row = |row: &StreamRow| {
        let sent = row.sender.map_or(String::new(), |sender| format!(" sent {}", sender.sent));
        let received =
            row.receiver.as_ref().map_or(String::new(), |receiver| format!(" received {}", receiver.received));
        format!("{}:{}{sent}{received}", row.from, row.to)
    };
    format!("{seconds} s: {}", rows.iter().map(row).collect::<Vec<_>>().join(", "))
}

fn stream(row: &StreamRow) -> String {
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    let (sender, receiver) = (row.sender.as_ref(), row.receiver.as_ref());
    let gap =
        receiver.and_then(|receiver| receiver.gaps.first()).map_or("-".to_owned(), |gap| format!("{:.2}", gap.ms));
    let latency = receiver.and_then(|receiver| receiver.latency_us);
    let latency = latency.map_or("-".to_owned(), |us| {
        format!("{:.1} / {:.1} / {:.1} / {:.1} / {:.1}", us.p50, us.p99, us.p999, us.p9999, us.max)
    });
    format!(
        "{:<9} {:>10} {:>10} {:>8} {:>6} {:>6} {:>8} {:>8} {gap:>10}   {latency}\n",
        format!("{}:{}", row.from, row.to),
        number(sender.map(|sender| sender.sent)),
        number(receiver.map(|receiver| receiver.received)),
        number(row.lost),
        number(receiver.map(|receiver| receiver.duplicated)),
        number(receiver.map(|receiver| receiver.reordered)),
        number(sender.map(|sender| sender.refused)),
        number(sender.map(|sender| sender.skipped)),
    )
}
