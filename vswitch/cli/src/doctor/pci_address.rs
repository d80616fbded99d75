//! Where a PCI function is: `0000:3b:02.1`.

use std::{fmt, str::FromStr};

/// A PCI function: domain, and routing ID (bus, device, function in 8, 5 and 3 bits).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PciAddress {
    domain: u32,
    routing_id: u16,
}

/// The text is no PCI address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotAPciAddress;

impl PciAddress {
    /// Its folder in sysfs.
    pub(super) fn folder(self) -> String {
        format!("/sys/bus/pci/devices/{self}")
    }

    /// The address of virtual function `index` of this physical one (SR-IOV 3.3.9, 3.3.10); `None` beyond the last bus.
    pub(super) fn function(self, index: u16, offset: u16, stride: u16) -> Option<PciAddress> {
        let distance = stride.checked_mul(index)?.checked_add(offset)?;
        Some(PciAddress { routing_id: self.routing_id.checked_add(distance)?, ..self })
    }
}

impl FromStr for PciAddress {
    type Err = NotAPciAddress;

    /// The domain may be left out, as DPDK allows.
    fn from_str(text: &str) -> Result<PciAddress, NotAPciAddress> {
        let hex = |text: &str, digits: usize| {
            let legal = (1..=digits).contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_hexdigit());
            u32::from_str_radix(text, 16).ok().filter(|_| legal).ok_or(NotAPciAddress)
        };
        let (place, function) = text.split_once('.').ok_or(NotAPciAddress)?;
        let mut parts = place.rsplit(':');
        let device = hex(parts.next().unwrap_or_default(), 2)?;
        let bus = hex(parts.next().unwrap_or_default(), 2)?;
        let domain = parts.next().map_or(Ok(0), |domain| hex(domain, 8))?;
        let function = hex(function, 1)?;
        if parts.next().is_some() || device > 31 || function > 7 {
            return Err(NotAPciAddress);
        }
        Ok(PciAddress { domain, routing_id: (bus << 8 | device << 3 | function) as u16 })
    }
}

impl fmt::Display for PciAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.routing_id;
        write!(f, "{:04x}:{:02x}:{:02x}.{}", self.domain, id >> 8, id >> 3 & 31, id & 7)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_with_and_without_a_domain() {
        for (text, meant) in [("3b:02.1", "0000:3b:02.1"), ("0001:FF:1f.7", "0001:ff:1f.7"), ("0:0.0", "0000:00:00.0")]
        {
            assert_eq!(text.parse::<PciAddress>().unwrap().to_string(), meant);
        }
    }

    #[test]
    fn names_of_virtual_devices_and_paths_are_no_addresses() {
        for text in ["net_tap0", "", ".", "../..", "0000:3b:20.0", "3b:00.8", "3b:00", "0:0:0:0.0", "3b:+1.0"] {
            assert_eq!(text.parse::<PciAddress>(), Err(NotAPciAddress), "{text}");
        }
    }

    #[test]
    fn virtual_functions_are_counted_by_offset_and_stride() {
        let pf: PciAddress = "0000:3b:00.0".parse().unwrap();
        assert_eq!(pf.function(0, 16, 1).unwrap().to_string(), "0000:3b:02.0");
        assert_eq!(pf.function(9, 16, 1).unwrap().to_string(), "0000:3b:03.1");
        assert_eq!(pf.function(u16::MAX, 16, 1), None);
    }
}
