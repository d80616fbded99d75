//! Storm control: how many frames a second a port may have flooded. A token bucket for each port on each worker.

use table::Tick;

use crate::{PORTS_MAX, PortId, PortSpec};

/// Tokens are tenths of frames, so that a tick of 100 ms earns `storm_max` of them.
const FRAME: u64 = 10;
/// What a bucket holds at most, in ticks' worth: a burst within one tick is no storm.
const DEPTH_TICKS: u64 = 2;

#[derive(Clone, Copy, Default)]
struct Bucket {
    tokens: u64,
    filled: Tick,
}

/// All ports' buckets.
pub(crate) struct Buckets(Vec<Bucket>);

impl Buckets {
    pub(crate) fn new() -> Buckets {
        Buckets(vec![Bucket::default(); PORTS_MAX])
    }

    /// Whether one more frame from `port` may be flooded now. A port with several queues has its share on each worker.
    pub(crate) fn admit(&mut self, port: PortId, spec: &PortSpec, now: Tick) -> bool {
        let (Some(storm_max), Some(bucket)) = (spec.storm_max, self.0.get_mut(port.index())) else { return true };
        let rate = u64::from(storm_max).div_ceil(spec.workers.len().max(1) as u64);
        let depth = (rate * DEPTH_TICKS).max(FRAME);
        let earned = rate.saturating_mul(u64::from(now.since(bucket.filled)));
        bucket.tokens = bucket.tokens.saturating_add(earned).min(depth);
        bucket.filled = now;
        let admitted = bucket.tokens >= FRAME;
        bucket.tokens -= if admitted { FRAME } else { 0 };
        admitted
    }
}
