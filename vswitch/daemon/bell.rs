//! Wakes the control thread for what workers have to say: without it, control would have to ask them again and again.
//!
//! ```text
//! worker    puts something into a ring ─► fence ─► does control doze? ─► rings (one write to an eventfd)
//! control   says that it dozes ─► fence ─► is there something in a ring? ─► waits for the bell, and for everybody else
//! ```
//!
//! One of the two sees the other, whichever comes first, so that nothing lies there unheard; and who rings while control is
//! up pays for a fence and a load.

use std::{
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::atomic::{
        AtomicBool,
        Ordering::{Relaxed, SeqCst},
        fence,
    },
};

use rustix::{
    event::{EventfdFlags, eventfd},
    io,
};

/// Rung by workers, heard by the control thread.
#[derive(Debug)]
pub(crate) struct Bell {
    is_dozing: AtomicBool,
    event: OwnedFd,
}

impl Bell {
    /// A bell that nobody listens to yet.
    pub(crate) fn new() -> io::Result<Bell> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Bell { is_dozing: AtomicBool::new(false), event })
    }

    /// Wakes the control thread, where it dozes. To be called after something was put into a ring.
    pub(crate) fn ring(&self) {
        fence(SeqCst);
        if self.is_dozing.load(Relaxed) && self.is_dozing.swap(false, Relaxed) {
            // It cannot be full: control takes what is in it before it dozes again.
            let _ = io::write(&self.event, &1_u64.to_ne_bytes());
        }
    }

    /// From now on whoever has something to say rings. What was said before has to be looked for after this.
    pub(crate) fn doze(&self) {
        self.is_dozing.store(true, Relaxed);
        fence(SeqCst);
    }

    /// Control is up again. Whether somebody has rung.
    pub(crate) fn get_up(&self) -> bool {
        let has_rung = !self.is_dozing.swap(false, Relaxed);
        // Whatever was said: who has rung may be about to write yet, and would otherwise end each wait from then on.
        let _ = io::read(&self.event, &mut [0_u8; 8]);
        has_rung
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        thread,
        time::{Duration, Instant},
    };

    use sync::ring;

    use super::*;
    use crate::os::{Watch, wait};

    /// Longer than any machine takes to wake a thread.
    const LONG: Duration = Duration::from_secs(20);

    fn watch(bell: &Bell) -> Watch {
        Watch::to_read(&bell.as_fd())
    }

    fn is_heard(bell: &Bell) -> bool {
        let mut watches = [watch(bell)];
        wait(&mut watches, Duration::ZERO);
        watches[0].ready
    }

    #[test]
    fn who_rings_is_heard_by_one_who_dozes_and_once() {
        let bell = Bell::new().unwrap();
        bell.ring();
        assert!(!is_heard(&bell), "control is up and will look anyway");
        bell.doze();
        assert!(!is_heard(&bell));
        bell.ring();
        bell.ring();
        assert!(is_heard(&bell) && bell.get_up() && !is_heard(&bell));
        bell.doze();
        assert!(!bell.get_up(), "nobody rang");
        // One who was slow.
        io::write(&bell.event, &1_u64.to_ne_bytes()).unwrap();
        bell.doze();
        assert!(is_heard(&bell) && !bell.get_up() && !is_heard(&bell));
    }

    #[test]
    fn nothing_lies_in_a_ring_unheard() {
        const ALL: u32 = 20_000;
        let bell = Bell::new().unwrap();
        let (mut put, mut take) = ring(64);
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..ALL {
                    while put.push(number).is_err() {
                        std::hint::spin_loop();
                    }
                    bell.ring();
                    (0..number % 97).for_each(|_| std::hint::spin_loop());
                }
            });
            let mut expected = 0;
            while expected < ALL {
                while let Some(number) = take.pop() {
                    assert_eq!(number, expected);
                    expected += 1;
                }
                bell.doze();
                if expected < ALL && take.is_empty() {
                    wait(&mut [watch(&bell)], LONG);
                }
                bell.get_up();
            }
        });
        assert!(start.elapsed() < LONG, "somebody was not heard");
    }
}
