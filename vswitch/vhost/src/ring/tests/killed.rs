//! A switch that is killed at any instruction of a burst, and the one after it: no frame arrives twice or torn, none that
//! the dead one had not taken is lost, and the ring goes on.
//!
//! The kill is real: the burst runs in a process of its own, one instruction at a time, over the memory of the guest and
//! the record, and each state that these pass through is one in which a kill may leave them.

use frame::{Burst, HeapPool, Pool};
use proptest::prelude::*;

use super::{
    driver::{Buffer, Driver},
    guest::{BUFFERS, Ram, config},
    packed_driver::PackedDriver,
    split_driver::SplitDriver,
};
use crate::{Features, GuestAddress, InflightArea, InflightMemory, Queue, Record, RingIndex, ring::recover};

/// Octets between two buffers; frames are shorter than half of it.
const APART: u64 = 128;
/// Buffers in use, one after the other, over and over: more than any ring here has descriptors.
const PLACES: u64 = 32;
/// Where the switch says which frames it has taken, for us to see: their count, then their numbers.
const TAKEN: u64 = 0x18_0000;
const HEADER: usize = 12;
/// Octets of a posted buffer that is too short for any frame, and of one that is not.
const SHORT: u32 = 60;
const ROOMY: u32 = 120;

/// Runs `work` in a process of its own, and looks before it and after each of its instructions.
fn step_through(work: impl FnOnce(), mut look: impl FnMut()) {
    // SAFETY: the child does `work` on a copy of this thread and ends. glibc makes sure that it may allocate.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: plain calls, the last of which does not return.
        unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            libc::raise(libc::SIGSTOP);
            let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
            libc::_exit(i32::from(outcome.is_err()));
        }
    }
    loop {
        let mut status = 0;
        // SAFETY: plain calls about our child, which stops after each instruction.
        unsafe {
            assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
            if libc::WIFEXITED(status) {
                assert_eq!(libc::WEXITSTATUS(status), 0, "the burst failed");
                return;
            }
            assert!(libc::WIFSTOPPED(status) && [libc::SIGSTOP, libc::SIGTRAP].contains(&libc::WSTOPSIG(status)));
            look();
            assert_eq!(libc::ptrace(libc::PTRACE_SINGLESTEP, child, 0, 0), 0);
        }
    }
}

/// All that outlives a switch.
#[derive(Clone, PartialEq)]
struct State {
    ram: Vec<Vec<u8>>,
    record: Vec<u64>,
}

/// In which direction the frames of a test go.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    FromGuest,
    ToGuest,
}

/// What the guest knows.
#[derive(Clone)]
struct Mind<D> {
    driver: D,
    /// The next frame's number.
    number: u16,
    /// Buffers used so far, and those for frames to it, in the order in which it posted them.
    places: u64,
    posted: Vec<u64>,
    /// When the round began: that frame's number, and how many had been taken.
    first: u16,
    taken: usize,
}

/// A guest with one ring, and the memory of the record.
struct Rig<D> {
    ram: Ram,
    inflight: InflightMemory,
    size: u16,
    features: Features,
    way: Way,
    /// Octets of a buffer posted: many frames take two of the shorter ones.
    posted_len: u32,
    mind: Mind<D>,
}

impl<D: Driver + Clone> Rig<D> {
    fn new(way: Way, size: u16, features: Features, posted_len: u32) -> Rig<D> {
        let features = features | Features::MRG_RXBUF;
        let driver = D::new(size, features);
        let mind = Mind { driver, number: 0, places: 0, posted: Vec::new(), first: 0, taken: 0 };
        Rig { ram: Ram::new(), inflight: InflightMemory::create(2, 64).unwrap(), size, features, way, posted_len, mind }
    }

    /// Where the ring's parts, the buffers and the numbers taken lie.
    fn areas(&self) -> [(u64, usize); 5] {
        let ring = 16 * usize::from(self.size);
        [(0, ring), (0x8_0000, 256), (0x9_0000, 256), (BUFFERS, (PLACES * APART) as usize), (TAKEN, 1024)]
    }

