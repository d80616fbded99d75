//! Answer of `show_workers`.

use serde::{Deserialize, Serialize};

/// All workers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workers {
    /// One row a worker.
    pub workers: Vec<WorkerRow>,
    /// What the kernel is asked while there is traffic; `None` where the configuration asks for nothing.
    #[serde(default)]
    pub cpu_latency: Option<CpuLatency>,
}

/// How long a CPU of the node may take to wake up while there is traffic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CpuLatency {
    /// The longest that is asked for, in microseconds.
    pub max_us: u16,
    /// Whether the kernel is held to it now: not while there is no traffic.
    pub held: bool,
    /// Why it cannot be asked, or will not heed; `None` where nothing is known against it.
    pub problem: Option<String>,
}

/// What one worker did since it started, and how full its tables are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRow {
    /// Its number, from 0.
    pub worker: u8,
    /// The CPU it is pinned to, where it is.
    pub cpu: Option<u32>,
    /// CPU time that its thread has used since the start, in microseconds; `None` where the kernel does not tell.
    pub cpu_time_us: Option<u64>,
    /// What it used of a CPU within the last second or two, in thousandths of one: a worker that polls on and on uses
    /// 1000 of whatever CPU it has for itself. `None` in the first seconds, and where the kernel does not tell.
    pub load_permille: Option<u16>,
    /// Turns of its loop.
    pub turns: u64,
    /// Turns in which nothing was there to do.
    pub idle_turns: u64,
    /// Frames received.
    pub rx: u64,
    /// Frames sent.
    pub tx: u64,
    /// Frames dropped.
    pub dropped: u64,
    /// Frames given to other workers.
    pub handed: u64,
    /// Frames taken from other workers.
    pub taken: u64,
    /// Cached decisions now.
    pub flows: u64,
    /// Cached decisions there is room for.
    pub flows_max: u64,
    /// MACs known now.
    pub macs: u64,
    /// MACs there is room for.
    pub macs_max: u64,
    /// Frames that found their cached decision.
    pub flow_hits: u64,
    /// Frames that had to be decided about.
    pub flow_misses: u64,
    /// Cached decisions that gave way to newer ones.
    pub flow_evicted: u64,
    /// Cached decisions made anew, because something they rest on had changed.
    pub flow_redecided: u64,
    /// Cached decisions that rested long enough to go.
    pub flow_aged: u64,
    /// MACs learned.
    pub mac_learned: u64,
    /// MACs seen behind another member than before.
    pub mac_moved: u64,
    /// MACs forgotten after their idle time.
    pub mac_aged: u64,
    /// MACs not learned, because their network's limit was reached.
    pub mac_refused_network: u64,
    /// MACs not learned, because the table was full.
    pub mac_refused_table: u64,
    /// FDB news that other workers could not be told at once (told again later).
    pub mac_deltas_deferred: u64,
    /// Frames that went out of scope instead of ending somewhere: a defect.
    pub lost: u64,
}

impl WorkerRow {
    /// Share of turns with nothing to do, 0 to 1; `None` before the first turn.
    pub fn idle_share(&self) -> Option<f64> {
        (self.turns > 0).then(|| self.idle_turns as f64 / self.turns as f64)
    }
}
