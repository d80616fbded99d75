//! `perf replay`: what the switch costs above DPDK's own forwarder.

use std::time::Duration;

use crate::{
    Failure, Replay,
    load::Shape,
    output,
    report::{self, Report, Task},
    run::{self, Measured, Plan},
    sample::median,
    testpmd::Mode,
    work::Work,
};

/// Five-tuples of the loads, where none are asked for.
const FLOWS: [u32; 3] = [1, 1000, 100_000];

const FULL: Plan = Plan {
    rounds: 5,
    load_max: Duration::MAX,
    warm_up: Duration::from_secs(1),
    window: Duration::from_secs(3),
    again: 0,
};

/// Six loads, two minutes in all.
const QUICK: Plan = Plan {
    rounds: 3,
    load_max: Duration::from_secs(18),
    warm_up: Duration::from_millis(300),
    window: Duration::from_millis(700),
    again: 0,
};

/// Measures everything, prints the table, and writes the JSON where asked.
pub(crate) fn run(arguments: &Replay) -> Result<(), Failure> {
    let settings = &arguments.measure;
    let plan = if settings.quick { QUICK } else { FULL };
    let flows = if settings.flows.is_empty() { &FLOWS[..] } else { &settings.flows };
    let (fingerprint, measured) =
        run::run(settings, arguments.beside.as_deref(), plan, flows, |shape, _| tasks(shape, arguments))?;
    let rows = measured.into_iter().flat_map(rows).collect();
    let report = Report { fingerprint, rows };
    print!("{}", report::table(&report.rows));
    if let Some(path) = &settings.json {
        output::write_json(path, &report)?;
    }
    let failed = report.rows.iter().filter(|row| row.failed.is_some()).count();
    if failed > 0 { Err(Failure::Rows(failed)) } else { Ok(()) }
}

fn rows(measured: Measured) -> Vec<report::Row> {
    let Measured { shape, flows, all } = measured;
    let io = all.iter().find(|rounds| rounds.task == Task::Testpmd(Mode::Io)).and_then(|io| median(&io.samples));
    all.into_iter().map(|rounds| rounds.row(shape, flows, io)).collect()
}

/// What is done to loads of one shape: the floors first.
fn tasks(shape: Shape, arguments: &Replay) -> Vec<Task> {
    let beside = arguments.beside.is_some();
    let work: Vec<_> = Work::of(shape, &arguments.measure.work)
        .flat_map(|work| [Some(Task::Millraced(work)), beside.then_some(Task::Beside(work))])
        .flatten()
        .collect();
    if work.is_empty() {
        return work;
    }
    [Mode::Io, Mode::Macswap].map(Task::Testpmd).into_iter().chain(work).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::{Cli, Command};

    fn tasks_of(shape: Shape, arguments: &[&str]) -> Vec<Task> {
        let Command::Replay(replay) = Cli::parse_from([&["perf", "replay"], arguments].concat()).command else {
            panic!("that is `replay`")
        };
        tasks(shape, &replay)
    }

    #[test]
    fn every_work_has_its_floors_beside_it() {
        let plain = tasks_of(Shape::Plain, &[]);
        assert_eq!(plain[0], Task::Testpmd(Mode::Io));
        assert_eq!(plain[2..], [Task::Millraced(Work::L2), Task::Millraced(Work::VxlanEncap)]);
        assert_eq!(tasks_of(Shape::Vxlan, &[]).len(), 3);
        assert_eq!(tasks_of(Shape::Plain, &["--work", "vxlan-decap"]), []);
        assert_eq!(tasks_of(Shape::Plain, &["--work", "l2"]).len(), 3);
    }

    #[test]
    fn another_build_does_the_same_work_in_turns() {
        let tasks = tasks_of(Shape::Plain, &["--work", "l2", "--beside", "x"]);
        assert_eq!(tasks[2..], [Task::Millraced(Work::L2), Task::Beside(Work::L2)]);
    }
}
