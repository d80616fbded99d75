//! The maximum segment size with which the ends of a TCP connection begin it (RFC 9293 section 3.7.1), and how it is
//! lowered on the way where there is less room than an end believes ("MSS clamping").

use crate::{
    L3, Parsed,
    checksum::update,
    ethernet,
    field::{put, u16_at},
    ipv4, ipv6, protocol, tcp,
};

/// Kinds of options (RFC 9293 section 3.2).
const END: u8 = 0;
const NO_OPERATION: u8 = 1;
const MAXIMUM_SEGMENT_SIZE: u8 = 2;

/// Octets of that option, its kind and length included.
const OPTION_LEN: usize = 4;

/// Whether a frame that was parsed opens a TCP connection, or answers one who does.
#[inline]
pub fn is_opening(frame: &[u8], headers: &Parsed) -> bool {
    headers.protocol == protocol::TCP
        && headers.l4 != 0
        && frame.get(usize::from(headers.l4) + tcp::field::FLAGS).is_some_and(|flags| flags & tcp::SYN != 0)
}

/// Lowers the maximum segment size in a frame that [opens a connection](is_opening) to what packets of `mtu` octets hold,
/// less 4 for each tag the frame has. Segments have no options then: senders subtract theirs (RFC 6691). The checksum
/// follows, right or wrong as it was, if it is there (`is_summed`): where it is left to a device it does not cover this.
///
/// `false`, and nothing has changed, where it says no more than that, where it does not say any (RFC 9293: 536 or 1220
/// count then), and where the options cannot be read.
pub fn clamp(frame: &mut [u8], headers: &Parsed, mtu: u16, is_summed: bool) -> bool {
    let (l4, end) = (usize::from(headers.l4), usize::from(headers.l3) + usize::from(headers.l3_len));
    let Some(segment) = frame.get_mut(l4..end) else { return false };
    let Some(at) = place(segment) else { return false };
    let (old, most) = (u16_at(segment, at), room(headers, mtu));
    if old <= most {
        return false;
    }
    put(segment, at, most.to_be_bytes());
    if is_summed {
        // At an odd place both octets are in words of others: there they weigh as if they were swapped.
        let weigh = |value: u16| if at % 2 == 0 { value } else { value.swap_bytes() };
        let sum = update(u16_at(segment, tcp::field::CHECKSUM), weigh(old), weigh(most));
        put(segment, tcp::field::CHECKSUM, sum.to_be_bytes());
    }
    true
}

