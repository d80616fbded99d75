//! What the operator asks of a TAP, and what can be refused before the kernel is asked.

use std::{net::IpAddr, num::NonZero, time::Duration};

use crate::{Netns, Place, TapError};

/// Longest interface name in octets (`IFNAMSIZ` less the terminating zero).
const NAME_LEN_MAX: usize = 15;

/// Smallest and largest MTU of a TAP, in octets: RFC 791's minimum, and 65,535 less an Ethernet header.
const MTU_RANGE: std::ops::RangeInclusive<u16> = 68..=65_521;

/// Octets of a frame beyond its MTU: Ethernet header and one VLAN tag.
const FRAME_OVERHEAD: usize = 18;

/// The interface to create.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapConfig {
    /// The namespace it appears in; `None` is the one the switch runs in.
    pub netns: Option<Netns>,
    /// Its name there, 1 to 15 octets.
    pub interface: String,
    /// Its MAC in transmission order; `None` lets the kernel draw one.
    pub mac: Option<[u8; 6]>,
    /// Its MTU in octets, without Ethernet header.
    pub mtu: u16,
    /// Addresses with their prefix lengths, to be added in this order. Duplicate address detection is not run for them.
    pub addresses: Vec<(IpAddr, u8)>,
    /// Whether to set it up.
    pub up: bool,
    /// Queue pairs, each of which becomes a port; the kernel has at most 256.
    pub queues: NonZero<u16>,
    /// Whether checksums and cutting into segments may be left to the switch, and by it to the container's kernel.
    pub offloads: bool,
    /// Whose packets come and go here.
    pub behind: Behind,
    /// For how long packets may wait for others where there are many, so that a reader is woken once for several of them; zero:
    /// not at all.
    pub coalesce: Duration,
}

/// What is behind a TAP, on the kernel's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// A container. Tunnels of its own are its own affair.
    Container,
    /// The other ends of tunnels that end in the switch: super-frames in tunnels may be left to it, too.
    Tunnels,
    /// These, and stations beside them, who may have tunnels of their own.
    TunnelsAndStations,
}

impl TapConfig {
    /// The interface and its namespace, for messages.
    pub(crate) fn place(&self) -> Place {
        Place { interface: self.interface.clone(), netns: self.netns.clone() }
    }

    /// Refuses what the kernel would refuse with a bare errno, or would take for something else.
    pub(crate) fn check(&self) -> Result<(), TapError> {
        check_name(&self.interface)?;
        let place = self.place();
        if let Some(mac) = self.mac {
            check_mac(&place, mac)?;
        }
        check_mtu(&place, self.mtu)?;
        check_addresses(&place, &self.addresses)
    }
}

