//! Why a device could not be probed, looked for after the fact: drivers say little and error numbers less.

use std::{ffi::CString, fs, path::Path};

use crate::devargs::Devargs;

/// The likeliest cause and what to do about it; `None` where only DPDK knows. `pci` says whether DPDK looks at the bus.
pub(crate) fn diagnose(devargs: &Devargs, pci: bool, said: &[String]) -> Option<String> {
    if devargs.pci {
        return pci_cause(&devargs.name, pci);
    }
    let driver = devargs.driver();
    no_interface(devargs)
        .or_else(|| missing_interface(devargs))
        .or_else(|| unreadable_file(devargs))
        .or_else(|| unknown_driver(driver, said))
        .or_else(|| missing_rights(devargs))
        .map(|cause| format!("{driver}: {cause}"))
}

fn pci_cause(address: &str, pci: bool) -> Option<String> {
    if !pci {
        return Some("DPDK was started without PCI; start it with no_pci = false".to_owned());
    }
    let device = Path::new("/sys/bus/pci/devices").join(address);
    if !device.exists() {
        return Some("there is no such PCI device; `lspci -D` lists them".to_owned());
    }
    let driver = fs::read_link(device.join("driver")).ok();
    let driver = driver.as_ref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy());
    match driver.as_deref() {
        Some("vfio-pci" | "uio_pci_generic" | "igb_uio" | "mlx5_core" | "mlx4_core") => None,
        Some(driver) => Some(format!("the kernel's driver {driver} has it; {}", vfio(address))),
        None => Some(format!("no kernel driver has it; {}", vfio(address))),
    }
}

fn vfio(address: &str) -> String {
    format!("bind it to vfio-pci (`scripts/bind vfio {address} --apply`)")
}

fn no_interface(devargs: &Devargs) -> Option<String> {
    let is_attached = matches!(devargs.driver(), "net_af_packet" | "net_af_xdp");
    let is_named = devargs.values("iface").any(|name| !name.is_empty());
    (is_attached && !is_named)
        .then(|| format!("it needs the interface to take its frames from, as in {},iface=eth1", devargs.name))
}

fn missing_interface(devargs: &Devargs) -> Option<String> {
    let named = ["iface", "rx_iface", "rx_iface_in", "tx_iface", "remote"].map(|key| devargs.values(key));
    let missing = named.into_iter().flatten().find(|name| !interface_exists(name))?;
    Some(format!("interface {missing:?} does not exist in this namespace; `ip link` lists those that do"))
}

fn interface_exists(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: the name is zero-terminated.
    unsafe { libc::if_nametoindex(name.as_ptr()) != 0 }
}

fn unreadable_file(devargs: &Devargs) -> Option<String> {
    let open = |file: &str| fs::File::open(file).err().map(|error| format!("cannot read {file:?}: {error}"));
    devargs.values("rx_pcap").find_map(open)
}

fn unknown_driver(driver: &str, said: &[String]) -> Option<String> {
    said.iter().any(|line| line.contains("no driver found") || line.contains("failed to parse device")).then(|| {
        format!(
            "no driver {driver:?} is installed; names begin with a driver's, such as net_af_packet0 or net_pcap0 (Debian \
             has one package per driver, and all of them by `apt install librte-meta-net`)"
        )
    })
}

fn missing_rights(devargs: &Devargs) -> Option<String> {
    let privileged = ["iface", "rx_iface"].iter().any(|key| devargs.values(key).next().is_some());
    // SAFETY: reads this process's user.
    let root = unsafe { libc::geteuid() } == 0;
    (privileged && !root).then(|| "the process lacks CAP_NET_RAW or CAP_NET_ADMIN (start it as root)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(text: &str, said: &[&str]) -> Option<String> {
        let said: Vec<String> = said.iter().map(|&line| line.to_owned()).collect();
        diagnose(&Devargs::parse(text).unwrap(), false, &said)
    }

    #[test]
    fn a_missing_interface_is_named() {
        assert_eq!(
            cause("net_af_packet0,iface=no-such-if", &[]).unwrap(),
            "net_af_packet: interface \"no-such-if\" does not exist in this namespace; `ip link` lists those that do"
        );
        assert_eq!(cause("net_af_packet0,iface=lo", &["PMD: bad"]).filter(|text| text.contains("exist")), None);
    }

    #[test]
    fn a_device_without_the_interface_it_needs_is_told_so() {
        let needs = "net_af_packet: it needs the interface to take its frames from, as in net_af_packet3,iface=eth1";
        assert_eq!(cause("net_af_packet3", &[]).unwrap(), needs);
        assert_eq!(cause("net_af_packet3,iface=", &[]).unwrap(), needs);
        assert_eq!(cause("net_null3", &[]), None);
    }

    #[test]
    fn an_unreadable_file_is_named() {
        assert_eq!(
            cause("net_pcap0,rx_pcap=/no/such/file", &[]).unwrap(),
            "net_pcap: cannot read \"/no/such/file\": No such file or directory (os error 2)"
        );
    }

    #[test]
    fn an_unknown_driver_is_named() {
        let unknown = cause("net_foo0", &["EAL: no driver found for net_foo0"]).unwrap();
        assert!(unknown.starts_with("net_foo: no driver \"net_foo\" is installed"), "{unknown}");
    }

    #[test]
    fn what_nobody_here_knows_is_left_to_dpdk() {
        assert_eq!(cause("net_null0,size=x", &["PMD: bad size"]), None);
    }

    #[test]
    fn a_pci_device_needs_the_bus_and_its_address() {
        assert!(cause("03:00.0", &[]).unwrap().contains("no_pci = false"));
        let missing = diagnose(&Devargs::parse("ffff:ff:1f.7").unwrap(), true, &[]).unwrap();
        assert!(missing.starts_with("there is no such PCI device"), "{missing}");
    }
}
