//! `queues`, `workers`, `rx_descriptors` and `tx_descriptors` of a port: how much of a device there is for whom.

use datapath::WorkerId;
use toml::Spanned;

use super::{Workers, file, keys, section::Section};

/// How many queue pairs a port has.
pub(super) fn count(said: &file::Port, workers: &Workers, check: &mut Section) -> u16 {
    let listed = said.workers.as_ref().map_or(1, |list| list.get_ref().len().max(1));
    let Some(int) = &said.queues else { return listed as u16 };
    let queues = check.counted(&keys::QUEUES, int).unwrap_or(1);
    if usize::from(queues) > workers.count() {
        let problem = format!("is more than there are workers ({})", workers.count());
        check.refuse("queues", &int.span(), problem, "a worker holds one queue pair of a port");
    }
    queues
}

/// The workers listed for the queues.
pub(super) fn holders(
    list: &Spanned<Vec<file::Int>>,
    queues: u16,
    workers: &Workers,
    check: &mut Section,
) -> Option<Vec<WorkerId>> {
    let mut holders = Vec::new();
    if list.get_ref().len() != usize::from(queues) {
        let problem = format!("names {} workers for {queues} queues", list.get_ref().len());
        check.refuse("workers", &list.span(), problem, "one worker for each queue");
        return None;
    }
    for int in list.get_ref() {
        let last = workers.count() as i64 - 1;
        if !(0..=last).contains(int.get_ref()) {
            let hint = format!("the workers are 0 to {last}, in the order of [workers]");
            check.refuse("workers", &int.span(), "names no worker", hint);
            continue;
        }
        let worker = WorkerId(*int.get_ref() as u8);
        if holders.contains(&worker) {
            check.refuse("workers", &int.span(), "is there twice", "a worker holds one queue pair of a port");
        }
        holders.push(worker);
    }
    Some(holders)
}

/// Descriptors of each rx and of each tx queue, where the file says.
pub(super) fn descriptors(said: &file::Port, check: &mut Section) -> [Option<u16>; 2] {
    let rows = [(&keys::RX_DESCRIPTORS, &said.rx_descriptors), (&keys::TX_DESCRIPTORS, &said.tx_descriptors)];
    let hint = match said.kind.get_ref().as_str() {
        "tap" => Some("the kernel decides how many frames wait at a TAP"),
        "vhost-user" => Some("the guest decides how long its rings are"),
        _ => None,
    };
    if let Some(hint) = hint {
        let given = rows.map(|(key, int)| (key.name, int.as_ref().map(Spanned::span)));
        check.no_place_for(&given, &format!("does not go with kind = {:?}", said.kind.get_ref()), hint);
        return [None, None];
    }
    rows.map(|(key, int)| int.as_ref().and_then(|int| check.counted(key, int)))
}
