//! ARP for IPv4 over Ethernet (RFC 826).

use std::net::Ipv4Addr;

use crate::{
    Mac, Malformed, ethernet,
    field::{array_at, mac_at, put, u16_at, view},
};

mod field {
    pub(super) const OPERATION: usize = 6;
    pub(super) const SENDER_MAC: usize = 8;
    pub(super) const SENDER_IP: usize = 14;
    pub(super) const TARGET_MAC: usize = 18;
    pub(super) const TARGET_IP: usize = 24;
}

/// Octets of a packet.
pub const PACKET_LEN: usize = 28;

/// Hardware type 1 (Ethernet), protocol type 0x0800 (IPv4), their address lengths 6 and 4: the only kind there is.
const KIND: [u8; 6] = [0, 1, 8, 0, 6, 4];

/// Operation "request".
const REQUEST: u16 = 1;
/// Operation "reply".
const REPLY: u16 = 2;

view! {
    /// A packet, possibly with Ethernet padding behind it.
    Packet
}

impl<T: AsRef<[u8]>> Packet<T> {
    /// Whether the packet is whole and of IPv4 over Ethernet.
    ///
    /// # Errors
    /// [`Malformed::ArpTruncated`], [`Malformed::ArpMalformed`].
    #[inline]
    pub fn check_len(&self) -> Result<(), Malformed> {
        let Some(packet) = self.bytes().first_chunk::<PACKET_LEN>() else { return Err(Malformed::ArpTruncated) };
        if packet.starts_with(&KIND) { Ok(()) } else { Err(Malformed::ArpMalformed) }
    }

    /// The operation's number.
    #[inline]
    pub fn operation(&self) -> u16 {
        u16_at(self.bytes(), field::OPERATION)
    }

    /// The sender's hardware address.
    #[inline]
    pub fn sender_mac(&self) -> Mac {
        mac_at(self.bytes(), field::SENDER_MAC)
    }

    /// The sender's address; 0.0.0.0 in a probe (RFC 5227).
    #[inline]
    pub fn sender_ip(&self) -> Ipv4Addr {
        array_at::<4>(self.bytes(), field::SENDER_IP).into()
    }

    /// The target's hardware address, of no meaning in a request.
    #[inline]
    pub fn target_mac(&self) -> Mac {
        mac_at(self.bytes(), field::TARGET_MAC)
    }

    /// The target's address.
    #[inline]
    pub fn target_ip(&self) -> Ipv4Addr {
        array_at::<4>(self.bytes(), field::TARGET_IP).into()
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Sets the four types and lengths of IPv4 over Ethernet.
    pub fn set_kind(&mut self) {
        put(self.buffer.as_mut(), 0, KIND);
    }

    /// Sets the operation's number.
    pub fn set_operation(&mut self, operation: u16) {
        put(self.buffer.as_mut(), field::OPERATION, operation.to_be_bytes());
    }

    /// Sets both addresses of the sender.
    pub fn set_sender(&mut self, mac: Mac, ip: Ipv4Addr) {
        put(self.buffer.as_mut(), field::SENDER_MAC, mac.octets());
        put(self.buffer.as_mut(), field::SENDER_IP, ip.octets());
    }

    /// Sets both addresses of the target.
    pub fn set_target(&mut self, mac: Mac, ip: Ipv4Addr) {
        put(self.buffer.as_mut(), field::TARGET_MAC, mac.octets());
        put(self.buffer.as_mut(), field::TARGET_IP, ip.octets());
    }
}

/// What a packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Who has the target address?
    Request,
    /// The sender has its address.
    Reply,
    /// Neither; nothing the switch acts on.
    Other(u16),
}

impl From<u16> for Operation {
    fn from(number: u16) -> Operation {
        match number {
            REQUEST => Operation::Request,
            REPLY => Operation::Reply,
            other => Operation::Other(other),
        }
    }
}

impl From<Operation> for u16 {
    fn from(operation: Operation) -> u16 {
        match operation {
            Operation::Request => REQUEST,
            Operation::Reply => REPLY,
            Operation::Other(number) => number,
        }
    }
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repr {
    /// What it wants.
    pub operation: Operation,
    /// The sender's hardware address.
    pub sender_mac: Mac,
    /// The sender's address.
    pub sender_ip: Ipv4Addr,
    /// The target's hardware address, zero in a request.
    pub target_mac: Mac,
    /// The target's address.
    pub target_ip: Ipv4Addr,
}

impl Repr {
    /// A request by `sender_mac`, `sender_ip` for the hardware address of `target_ip`.
    pub const fn request(sender_mac: Mac, sender_ip: Ipv4Addr, target_ip: Ipv4Addr) -> Repr {
        Repr { operation: Operation::Request, sender_mac, sender_ip, target_mac: Mac::ZERO, target_ip }
    }

