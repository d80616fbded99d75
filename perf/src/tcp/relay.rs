//! The least that any switch in user space does for a packet of two containers. One thread reads it from one TAP and writes it to
//! the other, again and again, with the same offloads as ours, and looks at nothing; nor does it ask which TAP has one.

use std::{
    num::NonZero,
    os::fd::BorrowedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use frame::{HeapPool, Port};
use tap::{Behind, Netns, TapConfig, TapPort};
use wire::{Mac, virtio_net::HEADER_LEN};

use super::containers::{ADDRESSES, Containers, INTERFACE, MACS};

/// Octets of the longest packet of a TAP, and of the header in front of it.
const ROOM: usize = (64 << 10) + HEADER_LEN;

/// A frame of each kind for each port, by which it knows that super-frames may come.
const FRAMES: usize = 8;
const FRAME_MAX: usize = 2048;

/// The thread, and what tells it to end.
pub(super) struct Relay {
    thread: Option<JoinHandle<()>>,
    end: Arc<AtomicBool>,
}

impl Relay {
    /// A TAP in each container, and a thread between them on that CPU.
    pub(super) fn start(containers: &Containers, cpu: u32) -> Result<Relay, String> {
        let ports = [open(containers, 0)?, open(containers, 1)?];
        let end = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&end);
        let relay = thread::Builder::new().name("relay".to_owned());
        let thread = relay.spawn(move || {
            core_affinity::set_for_current(core_affinity::CoreId { id: cpu as usize });
            pass_on(&ports, &told);
        });
        Ok(Relay { thread: Some(thread.map_err(|error| error.to_string())?), end })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.end.store(true, Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

fn open(containers: &Containers, end: usize) -> Result<TapPort<HeapPool>, String> {
    let config = TapConfig {
        netns: Some(Netns::new(containers.ends[end].name()).map_err(|error| error.to_string())?),
        interface: INTERFACE.to_owned(),
        mac: MACS[end].parse().ok().map(Mac::octets),
        mtu: 1500,
        addresses: vec![(ADDRESSES[end].into(), 24)],
        up: true,
        queues: NonZero::<u16>::MIN,
        offloads: true,
        behind: Behind::Container,
        coalesce: std::time::Duration::ZERO,
    };
    let ports = tap::open(config, HeapPool::new(FRAMES, FRAME_MAX)).map_err(|error| error.to_string())?;
    ports.into_iter().next().ok_or_else(|| "the TAP has no queue".to_owned())
}

/// Passes packets on between two TAPs until told to end. The header that says what their senders left to be done is in front
/// of them and goes along.
fn pass_on(ports: &[TapPort<HeapPool>; 2], end: &AtomicBool) {
    let [Some(a), Some(b)] = ports.each_ref().map(Port::wakes_by) else { return };
    let mut room = vec![0; ROOM];
    while !end.load(Relaxed) {
        pass_one(a, b, &mut room);
        pass_one(b, a, &mut room);
    }
}

/// Passes one packet on, if there is one. What the other side does not take is lost.
fn pass_one(from: BorrowedFd<'_>, to: BorrowedFd<'_>, room: &mut [u8]) {
    if let Ok(octets) = rustix::io::read(from, &mut *room) {
        let _ = rustix::io::write(to, &room[..octets]);
    }
}
