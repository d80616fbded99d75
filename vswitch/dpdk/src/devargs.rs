//! What an operator calls a device: a PCI address or a virtual device's name, and arguments after commas.

use std::ffi::{CStr, CString};

/// The longest name of a device in DPDK (`RTE_DEV_NAME_MAX_LEN`, less the zero).
const NAME_LEN_MAX: usize = 63;

/// The longest argument text taken; generous, since each is written by an operator.
const LEN_MAX: usize = 4096;

/// A device as DPDK wants it named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Devargs {
    /// All of it, PCI addresses with their domain.
    pub(crate) text: String,
    /// The part before the first comma.
    pub(crate) name: String,
    pub(crate) pci: bool,
    /// What DPDK is told.
    c_text: CString,
    c_name: CString,
}

impl Devargs {
    /// Reads `0000:03:00.0,arguments`, `03:00.0` or `net_pcap0,rx_pcap=file`. The error says what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let text = text.strip_prefix("pci:").or(text.strip_prefix("vdev:")).unwrap_or(text);
        if text.len() > LEN_MAX {
            return Err("it is longer than 4096 characters");
        }
        let (name, arguments) = text.split_at(text.find(',').unwrap_or(text.len()));
        let full = pci_address(name);
        let pci = full.is_some();
        let name = full.unwrap_or_else(|| name.to_owned());
        if name.is_empty() || name.len() > NAME_LEN_MAX {
            return Err("the name in front of the first comma must have 1 to 63 characters");
        }
        if !name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-.:".contains(&c)) {
            return Err("the name in front of the first comma may hold letters, digits, '_', '-', '.' and ':' only");
        }
        let text = format!("{name}{arguments}");
        let zero = |_| "it holds a zero byte";
        let (c_text, c_name) = (CString::new(text.as_str()).map_err(zero)?, CString::new(name.as_str()).map_err(zero)?);
        Ok(Devargs { text, name, pci, c_text, c_name })
    }

    /// The same device for us, and another text for DPDK.
    pub(crate) fn told_as(&self, text: &str) -> Result<Devargs, &'static str> {
        Ok(Devargs { c_text: Devargs::parse(text)?.c_text, ..self.clone() })
    }

    pub(crate) fn c_text(&self) -> &CStr {
        &self.c_text
    }

    pub(crate) fn c_name(&self) -> &CStr {
        &self.c_name
    }

    /// The driver's name of a virtual device: `net_pcap` of `net_pcap0`.
    pub(crate) fn driver(&self) -> &str {
        self.name.trim_end_matches(|c: char| c.is_ascii_digit())
    }

    /// The values of the arguments with this name, in order.
    pub(crate) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.text.split(',').skip(1).filter_map(move |argument| argument.strip_prefix(key)?.strip_prefix('='))
    }
}

/// Whether these devargs name a PCI device.
pub fn is_pci(devargs: &str) -> bool {
    Devargs::parse(devargs).is_ok_and(|devargs| devargs.pci)
}

/// The full form of a PCI address, `0000:03:00.0`, where the text is one.
fn pci_address(text: &str) -> Option<String> {
    let (rest, function) = text.rsplit_once('.')?;
    let (rest, device) = rest.rsplit_once(':')?;
    let (domain, bus) = rest.rsplit_once(':').unwrap_or(("0000", rest));
    let hex = |part: &str, len: usize| part.len() == len && part.bytes().all(|c| c.is_ascii_hexdigit());
    let valid = (4..=8).any(|len| hex(domain, len))
        && hex(bus, 2)
        && hex(device, 2)
        && matches!(function.as_bytes(), [b'0'..=b'7']);
    valid.then(|| format!("{domain}:{bus}:{device}.{function}").to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pci_addresses_get_their_domain() {
        for text in ["03:00.0", "0000:03:00.0", "pci:0000:03:00.0"] {
            let devargs = Devargs::parse(text).unwrap();
            assert_eq!((devargs.name.as_str(), devargs.pci), ("0000:03:00.0", true), "{text}");
        }
        let devargs = Devargs::parse("3b:0A.7,representor=0").unwrap();
        assert_eq!((devargs.name.as_str(), devargs.text.as_str()), ("0000:3b:0a.7", "0000:3b:0a.7,representor=0"));
        for text in ["3:00.0", "03:00.8", "03:00", "0000:03:00.00", "zz:00.0"] {
            assert!(Devargs::parse(text).is_ok_and(|devargs| !devargs.pci), "{text} is a name, not an address");
        }
    }

    #[test]
    fn a_virtual_device_has_a_name_a_driver_and_arguments() {
        let devargs = Devargs::parse("net_pcap12,rx_pcap=a.pcap,rx_pcap=b.pcap,infinite_rx=1").unwrap();
        assert_eq!((devargs.name.as_str(), devargs.driver(), devargs.pci), ("net_pcap12", "net_pcap", false));
        assert_eq!(devargs.values("rx_pcap").collect::<Vec<_>>(), ["a.pcap", "b.pcap"]);
        assert_eq!(devargs.values("rx").count(), 0);
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        for text in
            ["", " ", ",iface=x", "net null", "net_null\0", "net_null0,\0", "../x", &"n".repeat(64), &"n,".repeat(4000)]
        {
            assert!(Devargs::parse(text).is_err(), "{text:?}");
        }
    }
}
