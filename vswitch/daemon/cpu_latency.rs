//! How long CPUs may take to wake up while there is traffic: a request to the kernel's power management (PM QoS,
//! Documentation/power/pm_qos_interface.rst), made by holding a file open.
//!
//! Whoever waits for a packet lets his CPU go to sleep, and the packet then waits for the CPU. The request counts for all CPUs,
//! those of the containers above all. It ends with the descriptor, so that it never outlives the process, however that ends.

use std::{
    fs::{self, File},
    io::{self, Write},
    mem,
    path::Path,
    time::Duration,
};

use log::{debug, info, warn};

/// What takes the request: an `i32` in microseconds, native byte order.
const REQUESTS: &str = "/dev/cpu_dma_latency";
/// Who puts CPUs to sleep, and therefore heeds it: a name, or `none`.
const DRIVER: &str = "/sys/devices/system/cpu/cpuidle/current_driver";

/// Time without a frame after which CPUs may sleep as they like.
const SILENCE: Duration = Duration::from_secs(1);
/// Time between two attempts where the first one failed.
const AGAIN: Duration = Duration::from_secs(10);

/// The request, and whether there is a reason for it now.
pub(crate) struct CpuLatency {
    requests: &'static Path,
    driver: &'static Path,
    /// What the configuration says, in microseconds.
    wish: Option<u16>,
    held: Option<File>,
    /// Why it cannot be asked, or will not be heeded.
    problem: Option<String>,
    /// Frames received by the last look.
    received: u64,
    /// When the last of them was noticed.
    busy_at: Option<Duration>,
    /// When the last attempt failed.
    failed_at: Option<Duration>,
}

impl Default for CpuLatency {
    fn default() -> Self {
        CpuLatency::at(Path::new(REQUESTS), Path::new(DRIVER))
    }
}

impl CpuLatency {
    fn at(requests: &'static Path, driver: &'static Path) -> CpuLatency {
        let (wish, held, problem, busy_at, failed_at) = (None, None, None, None, None);
        CpuLatency { requests, driver, wish, held, problem, received: 0, busy_at, failed_at }
    }

    /// Holds the request while there is traffic. `wish` is what the configuration says, in microseconds; `received` counts the
    /// frames that all workers have received, and `now` is the time. Meant to be called every few dozen milliseconds.
    pub(crate) fn follow(&mut self, wish: Option<u16>, received: u64, now: Duration) {
        if mem::replace(&mut self.received, received) != received {
            self.busy_at = Some(now);
        }
        if self.wish != wish {
            self.take_up(wish);
        }
        let Some(max_us) = self.wish else { return };
        let is_busy = self.busy_at.is_some_and(|at| now.saturating_sub(at) < SILENCE);
        if !is_busy {
            if self.held.take().is_some() {
                debug!("no traffic: CPUs sleep as they like");
            }
        } else if self.held.is_none() && self.failed_at.is_none_or(|at| now.saturating_sub(at) >= AGAIN) {
            self.hold(max_us, now);
        }
    }

    /// What is asked for and whether it is held, for whoever wants to know.
    pub(crate) fn status(&self) -> Option<api::CpuLatency> {
        let (held, problem) = (self.held.is_some(), self.problem.clone());
        self.wish.map(|max_us| api::CpuLatency { max_us, held, problem })
    }

    /// Says at once what will be in the way, instead of with the first packet.
    fn take_up(&mut self, wish: Option<u16>) {
        (self.wish, self.held, self.problem, self.failed_at) = (wish, None, None, None);
        let Some(max_us) = wish else { return };
        // Opening it asks for nothing yet.
        if let Err(error) = self.open() {
            self.object(format!("{}: {error}", self.requests.display()));
        } else if !self.is_heeded() {
            let driver = self.driver.display();
            self.object(format!("no driver puts CPUs to sleep here, so none heeds it ({driver})"));
        } else {
            info!("while there is traffic, CPUs are to wake up within {max_us} us");
        }
    }

    fn hold(&mut self, max_us: u16, now: Duration) {
        let asked = self.open().and_then(|mut file| {
            file.write_all(&i32::from(max_us).to_ne_bytes())?;
            Ok(file)
        });
        match asked {
            Ok(file) => {
                debug!("traffic: CPUs are to wake up within {max_us} us");
                self.held = Some(file);
                if self.failed_at.take().is_some() {
                    self.problem = None;
                }
            }
            Err(error) => {
                self.failed_at = Some(now);
                self.object(format!("{}: {error}", self.requests.display()));
            }
        }
    }

    fn open(&self) -> io::Result<File> {
        File::options().write(true).open(self.requests)
    }

    fn is_heeded(&self) -> bool {
        fs::read_to_string(self.driver).is_ok_and(|driver| driver.trim() != "none")
    }

    /// Says it once, however often it is met.
    fn object(&mut self, problem: String) {
        if self.problem.as_ref() != Some(&problem) {
            warn!("[workers] cpu_latency_us: {problem}; `millrace doctor` tells more");
            self.problem = Some(problem);
        }
    }
}

#[cfg(test)]
mod tests;
