//! Which worker holds which queue.

use datapath::WorkerId;

use super::Compiled;
use crate::config::{Config, Port};

/// The holders of every port's queues, in the order of the configuration.
///
/// Where the configuration does not say, a port stays where it was; a new one goes to the workers that hold least. So a
/// fresh start spreads queues in the order of the file, and a port that comes or goes moves no other.
pub(super) fn place(config: &Config, previous: &Compiled) -> Vec<Vec<WorkerId>> {
    let mut load = vec![0usize; config.workers.count()];
    let settled: Vec<Option<Vec<WorkerId>>> = config
        .ports
        .iter()
        .map(|port| port.workers.clone().or_else(|| as_before(port, previous, load.len())))
        .collect();
    for worker in settled.iter().flatten().flatten() {
        load[worker.index()] += 1;
    }
    let place = |(port, settled): (&Port, Option<Vec<WorkerId>>)| {
        settled.unwrap_or_else(|| least_loaded(&mut load, usize::from(port.queues)))
    };
    config.ports.iter().zip(settled).map(place).collect()
}

fn as_before(port: &Port, previous: &Compiled, workers: usize) -> Option<Vec<WorkerId>> {
    let held = &previous.snapshot.port(previous.port_id(port.name.as_str())?)?.workers;
    let fits = held.len() == usize::from(port.queues) && held.iter().all(|worker| worker.index() < workers);
    fits.then(|| held.clone())
}

/// As many workers as there are queues, each once, those with the least load first.
fn least_loaded(load: &mut [usize], queues: usize) -> Vec<WorkerId> {
    let mut workers: Vec<usize> = (0..load.len()).collect();
    workers.sort_by_key(|&worker| load[worker]);
    workers.truncate(queues);
    for &worker in &workers {
        load[worker] += 1;
    }
    workers.into_iter().map(|worker| WorkerId(worker as u8)).collect()
}
