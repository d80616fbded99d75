//! Windows: short stretches of work, each with the CPU time of the thread beside the time on the wall. Where the two differ,
//! or the thread was switched away from, somebody came between, and the window does not count.

use std::{fs::File, os::unix::fs::FileExt};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Time on the wall beyond the thread's CPU time before a window counts as disturbed: what clocks and the timer's interrupt
/// take is less.
const TAKEN_MAX_NS: u64 = 20_000;

/// Windows without disturbance there must be at least for a figure to mean something.
const WINDOWS_MIN: usize = 20;

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds since some moment, for everybody.
#[inline]
pub(crate) fn wall_ns() -> u64 {
    read(ClockId::Monotonic)
}

thread_local! {
    static SCHEDULE: Option<File> = File::open("/proc/thread-self/schedstat").ok();
}

/// How often this thread was given a CPU, the third number of its schedule (proc(5), `schedstat`): once more whenever somebody
/// else had it. 0 where the kernel does not tell.
fn slices() -> u64 {
    SCHEDULE
        .with(|file| {
            let mut text = [0; 64];
            let len = file.as_ref()?.read_at(&mut text, 0).ok()?;
            std::str::from_utf8(&text[..len]).ok()?.split_whitespace().nth(2)?.parse().ok()
        })
        .unwrap_or(0)
}

/// One stretch of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) packets: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) wall_ns: u64,
    /// Times somebody else had the CPU meanwhile.
    pub(crate) switches: u64,
}

impl Window {
    /// Does `work`, which says how many packets it was.
    #[inline(never)]
    pub(crate) fn of(work: impl FnOnce() -> u64) -> Window {
        let slices_before = slices();
        let (wall, cpu) = (wall_ns(), read(ClockId::ThreadCPUTime));
        let packets = work();
        let (cpu_ns, wall_ns) = (read(ClockId::ThreadCPUTime) - cpu, wall_ns() - wall);
        Window { packets, cpu_ns, wall_ns, switches: slices() - slices_before }
    }

    pub(crate) fn is_disturbed(&self) -> bool {
        self.switches > 0 || self.wall_ns.saturating_sub(self.cpu_ns) > TAKEN_MAX_NS
    }

    fn packet_ns(&self) -> f64 {
        self.cpu_ns as f64 / self.packets.max(1) as f64
    }
}

/// What windows of the same work have in common.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Cost {
    /// CPU time a packet in the tenth best of a hundred windows: others on the machine make memory and the core itself
    /// slower, often for seconds, and never faster.
    pub(crate) ns: f64,
    /// The same in the median window and in the tenth worst.
    pub(crate) ns_p50: f64,
    pub(crate) ns_p90: f64,
    /// Windows that count, and windows that were disturbed and do not.
    pub(crate) windows: usize,
    pub(crate) disturbed: usize,
}

impl Cost {
    /// Of the windows in which nobody came between; of all where these are too few, which [`Cost::is_sound`] tells.
    pub(crate) fn of(windows: &[Window]) -> Cost {
        let mut ns: Vec<_> = windows.iter().filter(|window| !window.is_disturbed()).map(Window::packet_ns).collect();
        let counted = ns.len();
        if counted < WINDOWS_MIN {
            ns = windows.iter().map(Window::packet_ns).collect();
        }
        ns.sort_by(f64::total_cmp);
        let at = |share: usize| ns.get(ns.len() * share / 100).map_or(0.0, |ns| (ns * 100.0).round() / 100.0);
        Cost { ns: at(10), ns_p50: at(50), ns_p90: at(90), windows: counted, disturbed: windows.len() - counted }
    }

    /// Whether enough windows count.
    pub(crate) fn is_sound(&self) -> bool {
        self.windows >= WINDOWS_MIN
    }
}

/// How much two windows of the floor may differ for what was done between them to have been done at one speed.
const ONE_SPEED: f64 = 0.1;

/// What work costs beyond the floor, as a multiple of the floor.
///
/// The core of a shared machine runs half as fast for seconds, and fast again. The floor does so, too, so it is taken
/// between any two windows of work: each is compared with the two beside it, and does not count where these differ by more
/// than a tenth. The median multiple differs little between speeds (it is somewhat smaller at the lower), nanoseconds much.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Beyond {
    pub(crate) floors: f64,
    /// Windows that count.
    pub(crate) windows: usize,
}

impl Beyond {
    /// Of windows of work with a window of the floor before each and behind the last; of all of them where too few count,
    /// which [`Beyond::is_sound`] tells.
    pub(crate) fn of(work: &[Window], floor: &[Window]) -> Beyond {
        Beyond::at_speed(f64::INFINITY, work, floor)
    }

