//! What a front end says on its socket: a session that would work, spoilt here and there.

use std::{
    fs::File,
    os::fd::{AsRawFd, OwnedFd},
};

use rustix::{event::EventfdFlags, event::eventfd, io::dup, pipe::pipe};

use super::{
    choices::Choices,
    estate::{AVAILABLE, DESCRIPTORS, REGIONS, USED, USER, memory_file},
};

/// Numbers of requests (vhost-user, "Front-end message types").
mod request {
    pub(super) const GET_FEATURES: u32 = 1;
    pub(super) const SET_FEATURES: u32 = 2;
    pub(super) const SET_OWNER: u32 = 3;
    pub(super) const SET_MEM_TABLE: u32 = 5;
    pub(super) const SET_LOG_BASE: u32 = 6;
    pub(super) const SET_VRING_NUM: u32 = 8;
    pub(super) const SET_VRING_ADDR: u32 = 9;
    pub(super) const SET_VRING_BASE: u32 = 10;
    pub(super) const GET_VRING_BASE: u32 = 11;
    pub(super) const SET_VRING_KICK: u32 = 12;
    pub(super) const SET_VRING_CALL: u32 = 13;
    pub(super) const SET_VRING_ERR: u32 = 14;
    pub(super) const GET_PROTOCOL_FEATURES: u32 = 15;
    pub(super) const SET_PROTOCOL_FEATURES: u32 = 16;
    pub(super) const GET_QUEUE_NUM: u32 = 17;
    pub(super) const SET_VRING_ENABLE: u32 = 18;
    pub(super) const SEND_RARP: u32 = 19;
    pub(super) const NET_SET_MTU: u32 = 20;
    pub(super) const GET_INFLIGHT_FD: u32 = 31;
    pub(super) const SET_INFLIGHT_FD: u32 = 32;
    pub(super) const RESET_DEVICE: u32 = 34;
    pub(super) const GET_MAX_MEM_SLOTS: u32 = 36;
    pub(super) const ADD_MEM_REG: u32 = 37;
    pub(super) const REM_MEM_REG: u32 = 38;
    pub(super) const SET_STATUS: u32 = 39;
    pub(super) const GET_STATUS: u32 = 40;
    /// One more than the specification has.
    pub(super) const END: usize = 46;
}
use request::*;

/// Rings of two queue pairs.
const RINGS: u32 = 4;
/// Descriptors of each ring.
const SIZE: u32 = 64;

/// What may come beside a message.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Beside {
    Memory,
    Short,
    Event,
    Pipe,
    Socket,
    Null,
    Directory,
    ReadOnly,
}

impl Beside {
    const ALL: [Beside; 8] = [
        Beside::Memory,
        Beside::Short,
        Beside::Event,
        Beside::Pipe,
        Beside::Socket,
        Beside::Null,
        Beside::Directory,
        Beside::ReadOnly,
    ];

    /// A new descriptor of this kind; `memory` is the guest's.
    pub(crate) fn open(self, memory: &File) -> OwnedFd {
        match self {
            Beside::Memory => dup(memory).unwrap(),
            Beside::Short => memory_file(0x1000).into(),
            Beside::Event => eventfd(0, EventfdFlags::empty()).unwrap(),
            Beside::Pipe => pipe().unwrap().1,
            Beside::Socket => std::os::unix::net::UnixStream::pair().unwrap().0.into(),
            Beside::Null => File::open("/dev/null").unwrap().into(),
            Beside::Directory => File::open("/dev/shm").unwrap().into(),
            Beside::ReadOnly => File::open(format!("/proc/self/fd/{}", memory.as_raw_fd())).unwrap().into(),
        }
    }
}

/// One message.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) octets: Vec<u8>,
    pub(crate) fds: Vec<Beside>,
}

impl Said {
    fn new(request: u32, payload: &[u64]) -> Said {
        let payload: Vec<u8> = payload.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let header = [request, 1, payload.len() as u32].into_iter().flat_map(u32::to_ne_bytes);
        Said { octets: header.chain(payload).collect(), fds: Vec::new() }
    }

    fn with(self, fds: &[Beside]) -> Said {
        Said { fds: fds.to_vec(), ..self }
    }

    /// Two numbers of 32 bits.
    fn state(request: u32, ring: u32, number: u32) -> Said {
        Said::new(request, &[u64::from(ring) | u64::from(number) << 32])
    }
}

/// A whole session: what it takes to move frames on all rings, and everything else that may be said.
pub(crate) fn session(choices: &mut Choices<'_>, features: u64, protocol: u64) -> Vec<Said> {
    let packed = choices.once_in(2);
    let features = if packed { features } else { features & !(1 << 34) };
    let mut all = vec![
        Said::new(SET_OWNER, &[]),
        Said::new(GET_FEATURES, &[]),
        Said::new(GET_PROTOCOL_FEATURES, &[]),
        Said::new(SET_PROTOCOL_FEATURES, &[protocol]),
        Said::new(GET_QUEUE_NUM, &[]),
        Said::new(GET_MAX_MEM_SLOTS, &[]),
        Said::new(SET_FEATURES, &[features]),
        Said::new(NET_SET_MTU, &[1500]),
        memory_table(),
    ];
    (0..RINGS).for_each(|ring| start_ring(&mut all, ring, packed));
    all.push(Said::new(SET_STATUS, &[0xf]));
    let at = all.len();
    all.extend(everything_else());
    // So much is said in order; the rest in any, and not all of it.
    for _ in 0..choices.up_to(12) {
        let again = all[at + choices.up_to(all.len() - at - 1)].clone();
        all.push(again);
    }
    all
}

