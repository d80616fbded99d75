//! Threads that DPDK knows.
//!
//! A buffer pool keeps a cache per thread it knows; a thread it does not know pays for the shared ring with every call
//! (36–40 ns a packet against 17–18, measured). So every worker registers, after it has pinned itself.

use std::{marker::PhantomData, sync::Arc};

use crate::{Eal, Errno, eal::Runtime};

/// DPDK's number of a thread it does not know.
const UNKNOWN: u32 = u32::MAX;

/// Why a thread could not be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThreadError {
    /// It is known already: registered, or the thread that started DPDK.
    #[error("this thread is registered with DPDK already, as number {0}")]
    Registered(u32),
    /// DPDK refused; as a rule because all its thread numbers are taken.
    #[error("DPDK cannot register another thread: {0}; start fewer workers")]
    Refused(Errno),
}

/// A thread's registration; ends when it goes, on the same thread.
#[derive(Debug)]
pub struct ThreadGuard {
    number: u32,
    _runtime: Arc<Runtime>,
    /// Registration belongs to the thread.
    _not_send: PhantomData<*const ()>,
}

impl Eal {
    /// Registers the calling thread; pin it to its CPU first. Each pool then has a cache for it.
    pub fn register_thread(&self) -> Result<ThreadGuard, ThreadError> {
        let known = this_thread();
        if known != UNKNOWN {
            return Err(ThreadError::Registered(known));
        }
        // SAFETY: DPDK is initialised as long as there is an Eal, and this thread is not registered.
        if unsafe { dpdk_sys::rte_thread_register() } != 0 {
            return Err(ThreadError::Refused(Errno::last()));
        }
        Ok(ThreadGuard { number: this_thread(), _runtime: Arc::clone(self.runtime()), _not_send: PhantomData })
    }
}

impl ThreadGuard {
    /// DPDK's number of this thread.
    pub fn number(&self) -> u32 {
        self.number
    }
}

impl Drop for ThreadGuard {
    fn drop(&mut self) {
        // SAFETY: this is the thread that registered (the guard is not Send), and DPDK is still initialised.
        unsafe { dpdk_sys::rte_thread_unregister() }
    }
}

/// DPDK's number of the calling thread.
fn this_thread() -> u32 {
    // SAFETY: reads a thread-local integer.
    unsafe { dpdk_sys::millrace_lcore_id() }
}
