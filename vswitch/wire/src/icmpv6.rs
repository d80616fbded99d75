//! ICMPv6 (RFC 4443) and neighbour discovery in it (RFC 4861): what messages claim, and the two the switch sends itself.

mod discovery;

pub use discovery::{Advertisement, HOP_LIMIT, Solicitation};

use std::net::{IpAddr, Ipv6Addr};

use crate::{
    L3, Mac, Malformed, Parsed,
    checksum::Sum,
    field::{array_at, mac_at, u16_at, view},
    protocol,
};

mod field {
    pub(super) const KIND: usize = 0;
    pub(super) const CODE: usize = 1;
    pub(super) const CHECKSUM: usize = 2;
    pub(super) const FLAGS: usize = 4;
    pub(super) const TARGET: usize = 8;

    /// Of an advertisement: it answers a solicitation.
    pub(super) const SOLICITED: u8 = 0x40;
    /// Of an advertisement: it may replace what is known.
    pub(super) const OVERRIDE: u8 = 0x20;
}

/// Octets of the smallest message: RFC 4443 section 2.1 fixes type, code and checksum only, and there are messages that
/// end behind them (Multicast Router Solicitation, RFC 4286 section 4).
pub const HEADER_LEN: usize = 4;

/// Type: echo request.
pub const ECHO_REQUEST: u8 = 128;
/// Type: echo reply.
pub const ECHO_REPLY: u8 = 129;
/// Type: router solicitation.
pub const ROUTER_SOLICITATION: u8 = 133;
/// Type: router advertisement.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Type: neighbour solicitation.
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// Type: neighbour advertisement.
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// Type: redirect.
pub const REDIRECT: u8 = 137;

view! {
    /// A message.
    Message
}

impl<T: AsRef<[u8]>> Message<T> {
    /// Whether the smallest message is there.
    ///
    /// # Errors
    /// [`Malformed::Icmpv6Truncated`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        if self.bytes().len() < HEADER_LEN { Err(Malformed::Icmpv6Truncated) } else { Ok(()) }
    }

    /// Type.
    #[inline]
    pub fn kind(&self) -> u8 {
        self.bytes()[field::KIND]
    }

    /// Code, of a meaning that depends on the type.
    #[inline]
    pub fn code(&self) -> u8 {
        self.bytes()[field::CODE]
    }

    /// Checksum field.
    #[inline]
    pub fn checksum(&self) -> u16 {
        u16_at(self.bytes(), field::CHECKSUM)
    }

    /// Whether the checksum is right between these addresses, over a buffer that ends where the message ends.
    pub fn verify_checksum(&self, src: Ipv6Addr, dst: Ipv6Addr) -> bool {
        let pseudo = Sum::ZERO.addresses(IpAddr::V6(src), IpAddr::V6(dst)).word(u16::from(protocol::ICMPV6));
        // The length is a 32-bit word whose upper half is 0: frames end at 65,535 octets.
        pseudo.word(self.bytes().len() as u16).bytes(self.bytes()).finish() == 0
    }

    /// Reads the message as one of neighbour discovery; `None` where its type is another.
    ///
    /// # Errors
    /// [`Malformed::NdTruncated`], [`Malformed::NdOptions`].
    pub fn neighbour(&self) -> Result<Option<Neighbour>, Malformed> {
        let Some((options_at, has_target)) = layout(self.kind()) else { return Ok(None) };
        let options = self.bytes().get(options_at..).ok_or(Malformed::NdTruncated)?;
        let target = has_target.then(|| array_at::<16>(self.bytes(), field::TARGET).into());
        let [source_link_layer, target_link_layer] = link_layers(options)?;
        let flags = if self.kind() == NEIGHBOUR_ADVERTISEMENT { self.bytes()[field::FLAGS] } else { 0 };
        let (is_solicited, overrides) = (flags & field::SOLICITED != 0, flags & field::OVERRIDE != 0);
        Ok(Some(Neighbour { kind: self.kind(), target, source_link_layer, target_link_layer, is_solicited, overrides }))
    }
}

