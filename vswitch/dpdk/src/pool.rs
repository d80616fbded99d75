//! Packet buffers from DPDK's memory.

use std::{
    ffi::CString,
    fmt,
    mem::MaybeUninit,
    ptr::NonNull,
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use dpdk_sys::{rte_mbuf, rte_mempool};
use frame::{Burst, Frame, HEADROOM, SUPER_MAX};

use crate::{
    Eal, Errno, PoolError, Said, chatter,
    eal::{Runtime, lock},
    mbuf,
    pool_error::NAME_LEN_MAX,
};

/// The longest packet a buffer can hold: a buffer ends at 65,535 bytes, headroom included.
pub const DATA_MAX: u16 = u16::MAX - HEADROOM;

const _: () = assert!(DATA_MAX as usize == SUPER_MAX);

/// Buffers a handle fetches at once; an allocation costs a third of what single ones cost (measured).
const CACHE: usize = 32;

/// More do not fit the ring they wait in, which has a power of two of places below 2^31 and more than it holds.
const FRAMES_MAX: u64 = (1 << 30) - 1;

/// DPDK's "any NUMA node".
const ANY_NODE: i32 = -1;

const MIB: u64 = 1 << 20;

/// Bytes of an ordinary page and of the smallest hugepage.
const PAGE: u64 = 4 << 10;
const HUGE_PAGE: u64 = 2 << 20;

/// A handle on a pool of buffers; clones are further handles on the same pool, one per thread. Each keeps a few buffers
/// at hand and gives them back when it goes. The buffers' memory stays until the process ends.
///
/// It may have frames for super-frames beside its own. Those never reach an Ethernet device, whose queues may thus count
/// on frames of one pool: who fills one says into which segments it is to be cut ([`Frame::offload`]), and whoever sends by a
/// port that does not take it ([`frame::Port::takes`]) cuts it into ordinary frames first.
pub struct Pool {
    shared: Arc<Shared>,
    supers: Option<Supers>,
    at_hand: [MaybeUninit<NonNull<rte_mbuf>>; CACHE],
    /// How many of `at_hand` are filled; written by this handle only, read by reports.
    count: Arc<AtomicUsize>,
}

struct Shared {
    raw: NonNull<rte_mempool>,
    name: String,
    frames: u32,
    data_max: u16,
    node: Option<u32>,
    counts: Mutex<Vec<Weak<AtomicUsize>>>,
    _runtime: Arc<Runtime>,
}

/// The frames for super-frames.
#[derive(Clone, Copy)]
struct Supers {
    raw: NonNull<rte_mempool>,
    frames: u32,
}

// SAFETY: the mempool is made for many threads (flags 0); the rest of the fields are Send and Sync.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}
// SAFETY: the buffers at hand belong to this handle alone, on whatever thread it is.
unsafe impl Send for Pool {}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { name, frames, data_max, .. } = &*self.shared;
        f.debug_struct("Pool").field("name", name).field("frames", frames).field("data_max", data_max).finish()
    }
}

impl Pool {
    /// Makes a pool of `frames` buffers for packets of at most `data_max` octets (plus headroom), on NUMA node `node`
    /// where it matters. `2^n - 1` frames waste the least memory.
    pub fn create(eal: &Eal, name: &str, frames: u32, data_max: u16, node: Option<u32>) -> Result<Pool, PoolError> {
        let raw = make(eal, name, frames, data_max, node)?;
        let (counts, _runtime) = (Mutex::default(), Arc::clone(eal.runtime()));
        let shared = Arc::new(Shared { raw, name: name.to_owned(), frames, data_max, node, counts, _runtime });
        Ok(Pool::handle(shared, None))
    }

    /// The same pool with `frames` further buffers for super-frames ([`frame::Pool::alloc_super`]); with 0 there are none.
    pub fn with_supers(mut self, eal: &Eal, frames: u32) -> Result<Pool, PoolError> {
        if frames > 0 {
            let name = format!("{}-super", self.name());
            self.supers = Some(Supers { raw: make(eal, &name, frames, DATA_MAX, self.node())?, frames });
        }
        Ok(self)
    }

    /// Frames for super-frames in all, and those not allocated at this moment.
    pub fn supers(&self) -> (usize, usize) {
        self.supers.map_or((0, 0), |supers| {
            // SAFETY: mempools live as long as the environment, which we keep.
            let available = unsafe { dpdk_sys::rte_mempool_avail_count(supers.raw.as_ptr()) };
            (supers.frames as usize, available as usize)
        })
    }

    /// Memory a pool takes, in bytes, on hugepages or on ordinary ones: its buffers with their headers and padding, and
    /// the ring they wait in.
    pub fn memory_needed(frames: u32, data_max: u16, hugepages: bool) -> u64 {
        let ring = u64::from(frames).saturating_add(1).next_power_of_two() * size_of::<usize>() as u64;
        // SAFETY: computes with its arguments and a constant of the machine.
        let element = unsafe { dpdk_sys::millrace_pool_bytes(1, data_max.saturating_add(HEADROOM)) } as u64;
        paged(u64::from(frames), element, if hugepages { HUGE_PAGE } else { PAGE }) + ring
    }

