//! `show workers`: two tables, what they do and how their tables fare, and how long CPUs may take to wake up.

use api::{CpuLatency, WorkerRow, Workers};

use super::{
    counters::{Counter, Rates},
    grid::{Grid, Lean::Left, Lean::Right, or_dash},
};
use crate::quantity::{Numbers, count, share};

pub(super) fn tables(workers: &Workers, rates: &Rates<WorkerRow>, numbers: Numbers) -> String {
    let latency = workers.cpu_latency.as_ref().map_or_else(String::new, latency);
    format!("{}\n\n{}{latency}", work(workers, rates, numbers), state(workers, numbers))
}

const COUNTERS: [Counter<WorkerRow>; 5] = [
    Counter { title: "RX", value: |worker| worker.rx, written: count },
    Counter { title: "TX", value: |worker| worker.tx, written: count },
    Counter { title: "DROPPED", value: |worker| worker.dropped, written: count },
    Counter { title: "HANDED", value: |worker| worker.handed, written: count },
    Counter { title: "TAKEN", value: |worker| worker.taken, written: count },
];

fn work(workers: &Workers, rates: &Rates<WorkerRow>, numbers: Numbers) -> Grid {
    let mut columns = ["WORKER", "CPU", "LOAD", "TURNS", "IDLE"].map(|title| (title.to_owned(), Right)).to_vec();
    columns.extend(rates.columns(&COUNTERS));
    columns.push(("LOST".to_owned(), Right));
    let mut grid = Grid::wide(columns);
    for worker in &workers.workers {
        let first = [
            worker.worker.to_string(),
            or_dash(worker.cpu),
            or_dash(worker.load_permille.map(|load| share(load.into(), 1000))),
            count(worker.turns, numbers),
            share(worker.idle_turns, worker.turns),
        ];
        let cells = rates.cells(&COUNTERS, worker, |then| then.worker == worker.worker, numbers);
        grid.wide_row(first.into_iter().chain(cells).chain([count(worker.lost, numbers)]));
    }
    grid
}

fn state(workers: &Workers, numbers: Numbers) -> Grid {
    let mut grid = Grid::new([
        ("WORKER", Right),
        ("FLOWS", Right),
        ("HIT", Right),
        ("MISSES", Right),
        ("EVICTED", Right),
        ("REDECIDED", Right),
        ("AGED", Right),
        ("MACS", Right),
        ("LEARNED", Right),
        ("MOVED", Right),
        ("AGED", Right),
        ("REFUSED", Left),
    ]);
    for worker in &workers.workers {
        grid.row([
            worker.worker.to_string(),
            fill(worker.flows, worker.flows_max, numbers),
            share(worker.flow_hits, worker.flow_hits.saturating_add(worker.flow_misses)),
            count(worker.flow_misses, numbers),
            count(worker.flow_evicted, numbers),
            count(worker.flow_redecided, numbers),
            count(worker.flow_aged, numbers),
            fill(worker.macs, worker.macs_max, numbers),
            count(worker.mac_learned, numbers),
            count(worker.mac_moved, numbers),
            count(worker.mac_aged, numbers),
            refused(worker, numbers),
        ]);
    }
    grid
}

/// What is asked of the CPUs, where anything is.
fn latency(latency: &CpuLatency) -> String {
    let CpuLatency { max_us, held, problem } = latency;
    let state = if *held { "held" } else { "not held: no traffic" };
    let state = match problem {
        Some(problem) if *held => format!("{state}, but {problem}"),
        Some(problem) => format!("not held: {problem}"),
        None => state.to_owned(),
    };
    format!("\n\nCPUs wake up within {max_us} us: {state}")
}

fn fill(used: u64, max: u64, numbers: Numbers) -> String {
    format!("{}/{}", count(used, numbers), count(max, numbers))
}

/// MACs that could not be learned, and which bound forbade it.
fn refused(worker: &WorkerRow, numbers: Numbers) -> String {
    match (worker.mac_refused_network, worker.mac_refused_table) {
        (0, 0) => "0".to_owned(),
        (network, table) => {
            format!("{} (network full), {} (table full)", count(network, numbers), count(table, numbers))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_name_every_worker() {
        let busy = WorkerRow {
            worker: 1,
            cpu: Some(3),
            load_permille: Some(213),
            turns: 1_000,
            idle_turns: 250,
            flows: 100,
            flows_max: 65_536,
            flow_hits: 999,
            flow_misses: 1,
            mac_refused_table: 7,
            ..WorkerRow::default()
        };
        let workers = Workers { workers: vec![WorkerRow::default(), busy], cpu_latency: None };
        let text = tables(&workers, &Rates::Unwatched, Numbers::Short);
        let line = |n: usize| text.lines().nth(n).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(line(1), "0 - - 0 - 0 0 0 0 0 0");
        assert_eq!(line(2), "1 3 21.3% 1000 25.0% 0 0 0 0 0 0");
        assert_eq!(line(6), "1 100/65.5k 99.9% 1 0 0 0 0/0 0 0 0 0 (network full), 7 (table full)");
    }

    #[test]
    fn what_is_asked_of_cpus_is_said_last_with_what_is_in_the_way() {
        let last = |max_us, held, problem: Option<&str>| {
            let cpu_latency = Some(CpuLatency { max_us, held, problem: problem.map(str::to_owned) });
            let workers = Workers { workers: Vec::new(), cpu_latency };
            tables(&workers, &Rates::Unwatched, Numbers::Short).lines().last().unwrap().to_owned()
        };
        assert_eq!(last(0, true, None), "CPUs wake up within 0 us: held");
        assert_eq!(last(20, false, None), "CPUs wake up within 20 us: not held: no traffic");
        assert_eq!(last(0, false, Some("it is away")), "CPUs wake up within 0 us: not held: it is away");
        assert_eq!(last(0, true, Some("nobody heeds it")), "CPUs wake up within 0 us: held, but nobody heeds it");
    }
}
