//! Whether CPUs may sleep while containers wait for an answer.
//!
//! Ours asks the kernel by itself, as its configuration says; for all others this program does, by the same means and while they
//! are measured only (PM QoS, Documentation/power/pm_qos_interface.rst).

use std::{
    fs::File,
    io::{self, Read, Write},
};

use super::containers::Probe;

/// Takes requests, an `i32` in microseconds, from whoever holds it open; tells the least of all.
const REQUESTS: &str = "/dev/cpu_dma_latency";

/// What it tells where nobody asks: 2000 s.
const NOBODY: i32 = 2_000_000_000;

/// What CPUs do that have nothing to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cpus {
    /// Sleep as the kernel sees fit.
    Asleep,
    /// Poll, so that none has to be woken.
    Awake,
}

impl Cpus {
    pub(super) const ALL: [Cpus; 2] = [Cpus::Asleep, Cpus::Awake];

    /// What is asked then. Streams keep their CPUs from sleeping by themselves.
    pub(super) fn probes(self) -> &'static [Probe] {
        match self {
            Cpus::Asleep => &Probe::ALL,
            Cpus::Awake => &Probe::TRIPS,
        }
    }

    /// What the names of such rows end in.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Cpus::Asleep => "",
            Cpus::Awake => ", CPUs awake",
        }
    }
}

/// The request that no CPU may sleep, until it is dropped.
pub(super) struct Awake {
    _held: File,
}

impl Awake {
    pub(super) fn hold() -> Result<Awake, String> {
        let asked = File::options().write(true).open(REQUESTS).and_then(|mut file| {
            file.write_all(&0_i32.to_ne_bytes())?;
            Ok(file)
        });
        asked.map(|held| Awake { _held: held }).map_err(|error| format!("{REQUESTS}: {error}"))
    }
}

/// What others ask for meanwhile, in microseconds; `None` where nobody does.
pub(super) fn asked_by_others() -> io::Result<Option<i32>> {
    let mut octets = [0; size_of::<i32>()];
    File::open(REQUESTS)?.read_exact(&mut octets)?;
    Ok(Some(i32::from_ne_bytes(octets)).filter(|us| *us != NOBODY))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_what_everybody_is_told() {
        match Awake::hold() {
            Ok(_held) => assert_eq!(asked_by_others().unwrap(), Some(0)),
            Err(why) => println!("skipped: {why}"),
        }
    }
}
