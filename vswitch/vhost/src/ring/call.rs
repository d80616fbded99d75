//! Waking the guest.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
};

use super::bell::Bell;
use crate::Fault;

/// An eventfd of the guest's, known to be one, and the bell by which it is told.
#[derive(Clone, Debug)]
pub struct Call {
    fd: Arc<OwnedFd>,
    bell: Bell,
}

impl Call {
    /// Refuses a descriptor of any other kind.
    pub fn new(fd: Arc<OwnedFd>, bell: Bell) -> Result<Call, Fault> {
        let kind = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
        if kind.as_os_str() != "anon_inode:[eventfd]" {
            return Err(Fault::NotEvent { kind: kind.display().to_string() });
        }
        Ok(Call { fd, bell })
    }

    /// Wakes the guest, without waiting, whatever it has done to its eventfd; `false` where the kernel had no memory for
    /// that, and it has to be tried again.
    #[inline]
    #[must_use]
    pub fn wake(&self) -> bool {
        self.bell.ring(self.fd.as_fd())
    }
}
