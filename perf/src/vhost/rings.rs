//! What the rings cost: frames between a guest's driver and a port, in one thread, ours and the library's in turns.

use std::{
    thread,
    time::{Duration, Instant},
};

use dpdk::{EthPort, Pool};
use frame::{Burst, Frame, Pool as _, Port};

use super::{
    report::RingRow,
    rig::{Bench, PATIENCE, Ring},
};

/// Frames of a burst: what drivers and other switches take at a time.
const BURST: usize = 32;

/// Bursts timed together: short enough that most are not interrupted, long enough that the clock does not matter.
const BURSTS: u32 = 250;

/// Octets of the frames, where none are asked for.
pub(super) const SIZES: [usize; 2] = [64, 1500];

/// Which way frames go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Path {
    /// From the switch to the guest.
    Enqueue,
    /// From the guest to the switch.
    Dequeue,
}

impl Path {
    pub(super) const ALL: [Path; 2] = [Path::Enqueue, Path::Dequeue];

    pub(super) fn name(self) -> &'static str {
        match self {
            Path::Enqueue => "enqueue",
            Path::Dequeue => "dequeue",
        }
    }
}

/// Two ends of a ring pair, and what a clock costs.
struct Ends<'a, P> {
    port: &'a mut P,
    guest: &'a mut EthPort,
    pool: Pool,
    clock: Duration,
}

/// Every path and size over one kind of ring.
pub(super) fn measure(bench: &Bench<'_>, ring: Ring, sizes: &[usize], chunks: u32) -> Result<Vec<RingRow>, String> {
    let (mut ours, mut theirs) = (bench.ours(ring)?, bench.theirs(ring)?);
    let (clock, pool) = (clock_cost(), bench.pool);
    let mut ours = Ends { port: &mut ours.port, guest: &mut ours.guest.port, pool: pool.clone(), clock };
    let mut theirs = Ends { port: &mut theirs.port, guest: &mut theirs.guest.port, pool: pool.clone(), clock };
    ours.get_going().map_err(|error| format!("ours: {error}"))?;
    theirs.get_going().map_err(|error| format!("rte_vhost: {error}"))?;
    let mut rows = Vec::new();
    for path in Path::ALL {
        for &size in sizes {
            let frame = pattern(size);
            let mut times = [Vec::new(), Vec::new()];
            // The first of each warms the caches up.
            for chunk in 0..=chunks {
                let both = [ours.chunk(path, &frame)?, theirs.chunk(path, &frame)?];
                times.iter_mut().zip(both).filter(|_| chunk > 0).for_each(|(times, time)| times.push(time));
            }
            let [ours_ns, rte_vhost_ns] = times;
            rows.push(RingRow::new(path, ring, size, ours_ns, rte_vhost_ns));
        }
    }
    Ok(rows)
}

/// Octets no two neighbours of which are the same, behind a broadcast MAC.
fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|at| if at < 6 { 0xff } else { (at % 251) as u8 }).collect()
}

/// What it takes to look at the clock twice.
fn clock_cost() -> Duration {
    let looks = (0..1000).map(|_| Instant::now().elapsed());
    looks.min().unwrap_or_default()
}

impl<P: Port> Ends<'_, P> {
    /// Waits until frames pass both ways: rings are enabled by messages that somebody else's thread reads.
    fn get_going(&mut self) -> Result<(), String> {
        let (frame, deadline) = (pattern(SIZES[0]), Instant::now() + PATIENCE);
        loop {
            match self.enqueue(&frame).and_then(|_| self.dequeue(&frame)) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() > deadline => return Err(error),
                Err(_) => thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Bursts that go one way; ns per frame of our end alone.
    fn chunk(&mut self, path: Path, frame: &[u8]) -> Result<f64, String> {
        let mut time = Duration::ZERO;
        for _ in 0..BURSTS {
            let took = match path {
                Path::Enqueue => self.enqueue(frame)?,
                Path::Dequeue => self.dequeue(frame)?,
            };
            time += took.saturating_sub(self.clock);
        }
        Ok(time.as_nanos() as f64 / f64::from(BURSTS) / BURST as f64)
    }

    fn enqueue(&mut self, frame: &[u8]) -> Result<Duration, String> {
        let mut burst = self.burst(frame)?;
        let before = Instant::now();
        let sent = self.port.tx_burst(&mut burst);
        let took = before.elapsed();
        let got = self.guest.rx_burst(&mut burst, BURST);
        self.check(burst, frame, (sent.frames as usize, got)).map(|()| took)
    }

    fn dequeue(&mut self, frame: &[u8]) -> Result<Duration, String> {
        let mut burst = self.burst(frame)?;
        let sent = self.guest.tx_burst(&mut burst);
        let before = Instant::now();
        let got = self.port.rx_burst(&mut burst, BURST);
        let took = before.elapsed();
        self.check(burst, frame, (sent.frames as usize, got)).map(|()| took)
    }

    /// A burst of copies of `frame`.
    fn burst(&mut self, frame: &[u8]) -> Result<Burst, String> {
        let mut burst = Burst::new();
        for _ in 0..BURST {
            let Some(mut copy) = self.pool.alloc() else {
                self.pool.release(&mut burst);
                return Err("the pool is empty: frames were lost".to_owned());
            };
            let fits = copy.write(frame);
            let refused = if fits { burst.push(copy).err() } else { Some(copy) };
            refused.into_iter().for_each(|frame| self.pool.release_one(frame));
        }
        Ok(burst)
    }

    /// Takes the frames back; each must be there, octet for octet.
    fn check(&mut self, mut burst: Burst, frame: &[u8], moved: (usize, usize)) -> Result<(), String> {
        let same = burst.as_slice().iter().map(Frame::data).all(|data| data == frame);
        self.pool.release(&mut burst);
        match moved {
            (BURST, BURST) if same => Ok(()),
            (BURST, BURST) => Err("a frame came out changed".to_owned()),
            (sent, got) => Err(format!("of {BURST} frames {sent} went in and {got} came out")),
        }
    }
}
