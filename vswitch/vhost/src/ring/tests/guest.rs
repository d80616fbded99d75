//! A guest for tests: memory, and a queue of the device's over a ring in it.

use std::{fs::File, os::fd::FromRawFd, os::fd::OwnedFd, sync::Arc};

use super::driver::Buffer;
use crate::{
    Alarm, Bell, Call, Features, GuestAddress, GuestMemory, Queue, QueueConfig, Region, RegionPlace, RingAddresses,
    RingFault, UserAddress, memory::tests::memfd,
};

/// What the front end adds to a guest address: the two must never be taken for each other.
pub(crate) const USER: u64 = 0x7fff_0000_0000;
/// Octets of memory: in two regions, one behind the other, so that buffers may cross.
pub(crate) const RAM: u64 = 0x40_0000;
pub(crate) const SECOND: u64 = 0x20_0000;
/// Where buffers begin; rings are below.
pub(crate) const BUFFERS: u64 = 0x10_0000;

/// Memory of a guest.
pub(crate) struct Ram {
    pub(crate) file: File,
    pub(crate) memory: Arc<GuestMemory>,
}

impl Ram {
    pub(crate) fn new() -> Ram {
        let file = memfd(RAM);
        let region = |guest, offset| Region {
            place: RegionPlace { guest: GuestAddress(guest), user: UserAddress(USER + guest), size: SECOND, offset },
            fd: file.try_clone().unwrap().into(),
        };
        let memory = GuestMemory::new(Alarm::default()).with(region(0, SECOND)).unwrap();
        let memory = Arc::new(memory.with(region(SECOND, 0)).unwrap());
        Ram { file, memory }
    }

    pub(crate) fn put(&self, address: u64, octets: &[u8]) {
        let (mut address, mut left) = (address, octets);
        while !left.is_empty() {
            let slice = self.memory.slice(GuestAddress(address), left.len() as u32).unwrap();
            let written = slice.write(left);
            (address, left) = (address + written as u64, &left[written..]);
        }
    }

    pub(crate) fn get(&self, address: u64, len: usize) -> Vec<u8> {
        let (mut octets, mut done) = (vec![0; len], 0);
        while done < len {
            let slice = self.memory.slice(GuestAddress(address + done as u64), (len - done) as u32).unwrap();
            done += slice.read(&mut octets[done..]);
        }
        octets
    }

    pub(crate) fn put16(&self, address: u64, value: u16) {
        self.put(address, &value.to_le_bytes());
    }

    pub(crate) fn get16(&self, address: u64) -> u16 {
        u16::from_le_bytes(self.get(address, 2).try_into().unwrap())
    }

    /// The contents of buffers, one after the other.
    pub(crate) fn contents(&self, buffers: &[Buffer]) -> Vec<u8> {
        buffers.iter().flat_map(|buffer| self.get(buffer.address, buffer.len as usize)).collect()
    }

    /// Spreads octets over buffers.
    pub(crate) fn spread(&self, buffers: &[Buffer], octets: &[u8]) {
        let mut left = octets;
        for buffer in buffers {
            let (now, later) = left.split_at(left.len().min(buffer.len as usize));
            self.put(buffer.address, now);
            left = later;
        }
    }
}

/// Addresses of a ring's parts, as the front end has them.
pub(crate) fn addresses(descriptors: u64, available: u64, used: u64) -> RingAddresses {
    RingAddresses {
        descriptors: UserAddress(USER + descriptors),
        used: UserAddress(USER + used),
        available: UserAddress(USER + available),
        log: None,
    }
}

pub(crate) fn config(size: u16, features: Features, addresses: RingAddresses) -> QueueConfig {
    let base = if features.has(Features::RING_PACKED) { 0x8000 } else { 0 };
    QueueConfig { size, addresses, base, features, call: None, record: None, log: None }
}

pub(crate) fn queue(ram: &Ram, config: &QueueConfig) -> Result<Queue, RingFault> {
    Queue::new(Arc::clone(&ram.memory), config)
}

/// An eventfd, and what counts the wakes.
pub(crate) fn call() -> (Call, File) {
    // SAFETY: the descriptor is new and ours.
    let fd = unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK)) };
    let reader = File::from(fd.try_clone().unwrap());
    (Call::new(Arc::new(fd), Bell::new().unwrap()).unwrap(), reader)
}
