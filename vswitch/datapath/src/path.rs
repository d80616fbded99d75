//! The ways to a remote VTEP: by which uplink its packets leave, and with which outer header.
//!
//! Control keeps here only what can be used at this moment, so workers ask nobody whether a link is up: what a change of
//! the underlay leaves is a new snapshot.

use wire::{OuterTemplate, SOURCE_PORT_MIN};

use crate::{Cause, PortId};

/// One way to a VTEP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    /// The port its outer packets leave by.
    pub uplink: PortId,
    /// The outer header, with this uplink's MAC and that of its next hop.
    pub outer: OuterTemplate,
    /// Longest frame that gets through with the outer header in front, in octets without FCS and tags (MTU + 14): what the
    /// uplink takes, or less where somebody on the way has said so.
    pub frame_max: u16,
}

/// The ways to a VTEP that can be used. The usual one is in place: it costs no look elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// None; frames for the VTEP are dropped with this reason.
    None(Cause),
    /// The only one, or the active one.
    One(Path),
    /// Two or more, among which flows are spread.
    Many(Box<[Path]>),
}

/// Source ports there are, as a power of two: 14 bits are left above [`SOURCE_PORT_MIN`].
const SOURCE_PORT_BITS: u32 = (u16::MAX - SOURCE_PORT_MIN).count_ones();

impl Paths {
    /// Spreads flows over all of `paths`; where there is none, frames are dropped with the reason `without`.
    pub fn spread(mut paths: Vec<Path>, without: Cause) -> Paths {
        match paths.len() {
            0 | 1 => paths.pop().map_or(Paths::None(without), Paths::One),
            _ => Paths::Many(paths.into()),
        }
    }

    /// All of them.
    pub fn as_slice(&self) -> &[Path] {
        match self {
            Paths::None(_) => &[],
            Paths::One(path) => std::slice::from_ref(path),
            Paths::Many(paths) => paths,
        }
    }

    /// The path of all packets, where there is no choice.
    #[inline]
    pub fn only(&self) -> Option<&Path> {
        if let Paths::One(path) = self { Some(path) } else { None }
    }

    /// The path of packets with that outer source port. So a flow stays on one uplink, and whoever knows the source port
    /// knows which.
    #[inline]
    pub fn of(&self, source_port: u16) -> Result<&Path, Cause> {
        match self {
            Paths::One(path) => Ok(path),
            Paths::Many(paths) => {
                let nth = u32::from(source_port & !SOURCE_PORT_MIN) as usize;
                // The port's bits as a fraction of one, times the number of paths: no division.
                paths.get((nth * paths.len()) >> SOURCE_PORT_BITS).ok_or(Cause::NoUplink)
            }
            Paths::None(cause) => Err(*cause),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use wire::{Dscp, Mac, OuterParams, Vni};

    use super::*;

    pub(crate) fn path(uplink: u16) -> Path {
        let params = OuterParams {
            dst_mac: Mac::new([2, 0, 0, 0, 0, 1]),
            src_mac: Mac::new([2, 0, 0, 0, 0, 2]),
            src: [192, 0, 2, 1].into(),
            dst: [192, 0, 2, 2].into(),
            udp_dst: 4789,
            ttl: 64,
            dscp: Dscp::Inherit,
            df: true,
            checksum: false,
            vni: Vni::new(7).unwrap(),
        };
        Path { uplink: PortId(uplink), outer: OuterTemplate::new(&params).unwrap(), frame_max: 1514 }
    }

    #[test]
    fn source_ports_are_spread_evenly_and_each_stays_on_its_path() {
        for count in 1..=8u16 {
            let paths = Paths::spread((0..count).map(path).collect(), Cause::NoUplink);
            let mut used = vec![0u32; count.into()];
            for port in SOURCE_PORT_MIN..=u16::MAX {
                let uplink = paths.of(port).unwrap().uplink;
                assert_eq!(uplink, paths.of(port).unwrap().uplink);
                used[uplink.index()] += 1;
            }
            let (least, most) = (used.iter().min().unwrap(), used.iter().max().unwrap());
            assert!(most - least <= 1, "{count} paths: {used:?}");
        }
    }

    #[test]
    fn without_a_path_the_reason_is_said() {
        for cause in [Cause::NoUplink, Cause::NextHopUnresolved] {
            let paths = Paths::spread(Vec::new(), cause);
            assert_eq!(paths.of(SOURCE_PORT_MIN), Err(cause));
            assert!(paths.as_slice().is_empty());
        }
    }
}
