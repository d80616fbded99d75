//! DPDK's environment: started once in a process, cleaned up when nothing uses it any more.

use std::{
    collections::BTreeSet,
    ffi::{CStr, CString, OsStr},
    fs,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    ptr::{NonNull, null_mut},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::{
    EalConfig, Errno,
    affinity::Affinity,
    chatter::{self, Said},
    drivers::Drivers,
    memif::{Doorman, Entry, Memif},
};

/// DPDK starts once in a process, whatever comes of it.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Why DPDK did not start.
#[derive(Debug, thiserror::Error)]
pub enum EalError {
    /// It had been started before; DPDK cannot start twice in one process.
    #[error("DPDK was started in this process before; it can be started once")]
    Started,
    /// The CPU it should use is not ours.
    #[error("DPDK's CPU {cpu} is not among those this process may run on: {allowed:?}")]
    Cpu {
        /// The CPU that was asked for.
        cpu: u32,
        /// Those the kernel allows.
        allowed: Vec<u32>,
    },
    /// The kernel did not say or set the CPUs of this thread.
    #[error("cannot read or restore the CPU affinity of this thread: {0}")]
    Affinity(#[from] std::io::Error),
    /// A text that cannot be a file prefix or an argument.
    #[error("DPDK {what} {value:?} {cause}")]
    Argument {
        /// Which one.
        what: &'static str,
        /// What it was.
        value: String,
        /// Why it cannot be.
        cause: &'static str,
    },
    /// Hugepages were asked for, and there are none.
    #[error(
        "no free hugepages: reserve some (`echo 512 > /sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages`) or set \
         hugepages = false"
    )]
    NoHugepages,
    /// DPDK said no.
    #[error("DPDK did not start: {errno}{said}")]
    Refused {
        /// Its error number.
        errno: Errno,
        /// What it said in its log.
        said: Said,
    },
}

/// The name and version of the DPDK this process is linked with.
pub fn version() -> String {
    // SAFETY: returns a constant zero-terminated text.
    unsafe { CStr::from_ptr(dpdk_sys::rte_version()) }.to_string_lossy().into_owned()
}

/// The running environment. Clones are handles on the same one.
#[derive(Clone, Debug)]
pub struct Eal {
    runtime: Arc<Runtime>,
}

impl Eal {
    /// Starts DPDK. The caller's CPU affinity is what it was before.
    pub fn init(config: &EalConfig) -> Result<Eal, EalError> {
        let affinity = Affinity::of_this_thread()?;
        let cpu = choose_cpu(config.cpu, affinity.cpus().collect())?;
        check_prefix(config.file_prefix.as_deref())?;
        let arguments = to_c(&config.arguments(cpu, std::process::id()))?;
        if config.hugepages && free_hugepages() == Some(0) {
            return Err(EalError::NoHugepages);
        }
        if STARTED.swap(true, Relaxed) {
            return Err(EalError::Started);
        }
        let drivers = Drivers::before_start(config.all_drivers || !config.extra.is_empty());
        start(arguments, &affinity)?;
        Ok(Eal { runtime: Arc::new(Runtime::new(config, drivers)) })
    }

    pub(crate) fn runtime(&self) -> &Arc<Runtime> {
        &self.runtime
    }
}

fn choose_cpu(asked: Option<u32>, allowed: Vec<u32>) -> Result<u32, EalError> {
    match asked {
        Some(cpu) if allowed.contains(&cpu) => Ok(cpu),
        Some(cpu) => Err(EalError::Cpu { cpu, allowed }),
        None => Ok(allowed.first().copied().unwrap_or(0)),
    }
}

/// The prefix becomes a file name.
fn check_prefix(prefix: Option<&str>) -> Result<(), EalError> {
    let cause = match prefix {
        Some("" | "." | "..") => "is not a file name",
        Some(p) if p.len() > 64 => "is longer than 64 characters",
        Some(p) if p.contains(|c: char| !c.is_ascii_alphanumeric() && !"_.-".contains(c)) => {
            "may hold letters, digits, '_', '.' and '-' only"
        }
        _ => return Ok(()),
    };
    Err(EalError::Argument { what: "file prefix", value: prefix.unwrap_or_default().to_owned(), cause })
}

fn to_c(arguments: &[String]) -> Result<Vec<CString>, EalError> {
    let to_c = |text: &String| {
        let error = |_| EalError::Argument { what: "argument", value: text.clone(), cause: "holds a zero byte" };
        CString::new(text.as_str()).map_err(error)
    };
    arguments.iter().map(to_c).collect()
}

/// Free hugepages of all sizes; `None` where the kernel does not say.
fn free_hugepages() -> Option<u64> {
    let sizes = fs::read_dir("/sys/kernel/mm/hugepages").ok()?;
    let free =
        |size: fs::DirEntry| fs::read_to_string(size.path().join("free_hugepages")).ok()?.trim().parse::<u64>().ok();
    Some(sizes.flatten().filter_map(free).sum())
}

