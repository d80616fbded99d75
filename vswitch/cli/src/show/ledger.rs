//! `show ledger`: numbers in full always, since they are there to be added up.

use api::{Ledger, Terms};

use super::grid::{Grid, Lean::Left, Lean::Right};

/// Workers, pairs (where any handed frames over), ports, what the host stack lost (where it did).
pub(super) fn tables(ledger: &Ledger) -> String {
    let mut text = workers(ledger).to_string();
    for grid in [pairs(ledger), ports(ledger), host(ledger)] {
        if !grid.is_empty() {
            text.push_str(&format!("\n\n{grid}"));
        }
    }
    text.push('\n');
    text
}

/// The last line.
pub(super) fn verdict(ledger: &Ledger) -> String {
    match (ledger.balanced, ledger.total.lost) {
        (true, _) => "balanced: no frame disappeared".to_owned(),
        (false, 0) => "NOT BALANCED: see the lines marked NO".to_owned(),
        (false, lost) => format!("NOT BALANCED: {lost} frames lost; see the lines marked NO"),
    }
}

fn workers(ledger: &Ledger) -> Grid {
    let mut grid = Grid::new([
        ("WORKER", Left),
        ("RX", Right),
        ("+INJECTED", Right),
        ("+COPIED", Right),
        ("+SPLIT", Right),
        ("+TAKEN", Right),
        ("=", Left),
        ("TX", Right),
        ("+DROPPED", Right),
        ("+PUNTED", Right),
        ("+MERGED", Right),
        ("+HANDED", Right),
        ("+HELD", Right),
        ("BALANCED", Left),
    ]);
    let mut line = |name: String, t: &Terms, balanced: bool| {
        let left = [t.rx, t.injected, t.copied, t.split, t.taken].map(|term| term.to_string());
        let right = [t.tx, t.dropped, t.punted, t.merged, t.handed, t.held].map(|term| term.to_string());
        let ([rx, injected, copied, split, taken], [tx, dropped, punted, merged, handed, held]) = (left, right);
        let mark = mark(balanced, t.credit(), t.debit());
        let equals = "=".to_owned();
        grid.row([name, rx, injected, copied, split, taken, equals, tx, dropped, punted, merged, handed, held, mark]);
    };
    ledger.workers.iter().for_each(|worker| line(worker.worker.to_string(), &worker.terms, worker.balanced));
    if ledger.workers.len() != 1 {
        line("all".to_owned(), &ledger.total, ledger.workers.iter().all(|worker| worker.balanced));
    }
    grid
}

fn pairs(ledger: &Ledger) -> Grid {
    let mut grid = Grid::new([
        ("FROM", Left),
        ("TO", Left),
        ("HANDED", Right),
        ("=", Left),
        ("TAKEN", Right),
        ("+IN-RING", Right),
        ("BALANCED", Left),
    ]);
    for pair in &ledger.pairs {
        grid.row([
            pair.from.to_string(),
            pair.to.to_string(),
            pair.handed.to_string(),
            "=".into(),
            pair.taken.to_string(),
            pair.in_ring.to_string(),
            mark(pair.balanced, pair.handed, pair.taken.wrapping_add(pair.in_ring)),
        ]);
    }
    grid
}

fn ports(ledger: &Ledger) -> Grid {
    let mut grid = Grid::new([
        ("PORT", Left),
        ("RX", Right),
        ("+COPIED", Right),
        ("=", Left),
        ("FORWARDED", Right),
        ("+PUNTED", Right),
        ("+DROPPED", Right),
        ("+HELD", Right),
        ("OFFERED", Right),
        ("=", Left),
        ("TX", Right),
        ("+REFUSED", Right),
        ("BALANCED", Left),
    ]);
    for port in &ledger.ports {
        let arrived = port.rx.wrapping_add(port.copied).wrapping_add(port.offered);
        let fates = [port.forwarded, port.punted, port.dropped, port.held, port.tx, port.refused];
        grid.row([
            port.port.clone(),
            port.rx.to_string(),
            port.copied.to_string(),
            "=".into(),
            port.forwarded.to_string(),
            port.punted.to_string(),
            port.dropped.to_string(),
            port.held.to_string(),
            port.offered.to_string(),
            "=".into(),
            port.tx.to_string(),
            port.refused.to_string(),
            mark(port.balanced, arrived, fates.into_iter().fold(0, u64::wrapping_add)),
        ]);
    }
    grid
}

