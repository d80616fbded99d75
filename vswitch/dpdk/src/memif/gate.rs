//! What keeps workers out of the driver.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Acquire, Ordering::Release},
};

/// What a queue has heard whose port is gone. Odd, so it is no word by which the gate is shut.
const GONE: u32 = u32::MAX;

/// Whether workers may enter a device's driver, and what each of them has heard of it.
///
/// One thread opens and shuts it, each time by another word. A worker looks before each burst, and repeats a new word when
/// it sees one: so it says, between two bursts of its own, that what it does from now on is done by that word. The one who
/// shut the gate knows that nobody is inside when every queue has repeated it.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The word in force: odd while the gate is open.
    said: AtomicU32,
    /// What each queue has heard.
    heard: Box<[AtomicU32]>,
}

impl Gate {
    /// Shut, with so many queues outside it.
    pub(crate) fn new(queues: u16) -> Arc<Gate> {
        Arc::new(Gate { said: AtomicU32::new(0), heard: (0..queues).map(|_| AtomicU32::new(0)).collect() })
    }

    pub(crate) fn is_open(&self) -> bool {
        is_open(self.said.load(Acquire))
    }

    /// Lets workers in. Only when [`Gate::is_clear`], by the thread that shuts it.
    pub(crate) fn open(&self) {
        if !self.is_open() {
            self.say();
        }
    }

    /// Lets no burst begin whose worker sees it.
    pub(crate) fn shut(&self) {
        if self.is_open() {
            self.say();
        }
    }

    fn say(&self) {
        self.said.store(self.said.load(Acquire).wrapping_add(1), Release);
    }

    /// Whether the gate is shut and nobody is inside.
    pub(crate) fn is_clear(&self) -> bool {
        let said = self.said.load(Acquire);
        !is_open(said) && self.heard.iter().all(|heard| [said, GONE].contains(&heard.load(Acquire)))
    }
}

fn is_open(word: u32) -> bool {
    word & 1 == 1
}

/// A queue's way through the gate; with it goes the queue.
#[derive(Debug)]
pub(crate) struct Passage {
    gate: Arc<Gate>,
    queue: usize,
    heard: u32,
}

impl Passage {
    /// The way of this queue, which has one at a time.
    pub(crate) fn new(gate: &Arc<Gate>, queue: u16) -> Passage {
        Passage { gate: Arc::clone(gate), queue: queue.into(), heard: 0 }
    }

    /// Whether the burst that is about to begin may enter the driver. To be asked outside of it.
    #[inline]
    pub(crate) fn is_open(&mut self) -> bool {
        let said = self.gate.said.load(Acquire);
        if said != self.heard {
            self.repeat(said);
        }
        is_open(said)
    }

    #[cold]
    fn repeat(&mut self, said: u32) {
        self.heard = said;
        self.gate.heard[self.queue].store(said, Release);
    }
}

impl Drop for Passage {
    fn drop(&mut self) {
        self.repeat(GONE);
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering::Relaxed},
        thread,
    };

    use super::*;

    #[test]
    fn a_gate_is_clear_when_every_queue_has_heard_of_it_or_gone() {
        let gate = Gate::new(2);
        let (mut first, mut second) = (Passage::new(&gate, 0), Passage::new(&gate, 1));
        assert!(gate.is_clear() && !first.is_open(), "shut at first");
        gate.open();
        assert!(first.is_open() && second.is_open() && !gate.is_clear());
        gate.shut();
        gate.shut();
        assert!(!gate.is_clear(), "nobody has heard of it");
        assert!(!first.is_open() && !gate.is_clear(), "the second may be inside");
        drop(second);
        assert!(gate.is_clear());
    }

    #[test]
    fn nobody_is_inside_a_gate_that_is_clear() {
        const TURNS: u32 = 100;
        let (gate, mapped, over) = (Gate::new(2), AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            for queue in 0..2 {
                let (mut passage, mapped, over) = (Passage::new(&gate, queue), &mapped, &over);
                scope.spawn(move || {
                    let mut entered = 0;
                    while !over.load(Relaxed) {
                        if passage.is_open() {
                            entered += 1;
                            assert!((0..32).all(|_| mapped.load(Relaxed)), "unmapped under a worker");
                        }
                    }
                    assert!(entered > 0);
                });
            }
            for _ in 0..TURNS {
                mapped.store(true, Relaxed);
                gate.open();
                thread::yield_now();
                gate.shut();
                while !gate.is_clear() {
                    thread::yield_now();
                }
                mapped.store(false, Relaxed);
            }
            mapped.store(true, Relaxed);
            gate.open();
            thread::sleep(std::time::Duration::from_millis(50));
            over.store(true, Relaxed);
        });
    }
}
