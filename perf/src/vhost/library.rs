//! DPDK's vhost library as a port, to be measured beside ours. The one file of this room with `unsafe`.

#![allow(unsafe_code)]

use std::{
    ffi::{CStr, CString, c_int},
    path::Path,
    ptr::NonNull,
    sync::Mutex,
};

use dpdk_sys::{rte_mbuf, rte_mempool, rte_vhost_device_ops};
use frame::{Burst, Frame, Pool, Port, Sent};

use super::Features;

/// Rings of the one queue pair, as the guest numbers them.
const TO_GUEST: u16 = 0;
const FROM_GUEST: u16 = 1;

/// Devices that have a guest: the number the library gave each.
static DEVICES: Mutex<Vec<c_int>> = Mutex::new(Vec::new());

extern "C" fn came(device: c_int) -> c_int {
    // As DPDK's own driver does: whoever polls need not be kicked.
    for ring in [TO_GUEST, FROM_GUEST] {
        // SAFETY: the library has just made this device.
        unsafe { dpdk_sys::rte_vhost_enable_guest_notification(device, ring, 0) };
    }
    devices().push(device);
    0
}

extern "C" fn went(device: c_int) {
    devices().retain(|&known| known != device);
}

fn devices() -> std::sync::MutexGuard<'static, Vec<c_int>> {
    DEVICES.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A socket on which the library listens.
pub(super) struct Library {
    socket: CString,
}

impl Library {
    /// Listens, and offers no features but these.
    pub(super) fn listen(socket: &Path, features: Features) -> Result<Library, String> {
        let socket = CString::new(socket.as_os_str().as_encoded_bytes()).map_err(|error| error.to_string())?;
        let name = socket.as_ptr();
        // The library keeps the pointer.
        let callbacks = Box::leak(Box::new(rte_vhost_device_ops {
            new_device: Some(came),
            destroy_device: Some(went),
            ..rte_vhost_device_ops::default()
        }));
        // SAFETY: the name is zero-terminated and copied, the callbacks live for ever.
        let failed = unsafe {
            dpdk_sys::rte_vhost_driver_register(name, 0) != 0
                || dpdk_sys::rte_vhost_driver_disable_features(name, !features.0) != 0
                || dpdk_sys::rte_vhost_driver_callback_register(name, callbacks) != 0
                || dpdk_sys::rte_vhost_driver_start(name) != 0
        };
        if failed { Err(format!("rte_vhost does not listen on {socket:?}")) } else { Ok(Library { socket }) }
    }

    /// The port to this socket's guest, once there is one; its frames come from the pool of this name.
    pub(super) fn port<M: Pool>(&self, pool: M, name: &str) -> Option<LibraryPort<M>> {
        let device = *devices().iter().find(|&&device| self.is_of(device))?;
        let name = CString::new(name).ok()?;
        // SAFETY: the name is zero-terminated.
        let raw = NonNull::new(unsafe { dpdk_sys::rte_mempool_lookup(name.as_ptr()) })?;
        Some(LibraryPort { device, raw, pool })
    }

    fn is_of(&self, device: c_int) -> bool {
        let mut name = [0; 108];
        // SAFETY: the buffer has the length it is said to have, and what is in it ends with a zero.
        unsafe {
            dpdk_sys::rte_vhost_get_ifname(device, name.as_mut_ptr(), name.len()) == 0
                && CStr::from_ptr(name.as_ptr()) == self.socket.as_c_str()
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        // SAFETY: registered by `listen`.
        unsafe { dpdk_sys::rte_vhost_driver_unregister(self.socket.as_ptr()) };
    }
}

/// A queue pair of the library's.
pub(super) struct LibraryPort<M> {
    device: c_int,
    raw: NonNull<rte_mempool>,
    pool: M,
}

impl<M: Pool> Port for LibraryPort<M> {
    fn rx_burst(&mut self, burst: &mut Burst, max: usize) -> usize {
        let spare = burst.spare_mut();
        let want = max.min(spare.len()) as u16;
        let slots: *mut *mut rte_mbuf = spare.as_mut_ptr().cast();
        // SAFETY: `want` slots are free; the pool lives as long as the process.
        let got = unsafe { dpdk_sys::rte_vhost_dequeue_burst(self.device, FROM_GUEST, self.raw.as_ptr(), slots, want) };
        // SAFETY: the library filled as many with buffers that are ours now: of one segment, since the guest's frames are
        // shorter than a buffer.
        unsafe { burst.grow(usize::from(got)) };
        usize::from(got)
    }

    fn tx_burst(&mut self, burst: &mut Burst) -> Sent {
        let count = burst.len();
        let frames: *mut *mut rte_mbuf = burst.as_mut_slice().as_mut_ptr().cast();
        // SAFETY: frames are mbufs, and stay ours.
        let taken = unsafe { dpdk_sys::rte_vhost_enqueue_burst(self.device, TO_GUEST, frames, count as u16) };
        let bytes = burst.as_slice()[..usize::from(taken)].iter().map(Frame::len).sum::<usize>() as u64;
        self.pool.release(burst);
        Sent { frames: taken.into(), refused: count as u32 - u32::from(taken), bytes }
    }
}