/// What a neighbour discovery message claims about who is where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Type of the message, one of the five from [`ROUTER_SOLICITATION`] to [`REDIRECT`].
    pub kind: u8,
    /// Target address of a neighbour solicitation, advertisement or redirect.
    pub target: Option<Ipv6Addr>,
    /// Source link-layer address option: where the IPv6 source claims to be.
    pub source_link_layer: Option<Mac>,
    /// Target link-layer address option: where the target is claimed to be.
    pub target_link_layer: Option<Mac>,
    /// Whether an advertisement says that it answers a solicitation.
    pub is_solicited: bool,
    /// Whether an advertisement says that it may replace another link-layer address.
    pub overrides: bool,
}

/// The neighbour discovery message of a parsed frame; `None` where the frame carries none.
///
/// # Errors
/// [`Malformed::NdTruncated`], [`Malformed::NdOptions`]; [`Malformed::NdFragment`] of a first fragment ("Nodes MUST
/// silently ignore any of these messages on receipt if fragmented", RFC 6980 section 5: what later fragments hold could
/// not be checked here).
#[inline]
pub fn neighbour(frame: &[u8], parsed: &Parsed) -> Result<Option<Neighbour>, Malformed> {
    if parsed.l3_kind != L3::Ipv6 || parsed.protocol != protocol::ICMPV6 || parsed.l4 == 0 {
        return Ok(None);
    }
    neighbour_in_icmpv6(frame, parsed)
}

fn neighbour_in_icmpv6(frame: &[u8], parsed: &Parsed) -> Result<Option<Neighbour>, Malformed> {
    let end = usize::from(parsed.l3) + usize::from(parsed.l3_len);
    let message = frame.get(usize::from(parsed.l4)..end).ok_or(Malformed::Icmpv6Truncated)?;
    let message = Message::new_checked(message)?;
    if parsed.fragment && layout(message.kind()).is_some() {
        return Err(Malformed::NdFragment);
    }
    message.neighbour()
}

/// Where the options of a message of this type begin and whether it has a target (RFC 4861 section 4).
fn layout(kind: u8) -> Option<(usize, bool)> {
    match kind {
        ROUTER_SOLICITATION => Some((8, false)),
        ROUTER_ADVERTISEMENT => Some((16, false)),
        NEIGHBOUR_SOLICITATION | NEIGHBOUR_ADVERTISEMENT => Some((24, true)),
        REDIRECT => Some((40, true)),
        _ => None,
    }
}

