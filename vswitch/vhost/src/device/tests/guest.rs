//! A front end on a real socket, its driver, and the device it talks to.

use std::{
    fs::File,
    io::{IoSlice, IoSliceMut, Read},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::net::{UnixListener, UnixStream},
    },
    path::PathBuf,
    time::{Duration, Instant},
};

use frame::{Burst, HeapPool, Pool, Port};
use rustix::{
    cmsg_space,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    },
};
use vhost_protocol::vhost_user::message::{
    FrontendReq::*, VhostUserMemoryRegion, VhostUserVringAddr, VhostUserVringAddrFlags,
};
use vm_memory::ByteValued;

use crate::{
    DeviceConfig, Features, Mode, SocketAccess, State, VhostDevice, VhostPort,
    ring::tests::{
        driver::{Buffer, Driver},
        guest::{BUFFERS, Ram, SECOND, USER},
    },
    session::tests::front_end::{self, Sent, empty, raw, state, with},
};

/// Octets in front of a frame.
const HEADER: usize = 12;

/// A device with one port, and what drives it.
pub(super) struct Rig {
    pub(super) device: VhostDevice,
    pub(super) port: VhostPort<HeapPool>,
    pub(super) now: Instant,
    burst: Burst,
    pool: HeapPool,
}

/// A path for a socket that no other test uses.
pub(super) fn path(test: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("millrace-{}-{test}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    path
}

impl Rig {
    pub(super) fn new(path: &std::path::Path, mode: Mode) -> Rig {
        Rig::with(path, mode, SocketAccess::default())
    }

    pub(super) fn with(path: &std::path::Path, mode: Mode, access: SocketAccess) -> Rig {
        let config = DeviceConfig {
            socket: path.to_owned(),
            mode,
            access,
            queue_pairs: 1,
            mtu: 1500,
            offloads: Features::default(),
        };
        let pool = HeapPool::new(256, 2048);
        let (device, mut ports) = VhostDevice::open(&config, || pool.clone()).unwrap();
        let port = ports.pop().unwrap();
        Rig { device, port, now: Instant::now(), burst: Burst::new(), pool }
    }

    /// A few turns of control and of the worker.
    pub(super) fn turns(&mut self) {
        for _ in 0..20 {
            self.now += Duration::from_millis(5);
            self.device.turn(self.now);
            assert_eq!(self.port.rx_burst(&mut self.burst, 0), 0);
        }
    }

    pub(super) fn state(&self) -> State {
        self.device.status().state
    }

    /// What the port receives now.
    pub(super) fn receive(&mut self) -> Vec<Vec<u8>> {
        self.port.rx_burst(&mut self.burst, 64);
        let frames = self.burst.as_slice().iter().map(|frame| frame.data().to_vec()).collect();
        self.pool.release(&mut self.burst);
        frames
    }

    /// Sends a frame; whether the port took it.
    pub(super) fn send(&mut self, octets: &[u8]) -> bool {
        let mut frame = self.pool.alloc().unwrap();
        assert!(frame.write(octets) && self.burst.push(frame).is_ok());
        let sent = self.port.tx_burst(&mut self.burst);
        assert_eq!(sent.frames + sent.refused, 1);
        sent.frames == 1
    }

    /// Frames that are nowhere but in the switch.
    pub(super) fn frames_held(&self) -> usize {
        self.pool.used()
    }
}

/// The front end's process: a socket, memory, a ring to receive from and one to send by.
pub(super) struct Guest<D> {
    pub(super) stream: UnixStream,
    pub(super) ram: [Ram; 2],
    pub(super) drivers: [D; 2],
    /// By which each of its rings wakes it.
    pub(super) calls: [File; 2],
}

/// Where each ring's memory lies for the guest: two memories of the same shape, one above the other.
const APART: u64 = 0x1_0000_0000;

/// A new eventfd, whose readers and writers do not wait.
pub(super) fn eventfd() -> File {
    // SAFETY: the descriptor is new and ours.
    unsafe { OwnedFd::from_raw_fd(libc::eventfd(0, libc::EFD_NONBLOCK)) }.into()
}

/// The device's connection, which may have to wait until that of the guest before is closed.
pub(super) fn accept(listener: &UnixListener, rig: &mut Rig) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    for _ in 0..5000 {
        rig.turns();
        if let Ok((stream, _)) = listener.accept() {
            listener.set_nonblocking(false).unwrap();
            return stream;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    panic!("the device does not connect");
}

impl<D: Driver> Guest<D> {
    /// Waits for the device to connect, and says everything up to the point where frames may move.
    pub(super) fn start(listener: &UnixListener, rig: &mut Rig, features: Features) -> Guest<D> {
        Guest::on(accept(listener, rig), rig, features)
    }

    pub(super) fn on(stream: UnixStream, rig: &mut Rig, features: Features) -> Guest<D> {
        let mut guest = Guest::unconnected(stream, features);
        guest.connect(features, |_| {});
        rig.turns();
        guest
    }

    /// Says nothing yet.
    pub(super) fn unconnected(stream: UnixStream, features: Features) -> Guest<D> {
        let drivers = [0, 1].map(|_| D::new(64, features));
        Guest { stream, ram: [Ram::new(), Ram::new()], drivers, calls: [0, 1].map(|_| eventfd()) }
    }

    /// Says everything up to the point where frames may move, and `between` before it comes to the rings.
    pub(super) fn connect(&mut self, features: Features, between: impl FnOnce(&Guest<D>)) {
        self.stream.set_nonblocking(true).unwrap();
        let features = features | Features::VERSION_1 | Features::PROTOCOL_FEATURES;
        self.say(empty(SET_OWNER));
        self.say(with(SET_PROTOCOL_FEATURES, front_end::PROTOCOL.0));
        self.say(with(SET_FEATURES, features.0));
        self.share_memory();
        between(self);
        for ring in 0..2 {
            self.start_ring(ring, features);
            self.say(state(SET_VRING_ENABLE, ring, 1));
        }
        self.say(with(SET_STATUS, 0xfu64));
    }

    /// The same to another switch, as if the front end had never heard where its rings stand.
    pub(super) fn reconnect(&mut self, stream: UnixStream, features: Features, between: impl FnOnce(&Guest<D>)) {
        self.stream = stream;
        self.connect(features, between);
    }

    /// Its drivers are loaded again: fresh rings in the same memory.
    pub(super) fn begin_anew(&mut self, features: Features) {
        self.ram.iter().for_each(|ram| ram.put(0, &[0; 1024]));
        self.drivers = [0, 1].map(|_| D::new(64, features));
    }

    /// Both memories, in two regions each.
    pub(super) fn share_memory(&self) {
        let mut payload = 4u64.to_ne_bytes().to_vec();
        let mut fds = Vec::new();
        for (above, ram) in (0..).map(|n| n * APART).zip(&self.ram) {
            for (guest, offset) in [(0, SECOND), (SECOND, 0)] {
                let region = VhostUserMemoryRegion::new(above + guest, SECOND, USER + above + guest, offset);
                payload.extend(region.as_slice());
                fds.push(OwnedFd::from(ram.file.try_clone().unwrap()));
            }
        }
        let Sent(octets, _) = raw(SET_MEM_TABLE.into(), 1, &payload);
        self.say(Sent(octets, fds));
    }

    pub(super) fn start_ring(&self, ring: u32, features: Features) {
        let above = u64::from(ring) * APART;
        let at = self.drivers[ring as usize].addresses();
        let flags = VhostUserVringAddrFlags::empty();
        let [descriptors, used, available] = [at.descriptors, at.used, at.available].map(|address| above + address.0);
        let base = if features.has(Features::RING_PACKED) { 0x8000 } else { 0 };
        self.say(state(SET_VRING_NUM, ring, 64));
        self.say(state(SET_VRING_BASE, ring, base));
        self.say(with(SET_VRING_ADDR, VhostUserVringAddr::new(ring, flags, descriptors, used, available, 0)));
        self.say_kick(ring);
        self.say_call(ring, &self.calls[ring as usize]);
    }

    /// Starts a ring.
    pub(super) fn say_kick(&self, ring: u32) {
        let Sent(octets, _) = with(SET_VRING_KICK, u64::from(ring));
        self.say(Sent(octets, vec![eventfd().into()]));
    }

    /// Wants to be woken by this eventfd from now on.
    pub(super) fn say_call(&self, ring: u32, eventfd: &File) {
        let Sent(octets, _) = with(SET_VRING_CALL, u64::from(ring));
        self.say(Sent(octets, vec![eventfd.try_clone().unwrap().into()]));
    }

    /// Sends one message.
    pub(super) fn say(&self, sent: Sent) {
        assert!(self.try_say(sent), "the socket is full, or gone");
    }

    pub(super) fn try_say(&self, Sent(octets, fds): Sent) -> bool {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(200))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
        assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(&self.stream, &[IoSlice::new(&octets)], &mut control, SendFlags::NOSIGNAL) == Ok(octets.len())
    }

    /// The next reply's request and payload.
    pub(super) fn hear(&mut self) -> Option<(u32, Vec<u8>)> {
        let mut header = [0; 12];
        self.stream.read_exact(&mut header).ok()?;
        let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
        let mut payload = vec![0; word(8) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        Some((word(0), payload))
    }

    /// The same, and the descriptor that came with it.
    pub(super) fn hear_fd(&mut self) -> Option<(u32, Vec<u8>, Option<OwnedFd>)> {
        let (mut header, mut fd) = ([0; 12], None);
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::CMSG_CLOEXEC;
        recvmsg(&self.stream, &mut [IoSliceMut::new(&mut header)], &mut control, flags).ok()?;
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                fd = fds.last();
            }
        }
        let word = |at: usize| u32::from_ne_bytes(header[at..at + 4].try_into().unwrap());
        let mut payload = vec![0; word(8) as usize];
        self.stream.read_exact(&mut payload).unwrap();
        Some((word(0), payload, fd))
    }

    /// The guest sends a frame.
    pub(super) fn transmit(&mut self, octets: &[u8]) {
        let all = [vec![0; HEADER], octets.to_vec()].concat();
        self.ram[1].put(BUFFERS, &all);
        let above = Buffer { address: BUFFERS + APART, len: all.len() as u32 };
        self.drivers[1].offer(&self.ram[1], &[above], false, None).unwrap();
    }

    /// The guest makes one buffer available.
    pub(super) fn post(&mut self) {
        self.drivers[0].offer(&self.ram[0], &[Buffer { address: BUFFERS, len: 1600 }], true, None).unwrap();
    }

    /// The next frame the guest finds in its buffer.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        let (_, len) = self.drivers[0].collect(&self.ram[0])?;
        Some(self.ram[0].get(BUFFERS + HEADER as u64, len as usize - HEADER))
    }

    /// Frames both ways.
    pub(super) fn works(&mut self, rig: &mut Rig) {
        for n in 0..100u8 {
            self.transmit(&[n; 100]);
            assert_eq!(rig.receive(), [vec![n; 100]]);
            assert!(self.drivers[1].collect(&self.ram[1]).is_some());
            self.post();
            assert!(rig.send(&[n; 1400]));
            assert_eq!(self.take(), Some(vec![n; 1400]));
        }
        assert_eq!(rig.frames_held(), 0);
    }
}
