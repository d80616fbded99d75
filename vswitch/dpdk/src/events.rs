//! What devices tell by themselves: their link changed, they want a reset, they are gone; and what their bus tells of them:
//! that somebody wants to unplug one. The kernel does not take a device from VFIO before whoever drives it has let go.
//!
//! DPDK calls on a thread of its own, so a callback only marks a word of the port, which of a bus it has to find by the device's
//! name; whoever looks after the device reads it when it comes by.

use std::{
    collections::BTreeMap,
    ffi::{CStr, CString, c_char, c_void},
    ptr::{null, null_mut},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
};

use dpdk_sys::{
    RTE_DEV_EVENT_REMOVE, RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_INTR_RESET, RTE_ETH_EVENT_INTR_RMV, rte_dev_event_type,
    rte_eth_event_type,
};

const PORTS_MAX: usize = dpdk_sys::RTE_MAX_ETHPORTS as usize;

/// The events listened to.
const KINDS: [rte_eth_event_type; 3] = [RTE_ETH_EVENT_INTR_LSC, RTE_ETH_EVENT_INTR_RESET, RTE_ETH_EVENT_INTR_RMV];

/// One for each of DPDK's ports, static because a callback may still run while its device closes.
static MARKS: [Marks; PORTS_MAX] = [const { Marks::new() }; PORTS_MAX];

/// The devices whose buses are listened to, by name, and their ports.
static DEVICES: Mutex<BTreeMap<CString, u16>> = Mutex::new(BTreeMap::new());

fn devices() -> MutexGuard<'static, BTreeMap<CString, u16>> {
    DEVICES.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Marks {
    link_changes: AtomicU32,
    needs_reset: AtomicBool,
    is_removed: AtomicBool,
}

/// What a device has told since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EthEvents {
    /// How often its link changed, where the driver tells; wraps.
    pub link_changes: u32,
    /// It can go on only when it is closed and opened again: after a reset of its PF, or another MAC from there.
    pub needs_reset: bool,
    /// It is gone: taken away, or its VF was; or it is about to be, and only waits for being closed.
    pub is_removed: bool,
}

impl Marks {
    const fn new() -> Marks {
        Marks {
            link_changes: AtomicU32::new(0),
            needs_reset: AtomicBool::new(false),
            is_removed: AtomicBool::new(false),
        }
    }

    fn clear(&self) {
        self.link_changes.store(0, Relaxed);
        self.needs_reset.store(false, Relaxed);
        self.is_removed.store(false, Relaxed);
    }
}

/// Begins to listen to a port just opened, and to the bus of its device; before it is started.
pub(crate) fn listen(port: u16, device: &CStr) {
    let Some(marks) = MARKS.get(usize::from(port)) else { return };
    marks.clear();
    for kind in KINDS {
        // SAFETY: the callback is a C function that lives as long as the process and uses no argument.
        let result = unsafe { dpdk_sys::rte_eth_dev_callback_register(port, kind, Some(mark), null_mut()) };
        if result < 0 {
            log::warn!("DPDK port {port}: its events cannot be listened to: {}", crate::Errno::new(result));
        }
    }
    devices().insert(device.to_owned(), port);
    // For all devices, once and for ever: to take the callback of one away takes those of all others with it in early releases of
    // DPDK 22.11.
    // SAFETY: as above; no name stands for all.
    let result = unsafe { dpdk_sys::rte_dev_event_callback_register(null(), Some(mark_device), null_mut()) };
    if result < 0 && result != -libc::EEXIST {
        log::warn!("{}: its bus cannot be listened to: {}", device.to_string_lossy(), crate::Errno::new(result));
    }
}

/// Ends it. Where a callback runs just now, it stays registered and marks what nobody reads.
pub(crate) fn ignore(port: u16, device: &CStr) {
    devices().remove(device);
    for kind in KINDS {
        // SAFETY: as it was registered.
        unsafe { dpdk_sys::rte_eth_dev_callback_unregister(port, kind, Some(mark), null_mut()) };
    }
}

/// What the port has told since [`listen`].
pub(crate) fn heard(port: u16) -> EthEvents {
    let Some(marks) = MARKS.get(usize::from(port)) else { return EthEvents::default() };
    EthEvents {
        link_changes: marks.link_changes.load(Relaxed),
        needs_reset: marks.needs_reset.load(Relaxed),
        is_removed: marks.is_removed.load(Relaxed),
    }
}

/// What DPDK calls when a bus tells of a device.
extern "C" fn mark_device(name: *const c_char, event: rte_dev_event_type, _: *mut c_void) {
    if event != RTE_DEV_EVENT_REMOVE || name.is_null() {
        return;
    }
    // SAFETY: the name of a device, zero-terminated, for the length of the call.
    let port = devices().get(unsafe { CStr::from_ptr(name) }).copied();
    if let Some(marks) = port.and_then(|port| MARKS.get(usize::from(port))) {
        marks.is_removed.store(true, Relaxed);
    }
}

/// What DPDK calls when a driver tells of a port.
extern "C" fn mark(port: u16, event: rte_eth_event_type, _: *mut c_void, _: *mut c_void) -> i32 {
    if let Some(marks) = MARKS.get(usize::from(port)) {
        match event {
            RTE_ETH_EVENT_INTR_LSC => {
                marks.link_changes.fetch_add(1, Relaxed);
            }
            RTE_ETH_EVENT_INTR_RESET => marks.needs_reset.store(true, Relaxed),
            RTE_ETH_EVENT_INTR_RMV => marks.is_removed.store(true, Relaxed),
            _ => {}
        }
    }
    0
}