    /// The reply to this packet of the station at `mac`, which has the asked address.
    pub const fn reply(&self, mac: Mac) -> Repr {
        Repr {
            operation: Operation::Reply,
            sender_mac: mac,
            sender_ip: self.target_ip,
            target_mac: self.sender_mac,
            target_ip: self.sender_ip,
        }
    }

    /// Octets that [`Repr::emit`] writes.
    pub const fn buffer_len(&self) -> usize {
        PACKET_LEN
    }

    /// Reads a packet.
    pub fn parse<T: AsRef<[u8]>>(packet: &Packet<T>) -> Repr {
        Repr {
            operation: packet.operation().into(),
            sender_mac: packet.sender_mac(),
            sender_ip: packet.sender_ip(),
            target_mac: packet.target_mac(),
            target_ip: packet.target_ip(),
        }
    }

    /// Writes the packet.
    pub fn emit<T: AsRef<[u8]> + AsMut<[u8]>>(&self, packet: &mut Packet<T>) {
        packet.set_kind();
        packet.set_operation(self.operation.into());
        packet.set_sender(self.sender_mac, self.sender_ip);
        packet.set_target(self.target_mac, self.target_ip);
    }

    /// The packet in a frame from its sender to `dst`, without padding.
    pub fn to_frame(&self, dst: Mac) -> [u8; ethernet::HEADER_LEN + PACKET_LEN] {
        let mut frame = [0; ethernet::HEADER_LEN + PACKET_LEN];
        let (header, packet) = frame.split_at_mut(ethernet::HEADER_LEN);
        let repr = ethernet::Repr { dst, src: self.sender_mac, ethertype: ethernet::ARP };
        repr.emit(&mut ethernet::Header::new_unchecked(header));
        self.emit(&mut Packet::new_unchecked(packet));
        frame
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Who has 10.0.0.2? Tell 10.0.0.1 at 02:00:00:00:00:01.
    const WHO_HAS: [u8; PACKET_LEN] =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];

    #[test]
    fn a_literal_request_reads_and_is_written_back() {
        let repr = Repr::parse(&Packet::new_checked(WHO_HAS).unwrap());
        let (asker, ip) = (Mac::new([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(repr, Repr::request(asker, ip, Ipv4Addr::new(10, 0, 0, 2)));
        assert_eq!(repr.to_frame(Mac::BROADCAST)[ethernet::HEADER_LEN..], WHO_HAS);
        assert_eq!(repr.to_frame(Mac::BROADCAST)[..14], [255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6]);
    }

    #[test]
    fn a_reply_turns_the_request_around() {
        let request = Repr::parse(&Packet::new_checked(WHO_HAS).unwrap());
        let reply = request.reply(Mac::new([2, 0, 0, 0, 0, 2]));
        assert_eq!(reply.operation, Operation::Reply);
        assert_eq!((reply.sender_ip, reply.target_ip), (request.target_ip, request.sender_ip));
        assert_eq!((reply.sender_mac.octets()[5], reply.target_mac), (2, request.sender_mac));
    }

    #[test]
    fn a_cut_packet_and_other_hardware_are_told_apart() {
        assert_eq!(Packet::new_checked(&WHO_HAS[..27]).unwrap_err(), Malformed::ArpTruncated);
        for at in 0..6 {
            let mut other = WHO_HAS;
            other[at] ^= 1;
            assert_eq!(Packet::new_checked(other).unwrap_err(), Malformed::ArpMalformed, "octet {at}");
        }
    }

    proptest! {
        #[test]
        fn what_is_emitted_is_parsed(number: u16, macs: [[u8; 6]; 2], ips: [[u8; 4]; 2]) {
            let [sender_mac, target_mac] = macs.map(Mac::new);
            let [sender_ip, target_ip] = ips.map(Ipv4Addr::from);
            let repr = Repr { operation: number.into(), sender_mac, sender_ip, target_mac, target_ip };
            let mut packet = Packet::new_unchecked([0; PACKET_LEN]);
            repr.emit(&mut packet);
            prop_assert_eq!(packet.check_len(), Ok(()));
            prop_assert_eq!(Repr::parse(&packet), repr);
        }
    }
}
