//! The CPUs a thread may run on: saved before DPDK narrows them, and put back.

use std::{io, mem};

/// A set of CPUs, as the kernel keeps it for a thread.
#[derive(Clone, Copy)]
pub(crate) struct Affinity(libc::cpu_set_t);

impl Affinity {
    /// That of the calling thread.
    pub(crate) fn of_this_thread() -> io::Result<Self> {
        // SAFETY: a cpu_set_t is an array of integers, valid when zeroed.
        let mut set: libc::cpu_set_t = unsafe { mem::zeroed() };
        // SAFETY: `set` is as large as we say, and 0 means this thread.
        match unsafe { libc::sched_getaffinity(0, size_of_val(&set), &mut set) } {
            0 => Ok(Affinity(set)),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Gives it to the calling thread.
    pub(crate) fn restore(&self) -> io::Result<()> {
        // SAFETY: the set is as large as we say, and 0 means this thread.
        match unsafe { libc::sched_setaffinity(0, size_of_val(&self.0), &self.0) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// The CPUs in the set, ascending.
    pub(crate) fn cpus(&self) -> impl Iterator<Item = u32> + '_ {
        // SAFETY: CPU_ISSET reads the bit of a CPU below CPU_SETSIZE.
        (0..libc::CPU_SETSIZE as u32).filter(|cpu| unsafe { libc::CPU_ISSET(*cpu as usize, &self.0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_saved_can_be_put_back() {
        let saved = Affinity::of_this_thread().unwrap();
        let cpus: Vec<u32> = saved.cpus().collect();
        assert!(!cpus.is_empty());
        let mut one = saved;
        // SAFETY: both write bits of the set they are given.
        unsafe {
            libc::CPU_ZERO(&mut one.0);
            libc::CPU_SET(cpus[0] as usize, &mut one.0);
        }
        one.restore().unwrap();
        assert_eq!(Affinity::of_this_thread().unwrap().cpus().collect::<Vec<_>>(), cpus[..1]);
        saved.restore().unwrap();
        assert_eq!(Affinity::of_this_thread().unwrap().cpus().collect::<Vec<_>>(), cpus);
    }
}
