//! VFIO and the IOMMU behind it, where a configured device needs them.

use super::{
    Patient, devices,
    finding::{
        Finding,
        Severity::{Problem, Warning},
        look,
    },
    need::PciPort,
};

const GROUPS: &str = "/sys/kernel/iommu_groups";
const NO_IOMMU: &str = "/sys/module/vfio/parameters/enable_unsafe_noiommu_mode";
const CONTAINER: &str = "/dev/vfio/vfio";
const VFIO_PCI: &str = "/sys/bus/pci/drivers/vfio-pci";

/// Drivers beside which a group is still VFIO's: they move no data.
const HARMLESS: [&str; 3] = ["vfio-pci", "pci-stub", "pcieport"];

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let there = |port: &&PciPort| patient.root.exists(&format!("{}/vendor", port.address.folder()));
    let wants = |port: &&PciPort| devices::wants_vfio(patient, port.address);
    let ports: Vec<&PciPort> = patient.need.pci.iter().filter(wants).collect();
    if ports.is_empty() {
        return vec![look("iommu", "VFIO", GROUPS).ok("no configured device needs VFIO")];
    }
    let mut findings = vec![iommu(patient), unguarded(patient), module(patient), container(patient)];
    findings.extend(ports.into_iter().filter(there).flat_map(|port| group(patient, port)));
    findings
}

fn has_iommu(patient: &Patient) -> bool {
    !patient.root.names(GROUPS).is_empty()
}

fn is_unguarded(patient: &Patient) -> bool {
    patient.root.text(NO_IOMMU).is_some_and(|text| text == "Y" || text == "1")
}

fn iommu(patient: &Patient) -> Finding {
    let look = look("iommu", "VFIO", GROUPS);
    let groups = patient.root.names(GROUPS).len();
    if groups > 0 {
        return look.ok(format!("on, {groups} groups"));
    }
    let cpu = patient.root.text("/proc/cpuinfo").unwrap_or_default();
    let mend = super::mend::boot_with(if cpu.contains("AuthenticAMD") {
        "amd_iommu=on iommu=pt"
    } else {
        "intel_iommu=on iommu=pt"
    });
    let mend = format!("{mend}  # and VT-d, AMD-Vi or SMMU switched on in the firmware");
    match is_unguarded(patient) {
        false => look.bad(Problem, "no IOMMU groups: it is off", "vfio-pci takes no device without one", mend),
        true => look.bad(
            Warning,
            "no IOMMU groups, VFIO runs in no-IOMMU mode",
            "a device, and whoever drives it, can write to all memory of the node",
            mend,
        ),
    }
}

/// No-IOMMU mode left on where there is an IOMMU.
fn unguarded(patient: &Patient) -> Finding {
    let look = look("vfio-noiommu", "VFIO", NO_IOMMU);
    if !is_unguarded(patient) {
        return look.ok("no-IOMMU mode is off");
    }
    if !has_iommu(patient) {
        return look.ok("no-IOMMU mode is on; the finding on the IOMMU says what that means");
    }
    look.bad(
        Warning,
        "no-IOMMU mode is on, though there is an IOMMU",
        "a device without a group would be taken unguarded, and the kernel is tainted",
        format!("echo N > {NO_IOMMU}"),
    )
}

fn module(patient: &Patient) -> Finding {
    let look = look("vfio-pci", "VFIO", VFIO_PCI);
    if patient.root.exists(VFIO_PCI) {
        return look.ok("vfio-pci is loaded");
    }
    let mend = "modprobe vfio-pci && echo vfio-pci > /etc/modules-load.d/millrace.conf";
    look.bad(Problem, "vfio-pci is not loaded", "it is the driver through which DPDK has a device", mend)
}

fn container(patient: &Patient) -> Finding {
    let look = look("vfio-device", "VFIO", CONTAINER);
    if patient.root.exists(CONTAINER) {
        return look.ok("there");
    }
    let mend = "modprobe vfio && udevadm trigger --subsystem-match=misc && udevadm settle";
    look.bad(Problem, "not there", "DPDK opens it before any device", mend)
}

/// The device's group: all of it is VFIO's, and there is a file for it.
fn group(patient: &Patient, port: &PciPort) -> Option<Finding> {
    let folder = port.address.folder();
    let about = format!("{} ({})", port.address, port.name);
    let Some(group) = patient.root.link_name(&format!("{folder}/iommu_group")) else {
        // Where nothing has a group, that is the one finding.
        let look = look("iommu-group", about, format!("{folder}/iommu_group"));
        let why = "vfio-pci takes no device outside of a group";
        let mend = "# another slot, or IOMMU and ACS switched on in the firmware";
        return has_iommu(patient).then(|| look.bad(Problem, "the device is in no group", why, mend));
    };
    let devices = format!("{GROUPS}/{group}/devices");
    let look_devices = look("iommu-group", about.clone(), devices.clone());
    for other in patient.root.names(&devices) {
        let bound = patient.root.link_name(&format!("/sys/bus/pci/devices/{other}/driver"));
        let in_the_way =
            bound.filter(|driver| other != port.address.to_string() && !HARMLESS.contains(&driver.as_str()));
        if let Some(driver) = in_the_way {
            let found = format!("{other} in the same group {group} is bound to {driver}");
            let why = "VFIO opens a group only as a whole: its devices can reach each other";
            return Some(look_devices.bad(Problem, found, why, format!("scripts/bind vfio {other} --apply")));
        }
    }
    let is_bound = devices::driver(patient, port.address).as_deref() == Some("vfio-pci");
    if is_bound && !patient.root.exists(&format!("/dev/vfio/{group}")) {
        let mend = "udevadm trigger --subsystem-match=vfio && udevadm settle";
        let look = look("iommu-group", about, format!("/dev/vfio/{group}"));
        return Some(look.bad(Problem, "not there", "DPDK opens the group by this file", mend));
    }
    Some(look_devices.ok(format!("group {group} is VFIO's alone")))
}
