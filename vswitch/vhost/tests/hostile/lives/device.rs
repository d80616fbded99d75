//! A whole device on a real socket, its front end on the other end, and workers that poll in between.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{IoSlice, Read},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    os::unix::net::{UnixListener, UnixStream},
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use frame::{Burst, HeapPool, Pool, Port};
use rustix::{
    cmsg_space,
    net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg},
};
use vhost::{DeviceConfig, Features, Mode, SocketAccess, State, VhostDevice, VhostPort};

use super::{
    choices::Choices,
    estate::{Estate, USED},
    messages::{name, offer},
    scribble::{self, Layout},
    script::{self, Said},
};

/// Queue pairs of the device.
const PAIRS: u16 = 2;
/// Longer than any front end is left alone.
const LONG: Duration = Duration::from_secs(24 * 3600);
/// Turns of control and workers after which everything has been let go of.
const TURNS: usize = 100;

/// What came of hostile guests.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) lives: usize,
    pub(crate) frames: usize,
    /// Names of the faults that were found.
    pub(crate) faults: BTreeSet<String>,
}

struct Rig {
    path: PathBuf,
    listener: UnixListener,
    device: VhostDevice,
    ports: Vec<VhostPort<HeapPool>>,
    pool: HeapPool,
    burst: Burst,
    now: Instant,
    tally: Tally,
}

/// Lets guests come, do what these octets choose, and go.
pub(crate) fn live(octets: &[u8]) -> Tally {
    let mut choices = Choices::new(octets);
    let mut rig = Rig::new();
    while !choices.are_over() {
        rig.life(&mut choices);
    }
    let tally = std::mem::take(&mut rig.tally);
    drop(rig);
    tally
}

impl Rig {
    fn new() -> Rig {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let name = format!("millrace-hostile-{}-{}.sock", std::process::id(), NUMBER.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let pool = HeapPool::new(256, 2048);
        let config = DeviceConfig {
            socket: path.clone(),
            mode: Mode::Client,
            access: SocketAccess::default(),
            queue_pairs: PAIRS,
            mtu: 1500,
            offloads: Features::CHECKSUMS | Features::TO_GUEST | Features::FROM_GUEST,
        };
        let (device, ports) = VhostDevice::open(&config, || pool.clone()).unwrap();
        Rig { path, listener, device, ports, pool, burst: Burst::new(), now: Instant::now(), tally: Tally::default() }
    }

    /// One guest, from its coming to its end.
    fn life(&mut self, choices: &mut Choices<'_>) {
        self.now += LONG;
        let stream = loop {
            self.device.turn(self.now);
            match self.listener.accept() {
                Ok((stream, _)) => break stream,
                Err(_) => self.now += LONG,
            }
        };
        stream.set_nonblocking(true).unwrap();
        let estate = Estate::new();
        let mut all = script::session(choices, offer().features.0, offer().protocol.0);
        script::spoil(choices, &mut all);
        let reads = !choices.once_in(10);
        for said in &all {
            if !say(&stream, said, &estate.file) {
                break;
            }
            for _ in 0..choices.up_to(1) {
                self.turn(choices, &estate);
            }
            if reads {
                let _ = (&stream).read(&mut [0; 512]);
            }
        }
        for _ in 0..choices.up_to(20) {
            self.turn(choices, &estate);
        }
        self.end(stream, &estate);
    }

    /// The guest writes into its rings, control and the workers do what they always do.
    fn turn(&mut self, choices: &mut Choices<'_>, estate: &Estate) {
        let (features, ring) = (self.device.status().features, choices.up_to(1) as u32);
        let (behind, spite) = (script::behind(ring), choices.of(&[1000, 30]));
        let layout = Layout { size: 64, features, to_guest: ring == 0, behind, spite };
        // Where a packed ring stands it alone knows.
        let used = u32::from(estate.get16(USED + behind + 2));
        let base = if features.has(Features::RING_PACKED) { choices.of(&[0x8000, 0, 0x8010]) } else { used };
        match choices.up_to(9) {
            0 if choices.once_in(4) => (0..8).for_each(|_| scribble::word(choices, estate, layout)),
            1..=4 => scribble::chains(choices, estate, layout, base),
            5 if choices.once_in(20) => estate.truncate(choices.of(&[0x4000, 0x1000, 0])),
            _ => {}
        }
        self.device.turn(self.now);
        for pair in 0..self.ports.len() {
            self.poll(pair, choices.up_to(8));
        }
        self.now += Duration::from_millis(5);
    }

    /// A worker's turn with one port: receives, and sends `count` frames.
    fn poll(&mut self, pair: usize, count: usize) {
        let port = &mut self.ports[pair];
        self.tally.frames += port.rx_burst(&mut self.burst, 64);
        assert_eq!(self.pool.used(), self.burst.len(), "a frame was lost, or made");
        self.pool.release(&mut self.burst);
        for _ in 0..count {
            let mut frame = self.pool.alloc().unwrap();
            assert!(frame.write(&[7; 100]) && self.burst.push(frame).is_ok());
        }
        let sent = self.ports[pair].tx_burst(&mut self.burst);
        assert_eq!((sent.frames + sent.refused) as usize, count);
        self.tally.frames += sent.frames as usize;
        assert_eq!((self.burst.len(), self.pool.used()), (0, 0), "what is sent or refused is given back");
    }

    /// The guest goes. Whatever it did, nothing of it stays, and nobody is waited for in vain.
    fn end(&mut self, stream: UnixStream, estate: &Estate) {
        let faults = self.device.status().faults;
        drop(stream);
        let mut turns = 0;
        while matches!(self.device.status().state, State::Connected { .. }) || self.device.turn(self.now) {
            (0..self.ports.len()).for_each(|pair| self.poll(pair, 0));
            self.device.turn(self.now);
            turns += 1;
            assert!(turns < TURNS, "the device waits for ever: {:?}", self.device.status());
        }
        let status = self.device.status();
        assert!(status.faults <= faults + 1 && (status.faults > 0) == status.last_fault.is_some());
        self.tally.faults.extend(status.last_fault.iter().map(name));
        self.tally.lives += 1;
        estate.is_unspoilt();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Says one message with its descriptors; `false` where the switch has closed the socket or does not read.
fn say(stream: &UnixStream, said: &Said, memory: &File) -> bool {
    let fds: Vec<OwnedFd> = said.fds.iter().map(|kind| kind.open(memory)).collect();
    let fds: Vec<BorrowedFd<'_>> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(200))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(fds.is_empty() || control.push(SendAncillaryMessage::ScmRights(&fds)));
    sendmsg(stream, &[IoSlice::new(&said.octets)], &mut control, SendFlags::NOSIGNAL) == Ok(said.octets.len())
}
