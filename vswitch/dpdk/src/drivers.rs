//! Which of DPDK's drivers are loaded, and when.
//!
//! DPDK by itself loads all that are installed, which makes half of the time that a start takes. Here those are loaded that a
//! device needs, when the first such device is opened. That works for virtual devices whose driver is a library of their name;
//! for any other (NICs, of which many libraries could be the driver; bonds, which open devices themselves) the rest is
//! loaded as well. A driver that was loaded stays.

use std::{
    ffi::{CStr, CString, OsStr},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::devargs::Devargs;

/// What every start needs: the buses that devices hang on, and what our pools are made of.
const ALWAYS: [&str; 3] = ["bus_pci", "bus_vdev", "mempool_ring"];

/// Drivers of virtual devices that need no other driver.
const ALONE: [&str; 8] =
    ["net_af_packet", "net_af_xdp", "net_memif", "net_null", "net_pcap", "net_ring", "net_tap", "net_vhost"];

/// The drivers of this process.
#[derive(Debug)]
pub(crate) struct Drivers {
    all: AtomicBool,
}

impl Drivers {
    /// To be called before DPDK starts.
    pub(crate) fn before_start(all: bool) -> Drivers {
        let always: Option<Vec<PathBuf>> = ALWAYS.iter().map(|name| library(name)).collect();
        let Some(always) = always.filter(|_| !all) else { return Drivers { all: true.into() } };
        // SAFETY: DPDK has not been started, and only one thread starts it.
        unsafe { dpdk_sys::millrace_drivers_by_name() };
        let all = !always.iter().all(|file| load(file));
        let drivers = Drivers { all: false.into() };
        if all {
            drivers.load_all();
        }
        drivers
    }

    /// To be called before a device is opened. What is missing then, DPDK says.
    pub(crate) fn load_for(&self, devargs: &Devargs) {
        if self.all.load(Relaxed) {
            return;
        }
        let alone = ALONE.contains(&devargs.driver()) && !devargs.pci;
        if !(alone && library(devargs.driver()).is_some_and(|file| load(&file))) {
            self.load_all();
        }
    }

    fn load_all(&self) {
        libraries().iter().for_each(|file| {
            load(file);
        });
        self.all.store(true, Relaxed);
    }
}

/// Where DPDK looks for drivers.
fn folder() -> &'static Path {
    let path = CStr::from_bytes_until_nul(dpdk_sys::MILLRACE_DRIVERS).unwrap_or_default();
    Path::new(OsStr::from_bytes(path.to_bytes()))
}

/// All drivers: in their folder each has its full version in its name, and links to it may lie beside it.
fn libraries() -> Vec<PathBuf> {
    let Ok(folder) = fs::read_dir(folder()) else { return Vec::new() };
    let files = folder.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    files.map(|entry| entry.path()).collect()
}

fn library(name: &str) -> Option<PathBuf> {
    let begin = format!("librte_{name}.so");
    libraries()
        .into_iter()
        .find(|file| file.file_name().is_some_and(|name| name.as_bytes().starts_with(begin.as_bytes())))
}

fn load(file: &Path) -> bool {
    let Ok(path) = CString::new(file.as_os_str().as_bytes()) else { return false };
    // SAFETY: a zero-terminated path of a driver, whose constructors are made to run in a process that uses DPDK, also after
    // its start; the answer is null or a zero-terminated text that is copied before the next call.
    let error = unsafe {
        let error = dpdk_sys::millrace_load_driver(path.as_ptr());
        (!error.is_null()).then(|| CStr::from_ptr(error).to_string_lossy().into_owned())
    };
    if let Some(error) = &error {
        log::warn!("a driver of DPDK cannot be loaded: {error}");
    }
    error.is_none()
}
