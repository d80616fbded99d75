//! `[memory]`: packet buffers, and what they lie on.

use serde::Serialize;
use toml::Spanned;

use super::{Kind, Port, Workers, error::Errors, file, keys, section::Section};

/// Descriptors that are set aside for each rx and each tx queue of an eth port where the file does not say. Each can
/// hold a buffer.
pub const ETH_DESCRIPTORS: u16 = 512;

/// What a frame has beyond the MTU: Ethernet and two VLAN tags.
const FRAME_OVERHEAD: u32 = 14 + 2 * 4;

/// Buffers that one worker can have in hands, in its pool cache and on its rings.
const WORKER_FRAMES: u32 = 1024;

/// Buffers that a TAP keeps at hand for what comes, and a share of what it sends at once.
const TAP_FRAMES: u32 = 64;

/// Buffers a pool has where the file does not say and the ports do not need more.
pub(super) const FRAMES_DEFAULT: u32 = 16_384;

/// Buffers for super-frames a pool has where the file does not say. Containers may come later, and their number is fixed at
/// the start.
pub(super) const SUPER_FRAMES_DEFAULT: u32 = 256;

/// Classes of buffers, in octets behind the headroom. The last ends where DPDK's 16-bit `buf_len` ends.
pub(super) const BUFFERS: [u32; 3] = [2048, 10_240, 65_407];

/// `[memory]`, as meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Whether buffers and tables lie on hugepages.
    pub hugepages: Hugepages,
    /// Buffers in the pool.
    pub frames: u32,
    /// Octets a buffer holds behind its headroom.
    pub buffer: u16,
    /// Further buffers, for super-frames: packets of up to 64 KiB that leave a TAP or a guest before they are cut.
    pub super_frames: u32,
    /// The NUMA node the buffers lie on, where the file says.
    pub numa: Option<u32>,
    /// Further arguments for DPDK's EAL.
    pub eal: Vec<String>,
}

/// Whether memory lies on hugepages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Hugepages {
    /// Where there are any; else on ordinary pages, with a warning.
    Auto,
    /// Or not at all.
    Always,
    /// On ordinary pages.
    Never,
}

impl Memory {
    pub(super) fn check(
        section: Option<&Spanned<file::Memory>>,
        ports: &[Port],
        workers: &Workers,
        errors: &mut Errors,
    ) -> Memory {
        let frames_min = frames_min(ports, workers);
        let frames = FRAMES_DEFAULT.max(frames_min);
        let largest = ports.iter().max_by_key(|port| port.mtu);
        let octets = largest.map_or(0, |port| u32::from(port.mtu) + FRAME_OVERHEAD);
        let class = BUFFERS.into_iter().find(|&class| octets <= class).unwrap_or(BUFFERS[2]);
        let mut memory = Memory {
            hugepages: Hugepages::Auto,
            frames,
            buffer: class as u16,
            super_frames: SUPER_FRAMES_DEFAULT,
            numa: None,
            eal: Vec::new(),
        };
        let Some(section) = section else { return memory };
        let said = section.get_ref();
        let mut check = Section::single(errors, "[memory]", section.span());
        let kinds = [Hugepages::Auto, Hugepages::Always, Hugepages::Never];
        if let Some(kind) = said.hugepages.as_ref().and_then(|text| check.chosen(&keys::HUGEPAGES, text, &kinds)) {
            memory.hugepages = kind;
        }
        if let Some(int) = &said.frames {
            memory.frames = check.counted(&keys::FRAMES, int).unwrap_or(frames);
            if memory.frames < frames_min {
                let problem = "is less than the ports and workers can hold at once";
                let hint = format!(
                    "at least {frames_min}: {WORKER_FRAMES} for each worker, {} for each queue of an eth port \
                     (or its rx_descriptors and tx_descriptors), {TAP_FRAMES} for each queue of a tap port",
                    2 * ETH_DESCRIPTORS
                );
                check.refuse("frames", &int.span(), problem, hint);
            }
        }
        if let Some(int) = &said.buffer {
            memory.buffer = check.counted(&keys::BUFFER, int).unwrap_or(memory.buffer);
            if let Some(port) = largest.filter(|_| u32::from(memory.buffer) < octets) {
                let problem = format!("is too small for the mtu {} of port `{}`", port.mtu, port.name);
                check.refuse("buffer", &int.span(), problem, format!("at least {octets}, or leave it out"));
            }
        }
        if let Some(int) = &said.super_frames {
            memory.super_frames = check.counted(&keys::SUPER_FRAMES, int).unwrap_or(SUPER_FRAMES_DEFAULT);
        }
        memory.numa = said.numa.as_ref().and_then(|int| check.counted(&keys::NUMA, int));
        memory.eal = said.eal.iter().flatten().filter_map(|text| argument(&mut check, text)).collect();
        memory
    }
}

/// Buffers without which a device or a worker would starve for sure.
fn frames_min(ports: &[Port], workers: &Workers) -> u32 {
    let frames = |port: &Port| match port.kind {
        Kind::Eth { .. } => u32::from(port.queues) * port.descriptors(),
        Kind::Tap { .. } => u32::from(port.queues) * TAP_FRAMES,
        // A guest's memory holds what waits; the switch has a burst in hand, which is the worker's.
        Kind::VhostUser { .. } => 0,
    };
    ports.iter().map(frames).sum::<u32>() + workers.count() as u32 * WORKER_FRAMES
}

fn argument(check: &mut Section, text: &file::Text) -> Option<String> {
    if text.get_ref().is_empty() || text.get_ref().contains(char::is_control) {
        check.refuse("eal", &text.span(), "is not an argument", "one argument of DPDK's EAL in each text");
        return None;
    }
    Some(text.get_ref().clone())
}
