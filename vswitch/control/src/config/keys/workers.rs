//! `[workers]`

use datapath::WORKERS_MAX;

use super::{
    super::workers,
    Change::{Live, Restart},
    Key, Part, Section,
};

pub(in crate::config) const SECTION: Section = Section {
    name: "workers",
    many: false,
    meaning: "The threads that move packets: how many, where they run, and what they do when there is nothing to do. Each \
              has its own tables; a port's queue pairs are held by one worker each.",
    parts: &[Part {
        meaning: "",
        keys: &[CORES, COUNT, IDLE, REST_MAX_US, CPU_LATENCY_US, TAP_COALESCE_US, BURST],
        values: &[],
    }],
};

/// CPUs that Linux can name in an affinity mask of ordinary size.
const CPUS_MAX: i64 = 1024;

/// The row of the numbers in the list.
pub(in crate::config) const CORES: Key = Key {
    // Each number of the list has this range.
    takes: super::Takes::Number { unit: "for each CPU", min: 0, max: CPUS_MAX - 1 },
    ..Key::other("cores", "")
        .or("one worker, on the last CPU that the process may use")
        .example("[2, 3]")
        .change(Restart)
        .meaning(
            "One worker is pinned to each of these CPUs (16 at most). They should be isolated, of the NIC's NUMA node, \
             and not CPU 0: `millrace doctor` tells.",
        )
};

pub(in crate::config) const COUNT: Key = Key::number("count", "workers", 1, WORKERS_MAX as i64)
    .or("`cores` counts")
    .example("2")
    .instead_of("cores")
    .change(Restart)
    .meaning("That many workers, which run wherever the kernel likes: for tests, and machines shared with others.");

pub(in crate::config) const IDLE: Key = Key::words("idle", &["adaptive", "busy"])
    .or_text("\"adaptive\"")
    .change(Restart)
    .meaning(
        "What a worker does that finds nothing to do. \"adaptive\" polls on for a while, letting others on its CPU \
         go first, then rests, longer and longer, up to `rest_max_us`; a packet from a TAP wakes it at once. \"busy\" polls \
         on and on: least delay, and the whole CPU.",
    );

pub(in crate::config) const REST_MAX_US: Key = Key::number("rest_max_us", "microseconds", 10, 10_000)
    .or_number(workers::REST_MAX_US_DEFAULT as i64)
    .change(Restart)
    .meaning(
        "The longest rest of an adaptive worker: what the first packet after a silence waits at most where it does \
         not come from a TAP, beside what the kernel takes to wake a thread. The idle CPU time, which LOAD in `millrace show workers` tells, falls with it: 250 take about a third of what 50 do.",
    );

pub(in crate::config) const CPU_LATENCY_US: Key = Key::number("cpu_latency_us", "microseconds", 0, 10_000)
    .or("the kernel decides how deep CPUs sleep")
    .example("0")
    .change(Live)
    .meaning(
        "While there is traffic, no CPU of the node may take longer than this to wake up: the switch holds that request in \
         /dev/cpu_dma_latency (PM QoS), and lets go of it when nothing has come for a second. The CPU of a container that \
         waits for an answer goes to sleep, and each packet waits for it to wake: 10 to 20 us in a VM, 1 to 200 us on bare \
         metal, by the depth of the sleep. The price: with 0 every idle CPU of the node polls, and with it goes power, the \
         clock that sleeping cores leave to others, and the half of a core that a sibling thread polls on. In a VM that is \
         the only number that helps. On bare metal 2 to 20 leave the CPUs their light sleep, C1, which costs little: \
         /sys/devices/system/cpu/cpu0/cpuidle/state*/latency has the numbers. `millrace show workers` tells whether it is held.",
    );

pub(in crate::config) const TAP_COALESCE_US: Key = Key::number("tap_coalesce_us", "microseconds", 0, 200)
    .or_number(workers::TAP_COALESCE_US_DEFAULT as i64)
    .change(Restart)
    .meaning(
        "For how long packets for a container on a TAP may wait for others, so that it is woken once for several of them: \
         what NICs call interrupt coalescing. Only where there are many, 60,000 a second and more to one queue, and no longer \
         than six others could have come in: two that answer each other one packet at a time get each at once. A container \
         gets a quarter more small datagrams through. 0: each packet is written at once, whatever there are.",
    );

/// Vector receive functions of NIC drivers take frames by fours, and none where fewer are asked for.
const BURST_MIN: i64 = 4;

pub(in crate::config) const BURST: Key = Key::number("burst", "frames", BURST_MIN, frame::BURST_MAX as i64)
    .or_number(workers::BURST_DEFAULT as i64)
    .change(Restart)
    .meaning(
        "Frames that a worker takes from one port before it looks at the next. A batch has 64 from all ports together, \
         so that larger bursts are a little faster and let a busy port make others wait.",
    );
