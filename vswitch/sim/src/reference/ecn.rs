//! Type of service through tunnels, octet by octet (RFC 6040).

use datapath::Cause;
use wire::{L3, Parsed};

/// RFC 6040 figure 4, by inner and outer bits in the order of their numbers: Not-ECT, ECT(1), ECT(0), CE. 4 is a drop.
const FIGURE_4: [[u8; 4]; 4] = [[0, 0, 0, 4], [1, 1, 1, 3], [2, 1, 2, 3], [3, 3, 3, 3]];

/// The type of service or traffic class of a frame; `None` where it is not IP.
pub(super) fn tos(data: &[u8], headers: &Parsed) -> Option<u8> {
    let at = usize::from(headers.l3);
    match headers.l3_kind {
        L3::Ipv4 => Some(data[at + 1]),
        L3::Ipv6 => Some(data[at] << 4 | data[at + 1] >> 4),
        L3::Arp | L3::Other => None,
    }
}

/// What an inner frame becomes on its way out of a tunnel whose outer header had this type of service.
pub(super) fn leave_tunnel(outer_tos: u8, mut data: Vec<u8>, headers: &Parsed) -> Result<Vec<u8>, Cause> {
    let Some(inner) = tos(&data, headers) else { return Ok(data) };
    let ecn = FIGURE_4[usize::from(inner & 3)][usize::from(outer_tos & 3)];
    let at = usize::from(headers.l3);
    match headers.l3_kind {
        _ if ecn > 3 => return Err(Cause::EcnNotCapable),
        _ if ecn == inner & 3 => {}
        L3::Ipv4 => {
            data[at + 1] = inner & !3 | ecn;
            // The word has grown by the difference, so its complement's sum shrinks by as much (RFC 1624 equation 3).
            let sum = u16::from_be_bytes([data[at + 10], data[at + 11]]);
            let mut negated = u32::from(!sum) + 0xffff - u32::from(inner & 3) + u32::from(ecn);
            while negated > 0xffff {
                negated = (negated & 0xffff) + (negated >> 16);
            }
            data[at + 10..at + 12].copy_from_slice(&(!(negated as u16)).to_be_bytes());
        }
        _ => data[at + 1] = data[at + 1] & !0x30 | ecn << 4,
    }
    Ok(data)
}