    fn state(&self) -> State {
        let ram = self.areas().map(|(at, len)| self.ram.get(at, len)).to_vec();
        State { ram, record: self.record().words(80) }
    }

    /// The same as comparing with `state()`, and cheaper.
    fn is_in(&self, state: &State) -> bool {
        let mut octets = [0; (PLACES * APART) as usize];
        let same_ram = self.areas().iter().zip(&state.ram).all(|(&(at, len), then)| {
            self.ram.memory.slice(GuestAddress(at), len as u32).map(|slice| slice.read(&mut octets[..len])) == Some(len)
                && octets[..len] == then[..]
        });
        same_ram && self.record().is(&state.record)
    }

    fn record(&self) -> Record {
        self.inflight.record(RingIndex(1)).unwrap()
    }

    fn restore(&self, state: &State) {
        self.areas().iter().zip(&state.ram).for_each(|(&(at, _), octets)| self.ram.put(at, octets));
        self.record().write(&state.record);
    }

    /// The next switch, to which the front end tells the base the ring once began at.
    fn next_life(&self) -> Queue {
        let (size, fd) = self.inflight.share().unwrap();
        let area = InflightArea { size, offset: 0, rings: 2, ring_size: 64, fd };
        let record = InflightMemory::attach(area).unwrap().record(RingIndex(1)).unwrap();
        let mut config = config(self.size, self.features, self.mind.driver.addresses());
        if self.features.has(Features::RING_PACKED) {
            let found = recover(&record, &self.ram.memory, &config.addresses, self.size).unwrap();
            config.base = found.unwrap_or(config.base);
            record.settle(config.base as u16);
            config.record = Some(record);
        }
        Queue::new(self.ram.memory.clone(), &config).unwrap()
    }

    /// Every state that memory passes through while `work` is done, the first and the last among them.
    fn states(&self, work: impl FnOnce()) -> Vec<State> {
        let mut states = vec![self.state()];
        step_through(work, || {
            if !states.last().is_some_and(|last| self.is_in(last)) {
                states.push(self.state());
            }
        });
        states
    }

    fn place(&mut self) -> u64 {
        self.mind.places += 1;
        BUFFERS + (self.mind.places - 1) % PLACES * APART
    }

    /// The guest's part before a burst: the next frames, in so many pieces each, or buffers for as many. How many frames
    /// the burst is to have.
    fn begin(&mut self, pieces: &[usize]) -> usize {
        (self.mind.first, self.mind.taken) = (self.mind.number, self.taken().len());
        if self.way == Way::ToGuest {
            while self.post() {}
            self.mind.number += pieces.len() as u16;
            return pieces.len();
        }
        pieces.iter().take_while(|&&pieces| self.offer_frame(pieces)).count()
    }

    /// The guest offers the next frame; whether there was room.
    fn offer_frame(&mut self, pieces: usize) -> bool {
        let at = self.place();
        let frame = [vec![0; HEADER], octets(self.mind.number)].concat();
        let cut = if pieces == 1 { frame.len() } else { frame.len() / 2 };
        let buffer = |from: usize, to: usize| Buffer { address: at + from as u64, len: (to - from) as u32 };
        let buffers = [buffer(0, cut), buffer(cut, frame.len())];
        let offered = self.mind.driver.offer(&self.ram, &buffers[..pieces], false, None).is_some();
        if offered {
            self.ram.put(at, &frame);
            self.mind.number += 1;
        }
        offered
    }

    /// The guest makes a buffer available; whether there was room.
    fn post(&mut self) -> bool {
        let address = self.place();
        let posted =
            self.mind.driver.offer(&self.ram, &[Buffer { address, len: self.posted_len }], true, None).is_some();
        if posted {
            self.mind.posted.push(address);
        } else {
            self.mind.places -= 1;
        }
        posted
    }

    /// The switch's part: a burst, and word of the frames taken from the guest.
    fn burst(&self, queue: &mut Queue, pool: &mut HeapPool, frames: usize) {
        let mut burst = Burst::new();
        match self.way {
            Way::FromGuest => {
                queue.receive(&mut burst, 64, pool).unwrap();
                burst.as_slice().iter().for_each(|frame| self.take_note(frame.data()));
            }
            Way::ToGuest => {
                for number in (self.mind.first..).take(frames) {
                    let mut frame = pool.alloc().unwrap();
                    assert!(frame.write(&octets(number)) && burst.push(frame).is_ok());
                }
                queue.send(&burst).unwrap();
            }
        }
        pool.release(&mut burst);
    }