    /// The same of those windows whose floors took about `floor_ns` or less a packet: at one speed of the core.
    pub(crate) fn at_speed(floor_ns: f64, work: &[Window], floor: &[Window]) -> Beyond {
        let all = || work.iter().zip(floor.windows(2)).filter_map(|(work, beside)| Beside::of(work, beside));
        let at_speed = |beside: &Beside| beside.counts && beside.floor_ns <= floor_ns * (1.0 + ONE_SPEED);
        let mut floors: Vec<_> = all().filter(at_speed).map(|beside| beside.floors).collect();
        let windows = floors.len();
        if windows < WINDOWS_MIN {
            floors = all().map(|beside| beside.floors).collect();
        }
        floors.sort_by(f64::total_cmp);
        Beyond { floors: floors.get(floors.len() / 2).copied().unwrap_or_default(), windows }
    }

    /// Whether enough windows count.
    pub(crate) fn is_sound(&self) -> bool {
        self.windows >= WINDOWS_MIN
    }
}

/// One window of work beside the two of the floor around it.
struct Beside {
    floors: f64,
    /// What the floor took a packet in the slower of both.
    floor_ns: f64,
    /// Nobody came between, and the speed was one.
    counts: bool,
}

impl Beside {
    fn of(work: &Window, floor: &[Window]) -> Option<Beside> {
        let &[before, after] = floor else { return None };
        let [low, high] = [f64::min, f64::max].map(|of| of(before.packet_ns(), after.packet_ns()));
        let alone = ![*work, before, after].iter().any(Window::is_disturbed);
        let floors = 2.0 * work.packet_ns() / (low + high) - 1.0;
        (low > 0.0).then_some(Beside { floors, floor_ns: high, counts: alone && high <= low * (1.0 + ONE_SPEED) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(cpu_ns: u64, wall_ns: u64) -> Window {
        Window { packets: 100, cpu_ns, wall_ns, switches: 0 }
    }

    #[test]
    fn what_somebody_came_between_is_shown_and_does_not_count() {
        let mut windows = vec![window(1000, 2000); 30];
        windows.extend([window(9000, 900_000); 10]);
        let cost = Cost::of(&windows);
        assert_eq!((cost.ns, cost.ns_p90, cost.windows, cost.disturbed), (10.0, 10.0, 30, 10));
        assert!(cost.is_sound());
        assert!(!Cost::of(&windows[25..]).is_sound() && !Cost::of(&[]).is_sound());
    }

    #[test]
    fn work_is_told_as_a_multiple_of_the_floor_beside_it_whatever_the_speed() {
        let fast = [[window(500, 500), window(2500, 2500)]; 30].concat();
        let slow = [[window(700, 700), window(3500, 3500)]; 10].concat();
        let all: Vec<_> = fast.into_iter().chain(slow).chain([window(700, 700)]).collect();
        let (floor, work): (Vec<_>, Vec<_>) = all.chunks(2).map(|pair| (pair[0], pair.get(1).copied())).unzip();
        let work: Vec<_> = work.into_iter().flatten().collect();
        let beyond = Beyond::of(&work, &floor);
        assert_eq!((beyond.floors, beyond.windows), (4.0, 39), "the speed changed in one");
        assert_eq!(Beyond::of(&work[30..], &floor[30..]).floors, 4.0);
        let slower: Vec<_> =
            work.iter().map(|w| if w.cpu_ns > 2500 { Window { cpu_ns: 2800, ..*w } } else { *w }).collect();
        assert_eq!(Beyond::at_speed(5.0, &slower, &floor), Beyond { floors: 4.0, windows: 29 });
        assert_eq!(Beyond::at_speed(7.0, &slower[30..], &floor[30..]), Beyond { floors: 3.0, windows: 10 });
        assert!(!Beyond::at_speed(4.0, &slower, &floor).is_sound());
        assert!(!Beyond::of(&[], &floor[..1]).is_sound());
        let disturbed = Window { switches: 1, ..work[0] };
        assert_eq!(Beyond::of(&[disturbed; 30], &floor).windows, 0);
    }

    #[test]
    fn a_window_knows_what_it_took_and_what_a_sleep_takes_from_it() {
        let work = Window::of(|| std::hint::black_box((0..100_000u64).fold(0, |a, b| a ^ b)) | 1);
        assert!(work.cpu_ns > 0 && work.packets > 0);
        let slept = Window::of(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            1
        });
        assert!(slept.is_disturbed() && slept.switches > 0, "{slept:?}");
        assert!(Window { switches: 1, ..window(1000, 1000) }.is_disturbed());
    }
}