fn start(arguments: Vec<CString>, affinity: &Affinity) -> Result<(), EalError> {
    if !chatter::install() {
        log::warn!("DPDK's log could not be redirected; it goes to standard error");
    }
    let mut argv: Vec<_> = arguments.iter().map(|argument| argument.as_ptr().cast_mut()).collect();
    let argc = argv.len() as i32;
    argv.push(null_mut());
    // SAFETY: `argc` zero-terminated texts and a null pointer, as main() has them; DPDK only permutes the array.
    let (result, said) = chatter::capture(|| unsafe { dpdk_sys::rte_eal_init(argc, argv.as_mut_ptr()) });
    let errno = Errno::last();
    // Some options are kept by reference for the life of the process.
    std::mem::forget(arguments);
    affinity.restore()?;
    remove_run_directory();
    if result < 0 {
        return Err(EalError::Refused { errno, said });
    }
    said.lines().iter().for_each(|line| log::warn!(target: "dpdk", "{line}"));
    Ok(())
}

/// DPDK makes a directory for its process and, as we start it, puts nothing into it: do not leave one per start behind.
fn remove_run_directory() {
    // Where an operator's own arguments made DPDK use it, it is not empty and stays.
    let _ = fs::remove_dir(run_directory());
}

fn run_directory() -> PathBuf {
    // SAFETY: returns a zero-terminated text in static memory, empty before there is a directory.
    let directory = unsafe { CStr::from_ptr(dpdk_sys::rte_eal_get_runtime_dir()) };
    PathBuf::from(OsStr::from_bytes(directory.to_bytes()))
}

/// What everything that uses DPDK holds on to; cleans up when the last user goes.
#[derive(Debug)]
pub(crate) struct Runtime {
    pub(crate) hugepages: bool,
    /// The PCI bus is looked at.
    pub(crate) pci: bool,
    pub(crate) drivers: Drivers,
    pools: Mutex<Vec<PoolAddress>>,
    /// DPDK's ports that are open.
    ports: Mutex<BTreeSet<u16>>,
    /// Who stands in front of memifs; there is none before the first.
    doorman: Mutex<Option<Doorman>>,
}

/// A pool of this process and how many buffers it has when all are home.
#[derive(Debug)]
struct PoolAddress(NonNull<dpdk_sys::rte_mempool>, u32);

// SAFETY: pools may be asked for their level from any thread.
unsafe impl Send for PoolAddress {}

impl Runtime {
    fn new(config: &EalConfig, drivers: Drivers) -> Self {
        Runtime {
            hugepages: config.hugepages,
            pci: !config.no_pci,
            drivers,
            pools: Mutex::default(),
            ports: Mutex::default(),
            doorman: Mutex::default(),
        }
    }

    /// Remembers a pool, which from now on lives as long as the environment.
    pub(crate) fn adopt(&self, pool: NonNull<dpdk_sys::rte_mempool>, frames: u32) {
        lock(&self.pools).push(PoolAddress(pool, frames));
    }

    /// DPDK's ports that are open. Whoever opens or closes one holds this lock meanwhile: DPDK gives a port's number away
    /// again as soon as it is closed.
    pub(crate) fn ports(&self) -> MutexGuard<'_, BTreeSet<u16>> {
        lock(&self.ports)
    }

    /// Makes a way for a memif that is about to be opened. The error is a sentence.
    pub(crate) fn admit(&self, memif: &Memif) -> Result<Entry, String> {
        let mut doorman = lock(&self.doorman);
        let failed = |error| format!("cannot start the thread that serves memifs: {error}");
        let doorman = match &mut *doorman {
            Some(doorman) => doorman,
            none => none.insert(Doorman::start(&run_directory()).map_err(failed)?),
        };
        doorman.admit(memif)
    }

    fn frames_out(&self) -> u32 {
        // SAFETY: adopted pools live as long as the environment.
        let out =
            |pool: &PoolAddress| pool.1.saturating_sub(unsafe { dpdk_sys::rte_mempool_avail_count(pool.0.as_ptr()) });
        lock(&self.pools).iter().map(out).sum()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        lock(&self.doorman).take();
        // Cleaning up unmaps the buffers: a frame that is still out somewhere would point nowhere.
        match self.frames_out() {
            // SAFETY: nothing holds the runtime any more: no pool, device, port or registered thread.
            0 => unsafe {
                dpdk_sys::rte_eal_cleanup();
            },
            out => log::warn!("{out} frames are still out; DPDK's memory stays until the process ends"),
        }
    }
}

/// A lock that a panicking thread does not take with it: every change under these locks is one insertion or removal.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cpu_that_is_not_ours_is_refused_with_those_that_are() {
        assert_eq!(choose_cpu(None, vec![4, 5]).unwrap(), 4);
        assert_eq!(choose_cpu(Some(5), vec![4, 5]).unwrap(), 5);
        let error = choose_cpu(Some(1), vec![4, 5]).unwrap_err().to_string();
        assert_eq!(error, "DPDK's CPU 1 is not among those this process may run on: [4, 5]");
    }

    #[test]
    fn a_file_prefix_that_leaves_the_directory_is_refused() {
        assert!(check_prefix(None).is_ok() && check_prefix(Some("node-1_a.b")).is_ok());
        for bad in ["", "..", "a/b", "a%d", "a b", &"x".repeat(65)] {
            assert!(check_prefix(Some(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn an_argument_with_a_zero_byte_is_refused_by_name() {
        let error = to_c(&["-a\0b".to_owned()]).unwrap_err().to_string();
        assert_eq!(error, "DPDK argument \"-a\\0b\" holds a zero byte");
    }
}