/// The source and target link-layer addresses among `options` (RFC 4861 section 4.6).
///
/// Refused: an option of length 0 ("Nodes MUST silently discard", or whoever walks over it never ends), one that is cut
/// off, a link-layer address of another length than Ethernet's, and two of one kind, of which a receiver might believe
/// the one that was not checked.
fn link_layers(mut options: &[u8]) -> Result<[Option<Mac>; 2], Malformed> {
    let mut found = [None; 2];
    while !options.is_empty() {
        let [kind, units] = *options.first_chunk().ok_or(Malformed::NdTruncated)?;
        if units == 0 {
            return Err(Malformed::NdOptions);
        }
        let (option, rest) = options.split_at_checked(usize::from(units) * 8).ok_or(Malformed::NdTruncated)?;
        options = rest;
        let place = match kind {
            1 => &mut found[0],
            2 => &mut found[1],
            _ => continue,
        };
        if units != 1 || place.is_some() {
            return Err(Malformed::NdOptions);
        }
        *place = Some(mac_at(option, 2));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE_OPTION: [u8; 8] = [1, 1, 2, 0, 0, 0, 0, 1];
    const TARGET_OPTION: [u8; 8] = [2, 1, 2, 0, 0, 0, 0, 2];

    /// A message of `kind` with `fixed` octets in all before `options`, target fe80::2 where there is room for one.
    fn message(kind: u8, fixed: usize, options: &[u8]) -> Message<Vec<u8>> {
        let mut bytes = vec![0; fixed];
        bytes[0] = kind;
        if fixed >= 24 {
            bytes[8..24].copy_from_slice(&Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2).octets());
        }
        bytes.extend_from_slice(options);
        Message::new_checked(bytes).unwrap()
    }

    #[test]
    fn a_solicitation_tells_its_target_and_its_senders_hardware_address() {
        let neighbour = message(NEIGHBOUR_SOLICITATION, 24, &SOURCE_OPTION).neighbour().unwrap().unwrap();
        assert_eq!(neighbour.target.unwrap().to_string(), "fe80::2");
        assert_eq!(neighbour.source_link_layer, Some(Mac::new([2, 0, 0, 0, 0, 1])));
        assert_eq!(neighbour.target_link_layer, None);
    }

    #[test]
    fn each_type_has_its_options_where_rfc_4861_puts_them() {
        let nonce = [14, 1, 0, 0, 0, 0, 0, 0];
        let options = [nonce, SOURCE_OPTION, TARGET_OPTION].concat();
        for (kind, fixed) in [(133, 8), (134, 16), (135, 24), (136, 24), (137, 40)] {
            let neighbour = message(kind, fixed, &options).neighbour().unwrap().unwrap();
            assert_eq!(neighbour.kind, kind);
            assert_eq!(neighbour.target.is_some(), kind >= 135);
            assert_eq!(neighbour.source_link_layer.unwrap().octets()[5], 1);
            assert_eq!(neighbour.target_link_layer.unwrap().octets()[5], 2);
            let cut = message(kind, fixed - 1, &[]).neighbour();
            assert_eq!(cut, Err(Malformed::NdTruncated), "type {kind}");
        }
        assert_eq!(message(ECHO_REQUEST, 8, &[0; 8]).neighbour(), Ok(None));
    }

    #[test]
    fn options_that_loop_are_cut_off_or_come_twice_are_refused() {
        let with = |options: &[u8]| message(NEIGHBOUR_ADVERTISEMENT, 24, options).neighbour().map(|_| ());
        assert_eq!(with(&[1, 0, 0, 0, 0, 0, 0, 0]), Err(Malformed::NdOptions), "length 0");
        assert_eq!(with(&[14]), Err(Malformed::NdTruncated));
        assert_eq!(with(&[14, 2, 0, 0, 0, 0, 0, 0]), Err(Malformed::NdTruncated));
        assert_eq!(with(&[TARGET_OPTION, TARGET_OPTION].concat()), Err(Malformed::NdOptions), "twice");
        assert_eq!(with(&[[2, 2, 0, 0, 0, 0, 0, 0], [0; 8]].concat()), Err(Malformed::NdOptions), "too long");
        assert_eq!(with(&[SOURCE_OPTION, TARGET_OPTION].concat()), Ok(()));
    }

    #[test]
    fn four_octets_are_a_message_and_three_are_none() {
        assert!(Message::new_checked([152, 0, 0, 0]).is_ok());
        assert_eq!(Message::new_checked([0; 3]).unwrap_err(), Malformed::Icmpv6Truncated);
    }

    #[test]
    fn the_checksum_covers_the_pseudo_header() {
        let [src, dst] = [1, 2].map(|n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n));
        // Sum: addresses 2 * 0xfe80 + 3, length 8, protocol 58, type and code 0x8000, identifier 0x1234, sequence 1.
        let bytes = [0x80, 0x00, 0x70, 0x83, 0x12, 0x34, 0x00, 0x01];
        let message = Message::new_checked(bytes).unwrap();
        assert!(message.verify_checksum(src, dst), "{:04x}", message.checksum());
        assert!(!message.verify_checksum(src, src));
    }
}