    /// The longest packet a buffer holds, behind the headroom.
    pub fn data_max(&self) -> u16 {
        self.shared.data_max
    }

    /// The NUMA node its memory was asked for; `None` is any.
    pub fn node(&self) -> Option<u32> {
        self.shared.node
    }

    /// The pool's name.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    pub(crate) fn raw(&self) -> *mut rte_mempool {
        self.shared.raw.as_ptr()
    }

    fn handle(shared: Arc<Shared>, supers: Option<Supers>) -> Pool {
        let count = Arc::new(AtomicUsize::new(0));
        {
            let mut counts = lock(&shared.counts);
            counts.retain(|count| count.strong_count() > 0);
            counts.push(Arc::downgrade(&count));
        }
        Pool { shared, supers, at_hand: [const { MaybeUninit::uninit() }; CACHE], count }
    }

    /// Fetches buffers until [`CACHE`] are at hand, or one where the pool is nearly empty. Returns how many there are.
    #[cold]
    fn refill(&mut self) -> usize {
        for want in [CACHE, 1] {
            let slots: *mut *mut rte_mbuf = self.at_hand.as_mut_ptr().cast();
            // SAFETY: `want` slots are free, since none is filled; the pool lives as long as we do.
            if unsafe { dpdk_sys::millrace_alloc_bulk(self.raw(), slots, want as u32) } == 0 {
                return want;
            }
        }
        0
    }

    fn give_back_what_is_at_hand(&mut self) {
        let count = self.count.swap(0, Relaxed);
        let slots: *mut *mut rte_mbuf = self.at_hand.as_mut_ptr().cast();
        // SAFETY: the first `count` slots hold fresh buffers of ours, and no longer count as such.
        unsafe { dpdk_sys::millrace_free_plain(slots, count as u32) }
    }
}

impl Clone for Pool {
    fn clone(&self) -> Self {
        Pool::handle(Arc::clone(&self.shared), self.supers)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.give_back_what_is_at_hand();
    }
}

impl frame::Pool for Pool {
    #[inline]
    fn alloc(&mut self) -> Option<Frame> {
        let mut count = self.count.load(Relaxed);
        if count == 0 {
            count = self.refill();
        }
        let last = count.checked_sub(1)?;
        self.count.store(last, Relaxed);
        // SAFETY: slots below the count are filled with buffers of ours, fresh from the pool: one segment, empty, with
        // the headroom in front, as Frame wants it; the count no longer covers this one.
        Some(unsafe { Frame::from_raw(self.at_hand[last].assume_init().cast()) })
    }

    fn alloc_super(&mut self) -> Option<Frame> {
        let mut slot = MaybeUninit::<Frame>::uninit();
        // SAFETY: one slot is free; the mempool lives as long as we do.
        match unsafe { dpdk_sys::millrace_alloc_bulk(self.supers?.raw.as_ptr(), slot.as_mut_ptr().cast(), 1) } {
            // SAFETY: it holds a buffer of ours, as in `alloc`.
            0 => Some(unsafe { slot.assume_init() }),
            _ => None,
        }
    }

    #[inline]
    fn alloc_into(&mut self, burst: &mut Burst, count: usize) -> usize {
        let spare = burst.spare_mut();
        let count = count.min(spare.len());
        let slots: *mut *mut rte_mbuf = spare.as_mut_ptr().cast();
        // SAFETY: `count` slots are free; the pool lives as long as we do.
        if count > 0 && unsafe { dpdk_sys::millrace_alloc_bulk(self.raw(), slots, count as u32) } == 0 {
            // SAFETY: all of them hold buffers of ours, as in `alloc`.
            unsafe { burst.grow(count) };
            return count;
        }
        // It has not so many at home: one by one, those at hand first.
        let mut taken = 0;
        while taken < count
            && let Some(frame) = self.alloc()
        {
            burst.push(frame).unwrap_or_else(|frame| self.release_one(frame)); // the room was looked at above
            taken += 1;
        }
        taken
    }

    #[inline]
    fn release(&mut self, burst: &mut Burst) {
        release_all(burst);
    }

    #[inline]
    fn release_one(&mut self, frame: Frame) {
        let mut raw: *mut rte_mbuf = frame.into_raw().as_ptr().cast();
        // SAFETY: a frame is a plain buffer of a DPDK pool, and we have just taken it from its owner.
        unsafe { dpdk_sys::millrace_free_plain(&mut raw, 1) }
    }

    fn available(&self) -> usize {
        let at_hand: usize = lock(&self.shared.counts).iter().filter_map(|c| Some(c.upgrade()?.load(Relaxed))).sum();
        // SAFETY: the pool lives as long as we do.
        let at_home = unsafe { dpdk_sys::rte_mempool_avail_count(self.raw()) } as usize;
        // Both numbers move while they are read.
        (at_hand + at_home).min(self.capacity())
    }

    fn capacity(&self) -> usize {
        self.shared.frames as usize
    }
}

