//! Waking without waiting.
//!
//! A guest shares its eventfd with us down to its flags: it can fill the counter, then make the descriptor blocking, and
//! whoever writes to it sleeps until the guest pleases. No check before the write helps, because the guest may act after
//! the check. So nothing is written. The kernel itself adds to the counter when an asynchronous read (io_submit(2), of
//! nothing, from /dev/null) that names the eventfd is complete, which it is at once; and what the kernel adds to a counter
//! that is full it leaves out (`IOCB_FLAG_RESFD` in linux/aio_abi.h; `eventfd_signal` in the kernel's fs/eventfd.c).
//!
//! That is one system call, as a write is, of about two and a half times the cost, once a burst and only for guests that
//! do not poll. What is left to a guest is how many of its own threads sleep on its eventfd, all of which the call wakes.
//!
//! Not io_uring: most container runtimes forbid it, and it tells one eventfd for each ring. Not a thread of our own that
//! writes: it would take one for each guest, since one guest could hold it up, and each wake would wake two.

use std::{
    fs::File,
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::NonNull,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering::*},
    },
};

/// Reads open at one time: the call that makes one also ends it.
const READS: libc::c_long = 1;

/// What says that the kernel's completions lie where linux/aio_abi.h and libaio have them.
const MAGIC: u32 = 0xa10a_10a1;

/// In a request: what is asked for, and that an eventfd is to be told (linux/aio_abi.h).
const READ: u16 = 0;
const TELL: u32 = 1;

/// Where completions wait to be seen, mapped by the kernel; they themselves follow.
#[repr(C)]
struct Completions {
    id: u32,
    count: u32,
    head: AtomicU32,
    tail: AtomicU32,
    magic: u32,
}

/// A context of asynchronous reads.
#[derive(Debug)]
struct Context {
    completions: NonNull<Completions>,
    null: File,
}

// SAFETY: the pointer is to words the kernel maps until the process ends, used as atomics.
unsafe impl Send for Context {}
// SAFETY: as above; the kernel takes requests of any thread.
unsafe impl Sync for Context {}

/// Contexts of ports that are gone. To end one takes the kernel some 30 ms, in which control would stand still.
static IDLE: Mutex<Vec<Context>> = Mutex::new(Vec::new());

/// What wakes the guest of one port. Clones are the same bell.
#[derive(Clone, Debug)]
pub struct Bell(Arc<Held>);

/// A context in use; idle again with the last clone.
#[derive(Debug)]
struct Held(Option<Context>);

impl Drop for Held {
    fn drop(&mut self) {
        IDLE.lock().unwrap_or_else(PoisonError::into_inner).extend(self.0.take());
    }
}

impl Bell {
    /// Control's to call.
    ///
    /// # Errors
    /// Where the system has no asynchronous I/O, forbids it (seccomp), or all of `fs.aio-max-nr` is in use.
    pub fn new() -> io::Result<Bell> {
        let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let context = idle.map_or_else(Context::new, Ok)?;
        Ok(Bell(Arc::new(Held(Some(context)))))
    }

    /// Adds one to the counter of an eventfd, unless it is full; whether the kernel took the request. Never waits.
    #[inline]
    pub(super) fn ring(&self, eventfd: BorrowedFd<'_>) -> bool {
        self.0.0.as_ref().is_some_and(|context| context.submit(eventfd))
    }
}

impl Context {
    fn new() -> io::Result<Context> {
        let null = File::open("/dev/null")?;
        let mut address: usize = 0;
        // SAFETY: the kernel writes the address of the completions into the word given, and maps them.
        if unsafe { libc::syscall(libc::SYS_io_setup, READS, &raw mut address) } != 0 {
            return Err(io::Error::last_os_error());
        }
        let strange = || io::Error::other("the completions of io_setup are not laid out as known");
        let completions = NonNull::new(address as *mut Completions).ok_or_else(strange)?;
        // SAFETY: mapped by the kernel just now, at least a page, aligned to one.
        if unsafe { completions.as_ref() }.magic != MAGIC {
            return Err(strange());
        }
        Ok(Context { completions, null })
    }

    fn submit(&self, eventfd: BorrowedFd<'_>) -> bool {
        // SAFETY: mapped until the process ends.
        let completions = unsafe { self.completions.as_ref() };
        // What is complete has been seen. Were this done by two threads at once, one might seem not to be, until the next.
        completions.head.store(completions.tail.load(Acquire), Release);
        // SAFETY: all zeroes are a request of nothing.
        let mut request: libc::iocb = unsafe { std::mem::zeroed() };
        request.aio_lio_opcode = READ;
        request.aio_fildes = self.null.as_raw_fd() as u32;
        request.aio_flags = TELL;
        request.aio_resfd = eventfd.as_raw_fd() as u32;
        let mut list = &raw mut request;
        let context = self.completions.as_ptr();
        // SAFETY: a list of one request, which is read and whose key is written before the call returns; the read is of
        // no octets, so its buffer is not looked at.
        unsafe { libc::syscall(libc::SYS_io_submit, context, 1 as libc::c_long, &raw mut list) == 1 }
    }
}