fn host(ledger: &Ledger) -> Grid {
    let mut grid = Grid::new([("HOST-LOSS", Left), ("FRAMES", Right), ("MEANING", Left)]);
    for loss in ledger.host.iter().filter(|loss| loss.frames > 0) {
        grid.row([loss.reason.clone(), loss.frames.to_string(), loss.text.clone()]);
    }
    grid
}

/// `yes`, or `NO` with what is missing (+) or too many (-) on the right side.
fn mark(balanced: bool, left: u64, right: u64) -> String {
    match (balanced, left.wrapping_sub(right) as i64) {
        (true, _) => "yes".to_owned(),
        (false, 0) => "NO".to_owned(),
        (false, difference) => format!("NO {difference:+}"),
    }
}

#[cfg(test)]
mod tests {
    use api::{HostLoss, PairLedger, PortLedger, WorkerLedger};

    use super::*;

    fn words(text: &str, line: usize) -> String {
        text.lines().nth(line).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn worker(worker: u8, rx: u64, tx: u64, lost: u64) -> WorkerLedger {
        WorkerLedger { worker, terms: Terms { rx, tx, lost, ..Terms::default() }, balanced: false }
    }

    #[test]
    fn every_line_can_be_added_up_and_the_sum_stands_below_two_workers() {
        let pair = PairLedger { from: 0, to: 1, handed: 3, taken: 2, in_ring: 1, balanced: false };
        let port = PortLedger { port: "a1".into(), rx: 2, forwarded: 2, offered: 5, tx: 5, ..PortLedger::default() };
        let ledger = Ledger::new(vec![worker(0, 5, 5, 0), worker(1, 20_000, 20_000, 0)], vec![pair], vec![port]);
        let text = tables(&ledger);
        assert_eq!(words(&text, 1), "0 5 0 0 0 0 = 5 0 0 0 0 0 yes");
        assert_eq!(words(&text, 3), "all 20005 0 0 0 0 = 20005 0 0 0 0 0 yes");
        assert_eq!(words(&text, 6), "0 1 3 = 2 1 yes");
        assert_eq!(words(&text, 9), "a1 2 0 = 2 0 0 0 5 = 5 0 yes");
        assert_eq!(verdict(&ledger), "balanced: no frame disappeared");
    }

    #[test]
    fn what_the_host_stack_lost_stands_below_where_it_lost_anything() {
        let loss = |frames| HostLoss { reason: "host-a".into(), text: "Text.".into(), frames };
        let ledger = Ledger { host: vec![loss(0), loss(7)], ..Ledger::new(vec![worker(0, 5, 5, 0)], vec![], vec![]) };
        assert_eq!(words(&tables(&ledger), 4), "host-a 7 Text.");
        assert_eq!(tables(&ledger).lines().count(), 5);
    }

    #[test]
    fn what_is_missing_is_said_on_its_line_and_at_the_end() {
        let ledger = Ledger::new(vec![worker(0, 5, 3, 2)], vec![], vec![]);
        assert_eq!(words(&tables(&ledger), 1), "0 5 0 0 0 0 = 3 0 0 0 0 0 NO +2");
        assert_eq!(verdict(&ledger), "NOT BALANCED: 2 frames lost; see the lines marked NO");
        let port = PortLedger { port: "a1".into(), tx: 1, ..PortLedger::default() };
        let ledger = Ledger::new(vec![], vec![], vec![port]);
        assert!(tables(&ledger).trim_end().ends_with("NO -1"));
        assert_eq!(verdict(&ledger), "NOT BALANCED: see the lines marked NO");
    }
}
