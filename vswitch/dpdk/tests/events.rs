//! What a device tells by itself reaches whoever looks after it, through DPDK's own dispatch of events.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

use std::ffi::{CString, c_char, c_int, c_void};

use dpdk::{EthDevice, EthEvents};
use rig::{open, pool_of, unique};

/// DPDK's numbers of events (`enum rte_eth_event_type`).
const LINK: c_int = 1;
const RESET: c_int = 3;
const REMOVAL: c_int = 6;

// What drivers call; DPDK exports it to them only, so it is not among the bindings.
unsafe extern "C" {
    fn rte_eth_dev_allocated(name: *const c_char) -> *mut c_void;
    fn rte_eth_dev_callback_process(device: *mut c_void, event: c_int, argument: *mut c_void) -> c_int;
    fn rte_dev_event_callback_process(device: *const c_char, event: c_int);
}

/// DPDK's number of the removal of a device from its bus (`enum rte_dev_event_type`).
const UNPLUGGED: c_int = 1;

/// Does what a bus does when the kernel wants a device back, as VFIO tells it.
fn unplug(device: &EthDevice) {
    let name = CString::new(device.name()).unwrap();
    // SAFETY: the name is zero-terminated.
    unsafe { rte_dev_event_callback_process(name.as_ptr(), UNPLUGGED) }
}

/// Does what a driver does when its device says so.
fn happen(device: &EthDevice, event: c_int) {
    let name = CString::new(device.name()).unwrap();
    // SAFETY: the name is zero-terminated; the device is open, and stays so during the call.
    unsafe {
        let driver_side = rte_eth_dev_allocated(name.as_ptr());
        assert!(!driver_side.is_null());
        rte_eth_dev_callback_process(driver_side, event, std::ptr::null_mut());
    }
}

#[test]
fn link_reset_and_removal_are_heard_of_the_device_they_are_about() {
    let pool = pool_of(31, 2048);
    let name = format!("net_null{}", unique());
    let (device, port) = open(&name, &pool);
    let (other, _other_port) = open(&format!("net_ring{}", unique()), &pool);
    assert_eq!(device.events(), EthEvents::default());
    for _ in 0..100 {
        happen(&device, LINK);
    }
    assert_eq!(device.events(), EthEvents { link_changes: 100, ..EthEvents::default() });
    assert!(!device.needs_reset() && device.gone().is_none());
    happen(&device, RESET);
    assert!(device.needs_reset() && device.gone().is_none());
    happen(&device, REMOVAL);
    assert_eq!(device.gone().unwrap(), format!("device {name} was removed"));
    assert_eq!(other.events(), EthEvents::default());
    drop((device, port));
    let (again, _port) = open(&name, &pool);
    assert_eq!(again.events(), EthEvents::default(), "a device opened again begins anew");
}

#[test]
fn a_device_that_its_bus_wants_back_is_gone_and_comes_back_as_new() {
    let pool = pool_of(31, 2048);
    let name = format!("net_null{}", unique());
    let (device, port) = open(&name, &pool);
    let (other, _other_port) = open(&format!("net_null{}", unique()), &pool);
    unplug(&device);
    assert_eq!(device.gone().unwrap(), format!("device {name} was removed"));
    assert_eq!(other.gone(), None);
    drop((device, port));
    let (again, _port) = open(&name, &pool);
    assert_eq!(again.gone(), None);
    unplug(&again);
    assert!(again.gone().is_some(), "it is listened to again");
    unplug(&other);
    assert!(other.gone().is_some(), "whoever else has been closed meanwhile");
}