/// Octets of payload in a packet of `mtu` octets.
fn room(headers: &Parsed, mtu: u16) -> u16 {
    let network = if headers.l3_kind == L3::Ipv6 { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
    let tags = headers.l3.saturating_sub(ethernet::HEADER_LEN as u16);
    mtu.saturating_sub(tags).saturating_sub((network + tcp::HEADER_LEN) as u16)
}

/// Where the value of the option is in a segment; `None` where there is none, or an option in front of it makes no sense.
fn place(segment: &[u8]) -> Option<usize> {
    let options_end = tcp::Segment::new_checked(segment).ok()?.header_len();
    let mut at = tcp::HEADER_LEN;
    while at < options_end {
        let length = match segment[at] {
            END => return None,
            NO_OPERATION => 1,
            kind => {
                let length = usize::from(*segment[..options_end].get(at + 1)?);
                let is_whole = length >= 2 && at + length <= options_end;
                match kind {
                    _ if !is_whole => return None,
                    MAXIMUM_SEGMENT_SIZE => return (length == OPTION_LEN).then_some(at + 2),
                    _ => length,
                }
            }
        };
        at += length;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{checksum::Sum, parse};
    use proptest::prelude::*;

    /// A SYN with these options, in an untagged frame or in one with a tag; its checksum is right.
    fn opening(is_ipv6: bool, is_tagged: bool, options: &[u8]) -> Vec<u8> {
        let mut options = options.to_vec();
        options.resize(options.len().next_multiple_of(4), END);
        let tcp_len = tcp::HEADER_LEN + options.len();
        let mut frame = vec![2; 12];
        frame.extend(if is_tagged { &[0x81, 0, 0, 7][..] } else { &[] });
        let total = (tcp_len + ipv4::HEADER_LEN) as u8;
        match is_ipv6 {
            true => frame.extend([&[0x86, 0xdd, 0x60, 0, 0, 0, 0, tcp_len as u8, 6, 64][..], &[0xfd; 32]].concat()),
            false => frame.extend([&[8, 0, 0x45, 0, 0, total, 0, 1, 0x40, 0, 64, 6, 0, 0][..], &[10; 8]].concat()),
        }
        frame.extend([
            0x10,
            0,
            0,
            80,
            1,
            2,
            3,
            4,
            0,
            0,
            0,
            0,
            ((tcp_len / 4) << 4) as u8,
            tcp::SYN,
            0xff,
            0xff,
            0,
            0,
            0,
            0,
        ]);
        frame.extend(&options);
        let sum = sum_of(&frame);
        let at = frame.len() - tcp_len + tcp::field::CHECKSUM;
        put(&mut frame, at, sum.to_be_bytes());
        frame
    }

    /// 0 where the checksum of a segment is right.
    fn sum_of(frame: &[u8]) -> u16 {
        let headers = parse(frame).unwrap();
        let (src, dst) = headers.addresses(frame).unwrap();
        let segment = &frame[usize::from(headers.l4)..usize::from(headers.l3 + headers.l3_len)];
        Sum::ZERO.addresses(src, dst).word(6).word(segment.len() as u16).bytes(segment).finish()
    }

    fn clamped(frame: &mut [u8], mtu: u16) -> bool {
        let headers = parse(frame).unwrap();
        assert!(is_opening(frame, &headers));
        clamp(frame, &headers, mtu, true)
    }

    #[test]
    fn an_opening_says_no_more_than_there_is_room_for() {
        for (is_ipv6, is_tagged, mtu, most) in
            [(false, false, 1450, 1410), (true, false, 1450, 1390), (false, true, 1450, 1406), (true, true, 1430, 1366)]
        {
            for options in
                [&[2, 4, 5, 0xb4][..], &[1, 2, 4, 0xff, 0xff], &[4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 2, 4, 35, 40]]
            {
                let mut frame = opening(is_ipv6, is_tagged, options);
                let l4 = usize::from(parse(&frame).unwrap().l4);
                assert!(clamped(&mut frame, mtu), "{options:?}");
                let at = place(&frame[l4..]).unwrap();
                assert_eq!((u16_at(&frame[l4..], at), sum_of(&frame)), (most, 0), "{options:?}");
                assert!(!clamped(&mut frame, mtu), "it is as it should be now");
            }
        }
    }

    #[test]
    fn what_says_less_or_nothing_or_no_sense_is_left_alone() {
        let room = [2, 4, 5, 0x82]; // 1410
        let cases: [(&str, &[u8]); 10] = [
            ("just the room", &room),
            ("less", &[2, 4, 2, 0]),
            ("no options", &[]),
            ("others", &[4, 2, 1, 3, 3, 7]),
            ("behind the end of options", &[0, 0, 0, 0, 2, 4, 0xff, 0xff]),
            ("longer than it is", &[2, 6, 0xff, 0xff, 0, 0, 0, 0]),
            ("shorter than it is", &[2, 3, 0xff, 1]),
            ("behind one of no length", &[9, 0, 2, 4, 0xff, 0xff]),
            ("behind one that ends nowhere", &[9, 200, 2, 4, 0xff, 0xff]),
            ("cut off", &[1, 1, 1, 2]),
        ];
        for (name, options) in cases {
            let mut frame = opening(false, false, options);
            let before = frame.clone();
            assert!(!clamped(&mut frame, 1450) && frame == before, "{name}");
        }
    }

    #[test]
    fn a_sum_of_the_pseudo_header_alone_stays() {
        let mut frame = opening(false, false, &[2, 4, 5, 0xb4]);
        let headers = parse(&frame).unwrap();
        let sum = frame[50..52].to_vec();
        assert!(clamp(&mut frame, &headers, 1450, false));
        assert_eq!((&frame[50..52], &frame[54..58]), (&sum[..], &[2, 4, 5, 0x82][..]));
    }

    #[test]
    fn only_who_opens_a_connection_is_looked_at() {
        let mut frame = opening(false, false, &[2, 4, 5, 0xb4]);
        frame[47] = tcp::ACK;
        assert!(!is_opening(&frame, &parse(&frame).unwrap()));
        frame[47] |= tcp::SYN;
        assert!(is_opening(&frame, &parse(&frame).unwrap()));
        frame[23] = protocol::SCTP;
        assert!(!is_opening(&frame, &parse(&frame).unwrap()));
    }

    proptest! {
        #[test]
        fn whatever_the_options_are_the_checksum_stays_as_right_as_it_was(
            options in prop::collection::vec(prop_oneof![0u8..6, any::<u8>()], 0..40),
            shape: (bool, bool),
            mtu in 68u16..9600,
            is_right: bool,
        ) {
            let mut frame = opening(shape.0, shape.1, &options);
            let at = usize::from(parse(&frame).unwrap().l4) + tcp::field::CHECKSUM;
            frame[at] ^= if is_right { 0 } else { 0x55 };
            let (before, sum) = (frame.clone(), sum_of(&frame));
            let is_clamped = clamped(&mut frame, mtu);
            prop_assert_eq!(is_clamped, before != frame);
            prop_assert_eq!(sum_of(&frame), sum);
        }
    }
}
