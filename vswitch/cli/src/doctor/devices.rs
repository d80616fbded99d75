//! The PCI devices that the configuration names: there, on the right driver, on the workers' node.

use super::{
    Patient,
    finding::{
        Finding,
        Severity::{Problem, Warning},
        look,
    },
    mend,
    need::PciPort,
    pci_address::PciAddress,
};

const PCI: &str = "/sys/bus/pci/devices";

/// Drivers that the kernel and DPDK share: such a device stays with the kernel.
const BIFURCATED: [&str; 3] = ["mlx5_core", "mlx4_core", "mana"];

/// Drivers that give a device to DPDK without an IOMMU between.
const UNGUARDED: [&str; 2] = ["igb_uio", "uio_pci_generic"];

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    patient.need.pci.iter().flat_map(|port| device(patient, port)).collect()
}

/// Whether a device is to be driven through VFIO.
pub(super) fn wants_vfio(patient: &Patient, address: PciAddress) -> bool {
    driver(patient, address).is_none_or(|driver| !BIFURCATED.contains(&driver.as_str()))
}

/// The driver a device is bound to.
pub(super) fn driver(patient: &Patient, address: PciAddress) -> Option<String> {
    patient.root.link_name(&format!("{}/driver", address.folder()))
}

fn device(patient: &Patient, port: &PciPort) -> Vec<Finding> {
    if !patient.root.exists(&address_file(port, "vendor")) {
        return vec![absent(patient, port)];
    }
    let bound = driver(patient, port.address);
    let mut findings = vec![binding(port, bound.as_deref())];
    findings.push(node(patient, port));
    findings.extend(bound.map(|driver| versions(patient, port, &driver)));
    findings.extend(settings(patient, port));
    findings
}

fn about(port: &PciPort) -> String {
    format!("{} ({})", port.address, port.name)
}

fn address_file(port: &PciPort, name: &str) -> String {
    format!("{}/{name}", port.address.folder())
}

fn absent(patient: &Patient, port: &PciPort) -> Finding {
    let look = look("pci-device", about(port), port.address.folder());
    let mend = make(patient, port.address).unwrap_or_else(|| "echo 1 > /sys/bus/pci/rescan".to_owned());
    look.bad(Problem, "there is no such device", "its port cannot be opened", mend)
}

/// The command that makes the virtual function of this address, where a physical one could have it.
fn make(patient: &Patient, wanted: PciAddress) -> Option<String> {
    patient.root.names(PCI).iter().find_map(|name| {
        let number =
            |file: &str| patient.root.number(&format!("{PCI}/{name}/{file}")).and_then(|n| u16::try_from(n).ok());
        let (pf, total) = (name.parse::<PciAddress>().ok()?, number("sriov_totalvfs")?);
        let (offset, stride) = (number("sriov_offset")?, number("sriov_stride")?);
        let index = (0..total).find(|&index| pf.function(index, offset, stride) == Some(wanted))?;
        Some(format!("scripts/bind create {pf} {} --apply", index + 1))
    })
}

fn binding(port: &PciPort, driver: Option<&str>) -> Finding {
    let look = look("driver", about(port), address_file(port, "driver"));
    let mend = format!("scripts/bind vfio {} --apply", port.address);
    match driver {
        Some("vfio-pci") => look.ok("vfio-pci"),
        Some(driver) if BIFURCATED.contains(&driver) => look.ok(format!("{driver}, which DPDK shares with the kernel")),
        Some(driver) if UNGUARDED.contains(&driver) => {
            look.bad(Warning, driver, "no IOMMU stands between the device and the node's memory", mend)
        }
        Some(driver) => look.bad(Problem, driver, "the kernel has the device, so DPDK cannot open it", mend),
        None => look.bad(Problem, "no driver", "DPDK opens a device through vfio-pci", mend),
    }
}

/// The NIC's NUMA node against the workers'.
fn node(patient: &Patient, port: &PciPort) -> Finding {
    let look = look("nic-numa", about(port), address_file(port, "numa_node"));
    let (need, topology) = (patient.need, &patient.topology);
    let why = "each packet crosses between the sockets, which costs a third of the throughput and more";
    if topology.nodes.len() < 2 {
        return look.ok("one node");
    }
    let text = patient.root.text(&address_file(port, "numa_node")).unwrap_or_default();
    let Ok(node) = text.parse::<u16>() else {
        return look.unchecked("the firmware does not say on which node it is", why, "lstopo --whole-io");
    };
    let afar: Vec<String> = need
        .cpus
        .iter()
        .filter(|&cpu| topology.node_of(cpu).is_some_and(|other| other != node))
        .map(|cpu| cpu.to_string())
        .collect();
    if afar.is_empty() {
        return look.ok(format!("node {node}, the workers' own"));
    }
    let found = format!("it is on node {node}, workers on CPU {} are not", afar.join(","));
    look.bad(Warning, found, why, mend::move_workers(need, topology, Some(node)))
}

/// What sysfs tells of versions: drivers outside of the kernel have one; firmware only where the driver says.
fn versions(patient: &Patient, port: &PciPort, driver: &str) -> Finding {
    let version = patient.root.text(&format!("/sys/bus/pci/drivers/{driver}/module/version"));
    let version = version.map_or_else(|| format!("{driver} of the kernel"), |version| format!("{driver} {version}"));
    let folder = address_file(port, "infiniband");
    let name = patient.root.names(&folder).into_iter().next();
    let file = name.map(|name| format!("{folder}/{name}/fw_ver"));
    match file.as_ref().and_then(|file| patient.root.text(file)) {
        Some(firmware) => {
            look("firmware", about(port), file.unwrap_or_default()).ok(format!("{version}, firmware {firmware}"))
        }
        None => look("firmware", about(port), port.address.folder()).unchecked(
            format!("{version}; sysfs does not tell its firmware"),
            "vendors mend lost packets and dead links in firmware; DPDK's release notes name what they tested",
            match interface(patient, port) {
                Some(interface) => format!("ethtool -i {}", mend::quoted(&interface)),
                None => format!("lspci -vv -s {}", port.address),
            },
        ),
    }
}

/// The kernel's interface of a device, or of the physical function behind it.
fn interface(patient: &Patient, port: &PciPort) -> Option<String> {
    let own = patient.root.names(&address_file(port, "net"));
    own.into_iter().next().or_else(|| patient.root.names(&address_file(port, "physfn/net")).into_iter().next())
}

/// What a physical function lets its virtual one do stands nowhere in sysfs.
fn settings(patient: &Patient, port: &PciPort) -> Option<Finding> {
    let pf = patient.root.link_name(&address_file(port, "physfn"))?;
    let own = port.address.to_string();
    let links = patient.root.names(&format!("{PCI}/{pf}"));
    let is_own = |name: &&String| patient.root.link_name(&format!("{PCI}/{pf}/{name}")).as_ref() == Some(&own);
    let index = links.iter().filter(|name| name.starts_with("virtfn")).find(is_own)?.strip_prefix("virtfn")?.to_owned();
    let tell = match patient.root.names(&format!("{PCI}/{pf}/net")).first() {
        Some(interface) => format!("ip -d link show dev {} | grep 'vf {index} '", mend::quoted(interface)),
        None => format!("scripts/bind list {pf}"),
    };
    Some(look("vf-settings", about(port), address_file(port, "physfn")).unchecked(
        format!("MAC, VLAN, trust and spoof check of VF {index} of {pf} are not in sysfs"),
        "with its spoof check on, a VF sends from no MAC but its own",
        tell,
    ))
}
