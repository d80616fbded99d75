//! Survival of SIGBUS: a guest that truncates the file behind its memory hurts only itself.
//!
//! Touching a page behind the end of a mapped file is SIGBUS, which by default ends the process, and no check before the
//! access helps, because the file may shrink right after it. So every mapping of guest memory is listed here, and the
//! handler puts a page of zeroes in place of the one that is gone, raises the mapping's alarm, and lets the access go on.
//! A fault anywhere else goes to whoever handled the signal before.

use std::{
    io,
    mem::MaybeUninit,
    ptr::null_mut,
    sync::OnceLock,
    sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::*},
};

use super::Alarm;

/// Mappings watched at most, in the whole process: 32 slots and some more for 120 ports.
const WATCHES_MAX: usize = 4096;

/// A start no mapping has: the place is taken and not filled yet.
const RESERVED: usize = 1;

/// One mapping. `start` is written last and cleared first, so a handler that reads it finds the rest in order.
struct Place {
    start: AtomicUsize,
    end: AtomicUsize,
    page: AtomicUsize,
    alarm: AtomicPtr<AtomicBool>,
}

static PLACES: [Place; WATCHES_MAX] = [const {
    Place {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        page: AtomicUsize::new(0),
        alarm: AtomicPtr::new(null_mut()),
    }
}; WATCHES_MAX];

/// The handler before ours.
static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();

/// Keeps a mapping listed; to be dropped before the mapping.
#[derive(Debug)]
pub(super) struct Watch {
    place: usize,
    /// Keeps alive what the list points to.
    _alarm: Alarm,
}

impl Watch {
    /// Lists `start .. start + bytes`, mapped in pages of `page` octets.
    pub(super) fn new(start: usize, bytes: usize, page: usize, alarm: &Alarm) -> io::Result<Watch> {
        install()?;
        let free = |place: &Place| place.start.compare_exchange(0, RESERVED, Acquire, Relaxed).is_ok();
        let Some(place) = PLACES.iter().position(free) else {
            return Err(io::Error::other(format!("more than {WATCHES_MAX} mappings of guest memory")));
        };
        let entry = &PLACES[place];
        entry.end.store(start + bytes, Relaxed);
        entry.page.store(page, Relaxed);
        entry.alarm.store(std::ptr::from_ref(alarm.word()).cast_mut(), Relaxed);
        entry.start.store(start, Release);
        Ok(Watch { place, _alarm: alarm.clone() })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        PLACES[self.place].start.store(0, Release);
    }
}

/// Takes the signal over, once in a process.
fn install() -> io::Result<()> {
    static DONE: OnceLock<Result<(), i32>> = OnceLock::new();
    let outcome = DONE.get_or_init(|| {
        let mut before = MaybeUninit::<libc::sigaction>::uninit();
        // SAFETY: with a null action this only fills `before`.
        if unsafe { libc::sigaction(libc::SIGBUS, std::ptr::null(), before.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
        }
        // SAFETY: the call succeeded. Known before our handler can run, so that it always finds it.
        let _ = BEFORE.set(unsafe { before.assume_init() });
        // SAFETY: all zeroes are an action without flags and with an empty mask.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = handle as *const () as usize;
        // On the alternative stack: the thread's own may be what overflowed.
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        // SAFETY: `handle` has the signature SA_SIGINFO asks for and does only what a handler may.
        match unsafe { libc::sigaction(libc::SIGBUS, &raw const action, null_mut()) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        }
    });
    outcome.map_err(io::Error::from_raw_os_error)
}

extern "C" fn handle(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a valid siginfo, and for SIGBUS the address is set; errno is this thread's own.
    let (address, errno) = unsafe { ((*info).si_addr() as usize, *libc::__errno_location()) };
    if !replace_page(address) {
        pass_on(signal, info, context);
    }
    // SAFETY: as above; what the handler did must not be seen by the code it interrupted.
    unsafe { *libc::__errno_location() = errno };
}

/// Puts zeroes at `address` and raises the alarm; `false` where it is in no mapping of ours.
fn replace_page(address: usize) -> bool {
    let hit = |place: &&Place| {
        let start = place.start.load(Acquire);
        start > RESERVED && (start..place.end.load(Relaxed)).contains(&address)
    };
    let Some(place) = PLACES.iter().find(hit) else { return false };
    let page = place.page.load(Relaxed);
    let at = (address & !(page - 1)) as *mut libc::c_void;
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: the page lies within a mapping of guest memory, of which nobody holds references, and which is unmapped
    // only after its watch is gone: whoever is being interrupted in an access keeps it alive. mmap is a bare system call.
    let mapped = unsafe { libc::mmap(at, page, access, flags, -1, 0) };
    // SAFETY: the watch keeps the alarm alive, and is alive as just said.
    unsafe { &*place.alarm.load(Relaxed) }.store(true, Relaxed);
    mapped != libc::MAP_FAILED
}

/// Not ours: to whoever had the signal before, or to the default, which ends the process when the access is repeated.
fn pass_on(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let before = BEFORE.get().map_or((libc::SIG_DFL, 0), |before| (before.sa_sigaction, before.sa_flags));
    match before {
        (libc::SIG_DFL | libc::SIG_IGN, _) => {
            // SAFETY: sets the default action. Ignoring would not do: the access would be repeated forever.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        (handler, flags) if flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: with SA_SIGINFO the word is a function of this signature, and we were called in its place.
            let handler: extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void) =
                unsafe { std::mem::transmute(handler) };
            handler(signal, info, context);
        }
        (handler, _) => {
            // SAFETY: without SA_SIGINFO the word is a function of one number.
            let handler: extern "C" fn(i32) = unsafe { std::mem::transmute(handler) };
            handler(signal);
        }
    }
}