    fn take_note(&self, frame: &[u8]) {
        let taken = self.ram.get16(TAKEN);
        let number = u16::from_le_bytes([frame[0], frame[1]]);
        assert_eq!(frame, octets(number), "a frame is torn");
        self.ram.put16(TAKEN + 2 + 2 * u64::from(taken), number);
        self.ram.put16(TAKEN, taken + 1);
    }

    /// The numbers of all frames taken from the guest.
    fn taken(&self) -> Vec<u16> {
        (0..u64::from(self.ram.get16(TAKEN))).map(|n| self.ram.get16(TAKEN + 2 + 2 * n)).collect()
    }

    /// How many frames of this round were taken so far: the next ones, one after the other.
    fn taken_now(&self) -> usize {
        let taken = &self.taken()[self.mind.taken..];
        assert!(taken.iter().zip(self.mind.first..).all(|(&number, next)| number == next), "{taken:?}");
        taken.len()
    }

    /// The guest looks at what was used: how many frames it got, after the first `before` of this round, each whole and in
    /// its turn; or how many chains came back.
    fn look(&mut self, before: usize) -> usize {
        if self.way == Way::FromGuest {
            return before + std::iter::from_fn(|| self.mind.driver.collect(&self.ram)).count();
        }
        let mut found = before;
        while let Some(mut frame) = self.chain() {
            for _ in 1..u16::from_le_bytes([frame[10], frame[11]]) {
                frame.extend(self.chain().expect("all chains of a frame are there when the first is"));
            }
            assert_eq!(frame[HEADER..], octets(self.mind.first + found as u16), "torn, or out of turn");
            found += 1;
        }
        found
    }

    fn chain(&mut self) -> Option<Vec<u8>> {
        let (_, len) = self.mind.driver.collect(&self.ram)?;
        Some(self.ram.get(self.mind.posted.remove(0), len as usize))
    }

    /// A burst without a kill.
    fn lives(&mut self, queue: &mut Queue, pool: &mut HeapPool, pieces: &[usize]) {
        let frames = self.begin(pieces);
        self.burst(queue, pool, frames);
        let found = self.look(0);
        match self.way {
            Way::FromGuest => assert_eq!((self.taken_now(), found), (frames, frames)),
            Way::ToGuest => assert!(found > 0 || frames == 0, "the ring goes on"),
        }
    }

    /// The states a burst of `frames` passes through, and how many frames the guest gets of a whole one.
    fn states_of_burst(&mut self, queue: &mut Queue, pool: &mut HeapPool, frames: usize) -> (Vec<State>, usize) {
        let states = self.states(|| self.burst(queue, pool, frames));
        let mind = self.mind.clone();
        let whole = self.look(0);
        self.mind = mind;
        (states, whole)
    }

    /// The switch was killed in `state` of a burst; perhaps the guest goes on before the next switch comes. Of the burst
    /// all reaches its end once, or nothing, and every chain comes back.
    fn survives(&mut self, pool: &mut HeapPool, state: &State, early: bool, frames: usize, whole: usize) -> Queue {
        self.restore(state);
        let (told, mut found) = (self.taken_now(), 0);
        if early {
            found = self.look(0);
        }
        let mut queue = self.next_life();
        if self.way == Way::ToGuest {
            found = self.look(found);
            assert!(found == 0 || found == whole, "{found} of {whole}");
            return queue;
        }
        self.burst(&mut queue, pool, frames);
        let after = self.taken_now() - told;
        assert!(after == 0 || (told, after) == (0, frames), "{told} and {after} of {frames}");
        assert_eq!(self.look(found), frames, "every chain comes back, once");
        queue
    }
}