/// Refuses addresses no interface can have, and one given twice.
pub(crate) fn check_addresses(place: &Place, addresses: &[(IpAddr, u8)]) -> Result<(), TapError> {
    for (i, &(address, prefix)) in addresses.iter().enumerate() {
        let wrong = |why| Err(TapError::Address { place: place.clone(), address, prefix, why });
        if prefix > if address.is_ipv4() { 32 } else { 128 } {
            return wrong("the prefix is longer than the address");
        }
        if address.is_unspecified() || address.is_multicast() {
            return wrong("an interface needs a unicast address");
        }
        if addresses[..i].iter().any(|&(earlier, _)| earlier == address) {
            return wrong("the address is given twice");
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), TapError> {
    let wrong = |why| Err(TapError::InterfaceName { name: name.to_owned(), why });
    if name.is_empty() {
        return wrong("is empty");
    }
    if name.len() > NAME_LEN_MAX {
        return wrong("is longer than 15 octets");
    }
    if name == "." || name == ".." {
        return wrong("is not a name");
    }
    // `%` would make the kernel number the interface by itself.
    if name.contains(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | ':' | '%')) {
        return wrong("contains a space, a control character, `/`, `:` or `%`");
    }
    Ok(())
}

fn check_mac(place: &Place, mac: [u8; 6]) -> Result<(), TapError> {
    let why = match mac {
        [first, ..] if first & 1 != 0 => "a group address",
        [0, 0, 0, 0, 0, 0] => "zero",
        _ => return Ok(()),
    };
    let mac = mac.map(|octet| format!("{octet:02x}")).join(":");
    Err(TapError::Mac { place: place.clone(), mac, why })
}

/// Refuses an MTU no TAP can have.
pub(crate) fn check_mtu(place: &Place, mtu: u16) -> Result<(), TapError> {
    if MTU_RANGE.contains(&mtu) { Ok(()) } else { Err(TapError::Mtu { place: place.clone(), mtu }) }
}

/// Refuses an MTU whose frames, with a VLAN tag, do not fit `have` bytes of buffer.
pub(crate) fn check_buffer(place: &Place, mtu: u16, have: usize) -> Result<(), TapError> {
    let need = usize::from(mtu) + FRAME_OVERHEAD;
    if need <= have { Ok(()) } else { Err(TapError::BufferTooSmall { place: place.clone(), mtu, need, have }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TapConfig {
        TapConfig {
            netns: None,
            interface: "tap0".into(),
            mac: None,
            mtu: 1500,
            addresses: vec![],
            up: false,
            queues: NonZero::<u16>::MIN,
            offloads: true,
            behind: Behind::Container,
            coalesce: Duration::ZERO,
        }
    }

    #[test]
    fn a_good_config_passes() {
        let addresses = vec![("10.0.0.1".parse().unwrap(), 32), ("fd00::1".parse().unwrap(), 128)];
        let config = TapConfig { mac: Some([2, 0, 0, 0, 0, 1]), addresses, ..config() };
        assert!(config.check().is_ok());
    }

    #[test]
    fn names_the_kernel_would_refuse_or_rewrite_are_refused() {
        for bad in ["", ".", "..", "sixteen-octets-x", "a b", "a/b", "a:b", "tap%d", "a\0"] {
            let config = TapConfig { interface: bad.into(), ..config() };
            assert!(matches!(config.check(), Err(TapError::InterfaceName { .. })), "{bad:?} was accepted");
        }
        assert!(TapConfig { interface: "fifteen-octets-".into(), ..config() }.check().is_ok());
    }

    #[test]
    fn a_group_or_zero_mac_is_refused_by_name() {
        for bad in [[1, 0, 0, 0, 0, 1], [0xff; 6], [0; 6]] {
            let error = TapConfig { mac: Some(bad), ..config() }.check().unwrap_err();
            assert!(matches!(error, TapError::Mac { .. }), "{error}");
        }
    }

    #[test]
    fn an_mtu_outside_what_a_tap_takes_is_refused() {
        for (mtu, good) in [(67, false), (68, true), (65_521, true), (65_522, false)] {
            assert_eq!(TapConfig { mtu, ..config() }.check().is_ok(), good, "MTU {mtu}");
        }
    }

    #[test]
    fn impossible_addresses_are_refused() {
        for bad in [vec![("10.0.0.1", 33)], vec![("fd00::1", 129)], vec![("0.0.0.0", 8)], vec![("ff02::1", 64)]] {
            let addresses = bad.iter().map(|(a, p)| (a.parse().unwrap(), *p)).collect();
            let error = TapConfig { addresses, ..config() }.check().unwrap_err();
            assert!(matches!(error, TapError::Address { .. }), "{error}");
        }
    }

    #[test]
    fn an_address_given_twice_is_refused_whatever_its_prefix() {
        let addresses = vec![("10.0.0.1".parse().unwrap(), 24), ("10.0.0.1".parse().unwrap(), 16)];
        let error = TapConfig { addresses, ..config() }.check().unwrap_err();
        assert!(error.to_string().contains("given twice"), "{error}");
    }
}
