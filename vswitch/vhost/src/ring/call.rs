//! Waking the guest.

use std::{
    fs, io,
    os::fd::{AsRawFd, OwnedFd},
    sync::Arc,
};

use crate::Fault;

/// An eventfd of the guest's, known to be one.
#[derive(Clone, Debug)]
pub struct Call(Arc<OwnedFd>);

impl Call {
    /// Refuses a descriptor of any other kind, and makes sure that writing to it does not wait.
    pub fn new(fd: Arc<OwnedFd>) -> Result<Call, Fault> {
        let raw = fd.as_raw_fd();
        let kind = fs::read_link(format!("/proc/self/fd/{raw}")).unwrap_or_default();
        if kind.as_os_str() != "anon_inode:[eventfd]" {
            return Err(Fault::NotEvent { kind: kind.display().to_string() });
        }
        // SAFETY: plain calls on a live descriptor.
        let outcome = unsafe {
            match libc::fcntl(raw, libc::F_GETFL) {
                flags if flags >= 0 => libc::fcntl(raw, libc::F_SETFL, flags | libc::O_NONBLOCK),
                refused => refused,
            }
        };
        match outcome {
            0.. => Ok(Call(fd)),
            _ => Err(Fault::NotEvent { kind: io::Error::last_os_error().to_string() }),
        }
    }

    /// Wakes the guest. A counter that is full already does that, so what the kernel answers does not matter.
    #[inline]
    pub fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: eight octets are read from `one`.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }
}
