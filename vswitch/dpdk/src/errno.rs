//! Error numbers of DPDK and the system, with their text.

use std::{ffi::CStr, fmt};

/// A positive error number as DPDK reports it: the system's, and a few of DPDK's own from 1000 on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

impl Errno {
    /// The number, whether DPDK gave it negative (most functions) or positive (`rte_errno`).
    pub fn new(number: i32) -> Self {
        Errno(number.saturating_abs())
    }

    /// This thread's `rte_errno`: the cause of the DPDK call that just failed.
    pub(crate) fn last() -> Self {
        // SAFETY: reads a thread-local integer.
        Errno::new(unsafe { dpdk_sys::millrace_errno() })
    }

    /// The number itself.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The symbol of the C headers, where it is one that DPDK returns often.
    fn symbol(self) -> Option<&'static str> {
        Some(match self.0 {
            libc::EPERM => "EPERM",
            libc::ENOENT => "ENOENT",
            libc::EIO => "EIO",
            libc::EAGAIN => "EAGAIN",
            libc::ENOMEM => "ENOMEM",
            libc::EACCES => "EACCES",
            libc::EBUSY => "EBUSY",
            libc::EEXIST => "EEXIST",
            libc::ENODEV => "ENODEV",
            libc::EINVAL => "EINVAL",
            libc::ENOSPC => "ENOSPC",
            libc::ERANGE => "ERANGE",
            libc::ENAMETOOLONG => "ENAMETOOLONG",
            libc::ENOTSUP => "ENOTSUP",
            libc::EALREADY => "EALREADY",
            _ => return None,
        })
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: returns a zero-terminated text that stays valid until this thread asks again.
        let text = unsafe { CStr::from_ptr(dpdk_sys::rte_strerror(self.0)) }.to_string_lossy();
        match self.symbol() {
            Some(symbol) => write!(f, "{text} ({symbol})"),
            None => write!(f, "{text} (error {})", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Errno({}: {self})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_signs_mean_the_same_error() {
        assert_eq!(Errno::new(-libc::ENODEV), Errno::new(libc::ENODEV));
        assert_eq!(Errno::new(i32::MIN).number(), i32::MAX);
    }

    #[test]
    fn an_error_says_its_text_and_symbol() {
        assert_eq!(Errno::new(-libc::ENODEV).to_string(), "No such device (ENODEV)");
        assert!(Errno::new(1001).to_string().ends_with("(error 1001)"), "{}", Errno::new(1001));
    }
}
