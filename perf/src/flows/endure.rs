//! Whether memory grows, and new flows become dearer, where flows come and go for long.

use std::{fs, sync::Arc, time::Instant};

use serde::Serialize;
use wire::HashKey;

use crate::{
    flows::{
        Scale,
        clock::{Cost, Window},
        feed::Flow,
        load::{shuffled, side, square},
        switch::{Size, Switch, Wanders},
    },
    random::Random,
};

const BURST: usize = 32;

/// New flows in one window.
const NEW: usize = 4096;

/// Slots of the table: the default.
const SLOTS: usize = 65_536;

/// Flows that come by turns: when one comes again, it has long gone.
const FLOWS: usize = 16 * SLOTS;

/// Windows that count for what a new flow costs in the beginning, and in the end.
const ENDS: usize = 1000;

/// What was found.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Endured {
    /// How long flows came and went.
    pub(crate) seconds: f64,
    pub(crate) new_flows: u64,
    /// Of these, those for which another one had to give way.
    pub(crate) evicted: u64,
    /// Octets of this process in memory, when every place of the table had been taken, and in the end.
    pub(crate) resident_before: u64,
    pub(crate) resident_after: u64,
    /// What a new flow cost in the beginning and in the end.
    pub(crate) began: Cost,
    pub(crate) ended: Cost,
}

impl Endured {
    /// Octets by which the process has grown.
    pub(crate) fn grown(&self) -> u64 {
        self.resident_after.saturating_sub(self.resident_before)
    }
}

/// New flows in a full table, for so many seconds.
pub(crate) fn churn(seconds: u32, scale: &Scale) -> Endured {
    let size = Size {
        flows_max: SLOTS,
        receivers: side(FLOWS),
        burst: BURST,
        hash_key: HashKey::random(),
        huge: scale.hugepages,
    };
    let mut switch = Switch::new(&size, Wanders::Elsewhere);
    let flows: Arc<[Flow]> = shuffled(square(FLOWS), &mut Random::new(scale.seed));
    switch.know(flows, BURST);
    let windows =
        |switch: &mut Switch| -> Vec<_> { (0..ENDS).map(|_| Window::of(|| switch.carry(NEW, BURST))).collect() };
    let (start, before) = (Instant::now(), switch.counts());
    let began = windows(&mut switch);
    let resident_before = resident();
    let mut minutes = 0;
    while start.elapsed().as_secs() < u64::from(seconds) {
        switch.carry(NEW, BURST);
        if start.elapsed().as_secs() / 60 > minutes {
            minutes += 1;
            eprintln!("churn: {minutes} minutes, {} octets in memory", resident());
        }
    }
    let ended = windows(&mut switch);
    let (after, resident_after) = (switch.counts(), resident());
    Endured {
        seconds: start.elapsed().as_secs_f64(),
        new_flows: after.flow_misses - before.flow_misses,
        evicted: after.flow_evicted - before.flow_evicted,
        resident_before,
        resident_after,
        began: Cost::of(&began),
        ended: Cost::of(&ended),
    }
}

/// Octets of this process in memory, its tables included (proc(5)); 0 where the kernel does not tell.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/smaps_rollup").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("Rss:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_that_come_and_go_leave_nothing_behind() {
        let found = churn(0, &Scale::tiny());
        assert!(found.new_flows >= (2 * ENDS * NEW) as u64 * 9 / 10, "{found:?}");
        assert!(found.evicted * 10 >= found.new_flows * 9, "{found:?}");
        assert!(found.resident_before > 0 && found.grown() < 1 << 20, "{found:?}");
    }
}