/// A frame: its number, and 80 octets and some more that go with it.
fn octets(number: u16) -> Vec<u8> {
    let len = 80 + usize::from(number) % 7;
    let filling = (2..len).map(|at| (usize::from(number) * 31 + at * 7) as u8);
    number.to_le_bytes().into_iter().chain(filling).collect()
}

const SPLIT: Features = Features::VERSION_1;
const PACKED: Features = Features(SPLIT.0 | Features::RING_PACKED.0);
const IN_ORDER: Features = Features(PACKED.0 | Features::IN_ORDER.0);

/// Every state that a burst around the end of a ring passes through, the guest going on before and after: a burst of frames
/// in one buffer each, and one of others.
fn everywhere<D: Driver + Clone>(way: Way, size: u16, features: Features) {
    everywhere_with::<D>(way, size, features, &[1, 2, 1], SHORT);
    everywhere_with::<D>(way, size, features, &[1, 1, 1], ROOMY);
}

fn everywhere_with<D: Driver + Clone>(way: Way, size: u16, features: Features, pieces: &[usize], posted_len: u32) {
    let mut rig = Rig::<D>::new(way, size, features, posted_len);
    let mut pool = HeapPool::new(64, 256);
    let mut queue = rig.next_life();
    rig.lives(&mut queue, &mut pool, &[1, 1, 1]);
    let frames = rig.begin(pieces);
    assert!(frames >= 3);
    let (states, whole) = rig.states_of_burst(&mut queue, &mut pool, frames);
    assert!(states.len() > frames + 2, "only {} states", states.len());
    let mind = rig.mind.clone();
    for (state, early) in states.iter().flat_map(|state| [(state, false), (state, true)]) {
        rig.mind = mind.clone();
        let mut queue = rig.survives(&mut pool, state, early, frames, whole);
        for pieces in [[1, 2], [2, 1], [1, 1]] {
            rig.lives(&mut queue, &mut pool, &pieces);
        }
    }
    assert_eq!(pool.used(), 0);
}

#[test]
fn a_kill_at_any_instruction_neither_repeats_nor_loses_what_the_guest_sends() {
    everywhere::<PackedDriver>(Way::FromGuest, 5, PACKED);
    everywhere::<PackedDriver>(Way::FromGuest, 5, IN_ORDER);
    everywhere::<SplitDriver>(Way::FromGuest, 4, SPLIT);
}

#[test]
fn a_kill_at_any_instruction_neither_repeats_nor_tears_what_the_guest_receives() {
    everywhere::<PackedDriver>(Way::ToGuest, 7, PACKED);
    everywhere::<SplitDriver>(Way::ToGuest, 8, SPLIT);
}

/// One round: frames, in so many pieces each; at which of the burst's states the switch is killed, in parts of 256; whether
/// the guest goes on before the next switch comes.
type Round = (Vec<usize>, Option<u8>, bool);

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let kill = prop_oneof![1 => Just(None), 2 => any::<u8>().prop_map(Some)];
    prop::collection::vec((prop::collection::vec(1usize..3, 1..6), kill, any::<bool>()), 2..5)
}

fn again_and_again<D: Driver + Clone>(way: Way, size: u16, features: Features, rounds: &[Round]) {
    let mut rig = Rig::<D>::new(way, size, features, SHORT);
    let mut pool = HeapPool::new(64, 256);
    let mut queue = rig.next_life();
    for (pieces, kill, early) in rounds {
        let Some(kill) = kill else {
            rig.lives(&mut queue, &mut pool, pieces);
            continue;
        };
        let frames = rig.begin(pieces);
        let (states, whole) = rig.states_of_burst(&mut queue, &mut pool, frames);
        let state = &states[states.len() * usize::from(*kill) / 256];
        queue = rig.survives(&mut pool, state, *early, frames, whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn kills_one_after_the_other_neither_repeat_nor_lose(rounds in rounds(), size in 4u16..9, from_guest in any::<bool>()) {
        let way = if from_guest { Way::FromGuest } else { Way::ToGuest };
        again_and_again::<PackedDriver>(way, size, PACKED, &rounds);
        again_and_again::<PackedDriver>(way, size, IN_ORDER, &rounds);
        again_and_again::<SplitDriver>(way, 8, SPLIT, &rounds);
    }
}
