//! `[memory]`

use super::{
    super::memory::{BUFFERS, FRAMES_DEFAULT, SUPER_FRAMES_DEFAULT},
    Change::Restart,
    Key, Part, Section,
};

pub(in crate::config) const SECTION: Section = Section {
    name: "memory",
    many: false,
    meaning: "Packet buffers, and what they lie on. `millrace check` says what a file needs in all.",
    parts: &[Part { meaning: "", keys: &[HUGEPAGES, FRAMES, BUFFER, SUPER_FRAMES, NUMA, EAL], values: &[] }],
};

pub(in crate::config) const HUGEPAGES: Key = Key::words("hugepages", &["auto", "always", "never"])
    .or_text("\"auto\"")
    .change(Restart)
    .meaning(
        "Whether buffers and tables lie on hugepages of 2 MiB. \"auto\": where enough are free, else on ordinary pages, \
         with a warning. \"always\": or the switch does not start.",
    );

pub(in crate::config) const FRAMES: Key =
    Key::number("frames", "buffers", 256, 1 << 24).or_number(FRAMES_DEFAULT as i64).change(Restart).meaning(
        "Packet buffers in the pool that all ports share. The default grows with the queues and workers that can hold \
         buffers; less than these need is refused. Less than the switch runs with waits for the next start.",
    );

pub(in crate::config) const BUFFER: Key = Key::number("buffer", "octets", BUFFERS[0] as i64, BUFFERS[2] as i64)
    .or_number(BUFFERS[0] as i64)
    .change(Restart)
    .meaning(
        "What a buffer holds behind its headroom. The default is the first of 2048, 10_240 and 65_407 that holds a \
         packet of the largest MTU.",
    );

pub(in crate::config) const SUPER_FRAMES: Key = Key::number("super_frames", "buffers", 0, 1 << 20)
    .or_number(SUPER_FRAMES_DEFAULT as i64)
    .change(Restart)
    .meaning(
        "Further buffers, of 64 KiB, for packets that containers and VMs leave to the switch to be cut into segments. A TAP          that finds none when it is opened lets its kernel cut them, at a third of the speed. With 0 there are none. Less than \
         the switch runs with waits for the next start.",
    );

pub(in crate::config) const NUMA: Key = Key::number("numa", "", 0, 31)
    .or("the node of the workers' CPUs, where they are pinned to those of one node")
    .example("1")
    .change(Restart)
    .meaning(
        "The NUMA node whose hugepages the buffers lie on; it should be that of the NICs and of the workers. Ordinary \
         pages are where the kernel likes.",
    );

const EAL: Key = Key::other("eal", "a list of texts, one argument each")
    .or_text("[]")
    .example("[\"--iova-mode=va\"]")
    .change(Restart)
    .meaning("Further arguments for DPDK's EAL.");
