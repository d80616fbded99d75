//! What openings of TCP connections say of their maximum segment size, octet by octet.

use frame::Offload;
use wire::{L3, Parsed};

const SYN: u8 = 2;

/// The frame with no more in it than packets of `mtu` octets have room for.
pub(super) fn clamp(data: &[u8], headers: &Parsed, offload: Option<Offload>, mtu: Option<u16>) -> Vec<u8> {
    let mut data = data.to_vec();
    let (l3, l4) = (usize::from(headers.l3), usize::from(headers.l4));
    let Some(mtu) = mtu.filter(|_| headers.protocol == 6 && l4 != 0 && data[l4 + 13] & SYN != 0) else { return data };
    let ip = if headers.l3_kind == L3::Ipv6 { 40 } else { 20 };
    let most = usize::from(mtu) - (l3 - 14) - ip - 20;
    let header = usize::from(data[l4 + 12] >> 4) * 4;
    let Some(at) = value(data[l4..l3 + usize::from(headers.l3_len)].get(..header).unwrap_or_default()) else {
        return data;
    };
    if usize::from(data[l4 + at]) << 8 | usize::from(data[l4 + at + 1]) > most {
        for (octet, new) in [(at, (most >> 8) as u8), (at + 1, most as u8)] {
            let old = std::mem::replace(&mut data[l4 + octet], new);
            if offload.is_none() {
                replace(&mut data[l4 + 16..l4 + 18], octet % 2 == 0, old, new);
            }
        }
    }
    data
}

/// Where the value is, counted from the first octet of the segment.
fn value(header: &[u8]) -> Option<usize> {
    let mut at = 20;
    loop {
        match *header.get(at)? {
            0 => return None,
            1 => at += 1,
            kind => {
                let length = usize::from(*header.get(at + 1)?);
                header.get(at..at + length).filter(|option| option.len() > 1)?;
                if kind == 2 {
                    return (length == 4).then_some(at + 2);
                }
                at += length;
            }
        }
    }
}

/// A checksum after an octet, the first or second of its word, was replaced (RFC 1624 equation 3).
fn replace(sum: &mut [u8], is_first: bool, old: u8, new: u8) {
    let weight = if is_first { 256 } else { 1 };
    let mut negated = 0xffff - (u32::from(sum[0]) * 256 + u32::from(sum[1]));
    negated += 0xffff - weight * u32::from(old) + weight * u32::from(new);
    while negated > 0xffff {
        negated = (negated & 0xffff) + (negated >> 16);
    }
    sum.copy_from_slice(&(0xffff - negated as u16).to_be_bytes());
}
