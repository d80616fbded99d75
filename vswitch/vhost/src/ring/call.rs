//! Waking the guest.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::Arc,
};

use super::bell::Bell;
use crate::Fault;

/// Whether a descriptor is an eventfd; if not, what it is, by the kernel's name. The kernel knows without asking anybody.
pub(crate) fn is_eventfd(fd: &impl AsRawFd) -> Result<(), String> {
    let kind = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
    if kind.as_os_str() == "anon_inode:[eventfd]" { Ok(()) } else { Err(kind.display().to_string()) }
}

/// An eventfd of the guest's, known to be one, and the bell by which it is told.
#[derive(Clone, Debug)]
pub struct Call {
    fd: Arc<OwnedFd>,
    bell: Bell,
}

impl Call {
    /// Refuses a descriptor of any other kind.
    pub fn new(fd: Arc<OwnedFd>, bell: Bell) -> Result<Call, Fault> {
        is_eventfd(&*fd).map_err(|kind| Fault::NotEvent { kind })?;
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
