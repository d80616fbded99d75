//! Explicit congestion notification (RFC 3168) through tunnels (RFC 6040): the two low bits of TOS and traffic class.
//!
//! On the way in, the outer header gets the inner one's bits ("normal mode", section 4.1), which is no more than a copy.
//! On the way out, both are combined: [`combine`].

/// The bits of a TOS or traffic class that are ECN; the others are DSCP.
pub const MASK: u8 = 0b11;

/// Not ECN-capable transport.
pub const NOT_ECT: u8 = 0b00;
/// ECN-capable transport, 1.
pub const ECT1: u8 = 0b01;
/// ECN-capable transport, 0.
pub const ECT0: u8 = 0b10;
/// Congestion experienced.
pub const CE: u8 = 0b11;

/// The ECN bits of a packet that leaves a tunnel, of the inner and outer ones it had there (RFC 6040 section 4.2, figure
/// 4). `None` where it must be dropped: whoever sent it would not understand that it has met congestion, and a drop he
/// does understand. Only the low two bits of the arguments count.
#[inline]
pub const fn combine(inner: u8, outer: u8) -> Option<u8> {
    match (inner & MASK, outer & MASK) {
        (NOT_ECT, CE) => None,
        (ECT0 | ECT1, CE) => Some(CE),
        (ECT0, ECT1) => Some(ECT1),
        (inner, _) => Some(inner),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_figure_4_of_rfc_6040() {
        // Rows: inner Not-ECT, ECT(0), ECT(1), CE; columns: outer Not-ECT, ECT(0), ECT(1), CE.
        let order = [NOT_ECT, ECT0, ECT1, CE];
        let figure = [
            [Some(NOT_ECT), Some(NOT_ECT), Some(NOT_ECT), None],
            [Some(ECT0), Some(ECT0), Some(ECT1), Some(CE)],
            [Some(ECT1), Some(ECT1), Some(ECT1), Some(CE)],
            [Some(CE), Some(CE), Some(CE), Some(CE)],
        ];
        for (inner, row) in order.into_iter().zip(figure) {
            for (outer, expected) in order.into_iter().zip(row) {
                assert_eq!(combine(inner, outer), expected, "inner {inner:02b}, outer {outer:02b}");
                assert_eq!(combine(inner | 0xb8, outer | 0x28), expected, "DSCP does not count");
            }
        }
    }
}
