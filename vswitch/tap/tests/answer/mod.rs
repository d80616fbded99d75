//! A host in thirty lines: turns an ARP request or an ICMP echo request into its answer, in place.

/// The MAC every address on the link seems to have.
const OURS: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// Whether `packet` was a question; then it is the answer now.
pub(crate) fn in_place(packet: &mut [u8]) -> bool {
    let answered = match packet.get(12..14) {
        Some([0x08, 0x06]) => arp(&mut packet[14..]),
        Some([0x08, 0x00]) => echo(&mut packet[14..]),
        _ => false,
    };
    if answered {
        packet.copy_within(6..12, 0);
        packet[6..12].copy_from_slice(&OURS);
    }
    answered
}

/// RFC 826: swaps sender and target, fills in our MAC.
fn arp(arp: &mut [u8]) -> bool {
    if arp.len() < 28 || arp[6..8] != [0, 1] || arp[14..18] == arp[24..28] {
        return false;
    }
    let (asker, asked) = (arp[8..18].to_vec(), arp[24..28].to_vec());
    arp[6..8].copy_from_slice(&[0, 2]);
    arp[8..14].copy_from_slice(&OURS);
    arp[14..18].copy_from_slice(&asked);
    arp[18..28].copy_from_slice(&asker);
    true
}

/// RFC 792: swaps the addresses (the header checksum stays) and turns type 8 into type 0.
fn echo(ip: &mut [u8]) -> bool {
    if ip.len() < 28 || ip[0] != 0x45 || ip[9] != 1 || ip[20] != 8 {
        return false;
    }
    let source = ip[12..16].to_vec();
    ip.copy_within(16..20, 12);
    ip[16..20].copy_from_slice(&source);
    ip[20] = 0;
    // The type left the sum by 0x0800 (RFC 1624); the end-around carry brings one more.
    let (sum, carried) = u16::from_be_bytes([ip[22], ip[23]]).overflowing_add(0x0800);
    ip[22..24].copy_from_slice(&(sum + u16::from(carried)).to_be_bytes());
    true
}