fn memory_table() -> Said {
    let mut words = vec![REGIONS.len() as u64];
    REGIONS.iter().for_each(|&(guest, size, offset)| words.extend([guest, size, USER + guest, offset]));
    Said::new(SET_MEM_TABLE, &words).with(&[Beside::Memory; REGIONS.len()])
}

/// Where the parts of a ring lie, behind those of the first: rings of one direction are all in the same place.
pub(crate) fn behind(ring: u32) -> u64 {
    if ring.is_multiple_of(2) { 0 } else { 0x800 }
}

fn start_ring(all: &mut Vec<Said>, ring: u32, packed: bool) {
    let [descriptors, used, available] = [DESCRIPTORS, USED, AVAILABLE].map(|part| USER + part + behind(ring));
    let place = [u64::from(ring), descriptors, used, available, 0];
    all.push(Said::state(SET_VRING_NUM, ring, SIZE));
    all.push(Said::state(SET_VRING_BASE, ring, if packed { 0x8000 } else { 0 }));
    all.push(Said::new(SET_VRING_ADDR, &place));
    all.push(Said::new(SET_VRING_CALL, &[u64::from(ring)]).with(&[Beside::Event]));
    all.push(Said::new(SET_VRING_KICK, &[u64::from(ring)]).with(&[Beside::Event]));
    all.push(Said::state(SET_VRING_ENABLE, ring, 1));
}

fn everything_else() -> Vec<Said> {
    let region = [0, 0x200_0000, 0x1000, USER + 0x200_0000, 0];
    // Octets, offset, then rings and descriptors of each in 16 bits.
    let inflight = [0x1000, 0, u64::from(RINGS) | u64::from(SIZE) << 16];
    vec![
        Said::new(ADD_MEM_REG, &region).with(&[Beside::Memory]),
        Said::new(REM_MEM_REG, &region),
        memory_table(),
        Said::new(SET_LOG_BASE, &[0x1000, 0]).with(&[Beside::Memory]),
        Said::new(SEND_RARP, &[0x0700_0000_0002]),
        Said::new(GET_INFLIGHT_FD, &inflight),
        Said::new(SET_INFLIGHT_FD, &inflight).with(&[Beside::Memory]),
        Said::state(GET_VRING_BASE, 1, 0),
        Said::new(SET_VRING_KICK, &[1]).with(&[Beside::Event]),
        Said::new(SET_VRING_CALL, &[0x101]),
        Said::new(SET_VRING_ERR, &[2]).with(&[Beside::Event]),
        Said::state(SET_VRING_ENABLE, 0, 0),
        Said::state(SET_VRING_ENABLE, 0, 1),
        Said::new(GET_STATUS, &[]),
        Said::new(SET_STATUS, &[0]),
        Said::new(SET_STATUS, &[0xf]),
        Said::new(RESET_DEVICE, &[]),
    ]
}

/// Spoils a few messages, or none.
pub(crate) fn spoil(choices: &mut Choices<'_>, all: &mut Vec<Said>) {
    let times = choices.of(&[0, 0, 1, 1, 1, 2, 8]);
    for _ in 0..times {
        let (at, other) = (choices.up_to(all.len() - 1), choices.up_to(all.len() - 1));
        match choices.up_to(9) {
            0 => all.swap(at, other),
            1 => all.insert(at, all[other].clone()),
            2 if all.len() > 1 => drop(all.remove(at)),
            3 => all.truncate(at + 1),
            4 => all.insert(at, anything(choices)),
            5 => all[at].fds = (0..choices.of(&[0, 1, 2, 8, 9, 200])).map(|_| choices.of(&Beside::ALL)).collect(),
            6 if !all[at].fds.is_empty() => all[at].fds[0] = choices.of(&Beside::ALL),
            7 => flip(choices, &mut all[at].octets, 0),
            _ => flip(choices, &mut all[at].octets, 12),
        }
    }
}

/// Puts a number where another was, from octet `from` on.
fn flip(choices: &mut Choices<'_>, octets: &mut [u8], from: usize) {
    let numbers = [0, 1, 2, 0x80, 0xff, 0x1000, 0x7fff_ffff, u64::MAX, 1 << 63, USER, !0xfff];
    let number = if choices.once_in(3) { choices.any() } else { choices.of(&numbers) };
    let width = choices.of(&[1, 4, 8]);
    let at = from + choices.up_to(40) / width * width;
    if let Some(place) = octets.get_mut(at..at + width) {
        place.copy_from_slice(&number.to_ne_bytes()[..width]);
    }
}

/// A message of any request with any payload.
fn anything(choices: &mut Choices<'_>) -> Said {
    let words: Vec<u64> = (0..choices.of(&[0, 1, 1, 2, 5, 9])).map(|_| choices.any()).collect();
    let mut said = Said::new(choices.up_to(END) as u32, &words);
    if choices.once_in(4) {
        said.octets = choices.octets(40);
    }
    said
}