/// Gives all frames back to the pools they came from.
#[inline]
pub(crate) fn release_all(burst: &mut Burst) {
    let count = burst.len();
    // SAFETY: frames are plain buffers of DPDK pools; the burst forgets them in the next statement.
    unsafe { dpdk_sys::millrace_free_plain(mbuf::pointers(burst.as_mut_slice()), count as u32) }
    // SAFETY: `count` is the length, and the pools own these frames now.
    unsafe { burst.forget_front(count) }
}

/// Makes a mempool that lives as long as the environment.
fn make(
    eal: &Eal,
    name: &str,
    frames: u32,
    data_max: u16,
    node: Option<u32>,
) -> Result<NonNull<rte_mempool>, PoolError> {
    check(name, frames, data_max)?;
    let c_name = CString::new(name).map_err(|_| PoolError::Name(name.to_owned()))?;
    if !eal.runtime().hugepages && least_memory(frames, data_max) > free_memory() {
        return Err(no_memory(eal, name, frames, data_max));
    }
    let node_number = node.map_or(ANY_NODE, |node| node as i32);
    // SAFETY: DPDK is initialised, the name is zero-terminated and copied.
    let (raw, said) = chatter::capture(|| unsafe {
        let room = data_max + HEADROOM;
        dpdk_sys::rte_pktmbuf_pool_create(c_name.as_ptr(), frames, thread_cache(frames), 0, room, node_number)
    });
    let errno = Errno::last();
    let Some(raw) = NonNull::new(raw) else {
        return Err(refused(eal, name, frames, data_max, errno, said));
    };
    eal.runtime().adopt(raw, frames);
    Ok(raw)
}

/// Buffers DPDK keeps for each thread it knows: few in a small pool, where they would be missed elsewhere.
fn thread_cache(frames: u32) -> u32 {
    (frames / 16).min(256)
}

/// Bytes of whole pages that `count` elements take: DPDK lets none cross the end of a page it would fit into.
fn paged(count: u64, element: u64, page: u64) -> u64 {
    match page / element {
        0 => count * element.next_multiple_of(page),
        in_a_page => count.div_ceil(in_a_page) * page,
    }
}

fn check(name: &str, frames: u32, data_max: u16) -> Result<(), PoolError> {
    let printable = name.bytes().all(|c| c.is_ascii_graphic());
    if name.is_empty() || name.len() > NAME_LEN_MAX || !printable {
        return Err(PoolError::Name(name.to_owned()));
    }
    let limits = [("frames", u64::from(frames), FRAMES_MAX), ("data_max", u64::from(data_max), u64::from(DATA_MAX))];
    for (what, value, max) in limits {
        if value == 0 || value > max {
            return Err(PoolError::Size { name: name.to_owned(), what, value, max });
        }
    }
    Ok(())
}

/// Bytes without which there cannot be such a pool, whatever the pages are. Where the memory is fixed, DPDK finds out that
/// it does not suffice only after it has taken all of it, and for that moment everybody else gets none: so it is not tried.
fn least_memory(frames: u32, data_max: u16) -> u64 {
    // SAFETY: computes with its arguments and a constant of the machine.
    let element = unsafe { dpdk_sys::millrace_pool_bytes(1, data_max.saturating_add(HEADROOM)) } as u64;
    u64::from(frames) * element
}

fn refused(eal: &Eal, name: &str, frames: u32, data_max: u16, errno: Errno, said: Said) -> PoolError {
    if errno.number() != libc::ENOMEM {
        return PoolError::Refused { name: name.to_owned(), errno, said };
    }
    no_memory(eal, name, frames, data_max)
}

fn no_memory(eal: &Eal, name: &str, frames: u32, data_max: u16) -> PoolError {
    let name = name.to_owned();
    let fix = if eal.runtime().hugepages {
        "reserve more hugepages or ask for fewer frames"
    } else {
        "give DPDK more memory or ask for fewer frames"
    };
    let needed_mib = Pool::memory_needed(frames, data_max, eal.runtime().hugepages).div_ceil(MIB);
    PoolError::Memory { name, frames, data_max, needed_mib, free_mib: free_memory() / MIB, fix }
}

/// Bytes free in DPDK's heaps on all NUMA nodes.
fn free_memory() -> u64 {
    const NODES_MAX: i32 = 32;
    let free = |node| {
        let mut stats = dpdk_sys::rte_malloc_socket_stats::default();
        // SAFETY: fills the struct it is given, or fails for a node that is not there.
        match unsafe { dpdk_sys::rte_malloc_get_socket_stats(node, &mut stats) } {
            0 => stats.heap_freesz_bytes as u64,
            _ => 0,
        }
    };
    (0..NODES_MAX).map(free).sum()
}

/// Frees an mbuf of any shape that never became a frame.
///
/// # Safety
/// The caller owns the mbuf and forgets it.
pub(crate) unsafe fn free_any(mbuf: NonNull<rte_mbuf>) {
    // SAFETY: the caller's promise.
    unsafe { dpdk_sys::millrace_free_any(mbuf.as_ptr()) }
}

const _: () = assert!(size_of::<NonNull<rte_mbuf>>() == size_of::<*mut rte_mbuf>());
