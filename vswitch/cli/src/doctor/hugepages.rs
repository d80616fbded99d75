//! Hugepages: enough, on the right node, mounted.

use std::collections::BTreeSet;

use control::config::Hugepages;

use super::{
    Patient,
    finding::{
        Finding,
        Severity::{Problem, Warning},
        look,
    },
};

/// The size Millrace takes, in kB.
const SIZE_KB: &str = "2048";

const MOUNTS: &str = "/proc/mounts";
const MEMINFO: &str = "/proc/meminfo";

/// Pages of one size on one node.
struct Pages {
    /// The node; `None` where the kernel knows none.
    node: Option<u16>,
    folder: String,
    reserved: u64,
    free: u64,
}

pub(super) fn check(patient: &Patient) -> Vec<Finding> {
    let mut findings = amount(patient);
    if patient.need.hugepages != Hugepages::Never {
        findings.push(mounted(patient));
    }
    findings.extend(other_sizes(patient));
    findings
}

/// Whether there is enough memory, and where it should be.
pub(super) fn amount(patient: &Patient) -> Vec<Finding> {
    let pages = pages(patient, SIZE_KB);
    let mut findings = vec![enough(patient, &pages)];
    if patient.need.hugepages != Hugepages::Never {
        findings.extend(near(patient, &pages));
    }
    findings.extend(ordinary(patient));
    findings
}

/// Whether what lies on ordinary pages fits what is available.
fn ordinary(patient: &Patient) -> Option<Finding> {
    let meminfo = patient.root.text(MEMINFO)?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let available_mib = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? >> 10;
    let wanted_mib = patient.need.ordinary_mib;
    let look = look("memory", "memory", MEMINFO);
    let found = format!("{available_mib} MiB are available, {wanted_mib} MiB are needed on ordinary pages");
    if available_mib >= wanted_mib || patient.runs {
        return Some(look.ok(found));
    }
    let mend = "ps -eo rss,pid,comm --sort=-rss | head  # what has it; or lower [memory] frames, [tables] flows_max";
    Some(look.bad(Problem, found, "the switch does not start without it", mend))
}

fn pages(patient: &Patient, size_kb: &str) -> Vec<Pages> {
    let nodes = &patient.topology.nodes;
    let per_node = |&(node, _): &(u16, _)| {
        let folder = format!("/sys/devices/system/node/node{node}/hugepages/hugepages-{size_kb}kB");
        count(patient, Some(node), folder)
    };
    let mut pages: Vec<Pages> = nodes.iter().filter_map(per_node).collect();
    if pages.is_empty() {
        pages.extend(count(patient, None, format!("/sys/kernel/mm/hugepages/hugepages-{size_kb}kB")));
    }
    pages
}

fn count(patient: &Patient, node: Option<u16>, folder: String) -> Option<Pages> {
    let reserved = patient.root.number(&format!("{folder}/nr_hugepages"))?;
    let free = patient.root.number(&format!("{folder}/free_hugepages"))?;
    // A switch that runs has taken its pages already; after a restart they are there again.
    let free = if patient.runs { reserved } else { free };
    Some(Pages { node, folder, reserved, free })
}

/// The worker's node first: memory should lie there.
fn preferred<'p>(patient: &Patient, pages: &'p [Pages]) -> Option<&'p Pages> {
    let nodes = worker_nodes(patient);
    pages.iter().find(|pages| pages.node.is_some_and(|node| nodes.contains(&node))).or(pages.first())
}

/// Where memory should lie: on the node that the file names, or else on those of the workers.
fn worker_nodes(patient: &Patient) -> BTreeSet<u16> {
    if let Some(node) = patient.need.numa {
        return BTreeSet::from([node as u16]);
    }
    patient.need.cpus.iter().filter_map(|cpu| patient.topology.node_of(cpu)).collect()
}

fn reserve(pages: &Pages, missing: u64) -> String {
    format!("echo {} > {}/nr_hugepages", pages.reserved + missing, pages.folder)
}

fn enough(patient: &Patient, pages: &[Pages]) -> Finding {
    let (need, file) = (patient.need, format!("/sys/kernel/mm/hugepages/hugepages-{SIZE_KB}kB/free_hugepages"));
    let wanted = need.huge_pages;
    let free: u64 = pages.iter().map(|pages| pages.free).sum();
    let look = look("hugepages", "memory", file);
    let whose = if patient.runs { "reserved (a switch runs on some of them)" } else { "free" };
    let found = format!("{free} pages of 2 MiB are {whose}, {wanted} are needed");
    if need.hugepages == Hugepages::Never {
        return look.ok("the configuration wants none");
    }
    if free >= wanted {
        return look.ok(found);
    }
    let mend = match preferred(patient, pages) {
        Some(pages) => reserve(pages, wanted - free),
        None => format!("echo {wanted} > /proc/sys/vm/nr_hugepages"),
    };
    match need.hugepages {
        Hugepages::Always => look.bad(Problem, found, "the switch does not start without them", mend),
        _ => look.bad(Warning, found, "on 4 KiB pages each packet costs several TLB misses more", mend),
    }
}

/// Whether the pages are where the workers are.
fn near(patient: &Patient, pages: &[Pages]) -> Option<Finding> {
    let wanted = patient.need.huge_pages;
    let nodes = worker_nodes(patient);
    // Where there are too few in all, that is the one finding.
    if pages.len() < 2 || nodes.is_empty() || pages.iter().map(|pages| pages.free).sum::<u64>() < wanted {
        return None;
    }
    let local: Vec<&Pages> = pages.iter().filter(|p| p.node.is_some_and(|node| nodes.contains(&node))).collect();
    let free: u64 = local.iter().map(|pages| pages.free).sum();
    let first = local.first()?;
    let list: Vec<String> = nodes.iter().map(ToString::to_string).collect();
    let about = format!("node {}", list.join(","));
    let look = look("hugepages-node", about, format!("{}/free_hugepages", first.folder));
    let found = format!("{free} of the {wanted} pages that are needed are on the workers' node");
    Some(if free >= wanted {
        look.ok(found)
    } else {
        look.bad(
            Warning,
            found,
            "every packet crosses to the other node's memory and back",
            reserve(first, wanted - free),
        )
    })
}

fn mounted(patient: &Patient) -> Finding {
    let mounts = patient.root.text(MOUNTS).unwrap_or_default();
    let is_ours = |line: &&str| {
        let mut fields = line.split(' ').skip(1);
        let (_place, kind, options) = (fields.next(), fields.next(), fields.next().unwrap_or_default());
        // Without `pagesize` it is the machine's default size, which is 2 MiB on x86-64.
        let size = options.split(',').find_map(|option| option.strip_prefix("pagesize="));
        kind == Some("hugetlbfs") && matches!(size, None | Some("2M"))
    };
    let look = look("hugepages-mounted", "memory", MOUNTS);
    match mounts.lines().find(is_ours) {
        Some(line) => look.ok(format!("hugetlbfs is on {}", line.split(' ').nth(1).unwrap_or_default())),
        None => look.bad(
            Warning,
            "no hugetlbfs of 2 MiB is mounted",
            "testpmd, QEMU and other peers on this node find their pages by the mount",
            "mkdir -p /dev/hugepages && mount -t hugetlbfs -o pagesize=2M nodev /dev/hugepages",
        ),
    }
}

/// Pages of other sizes are told, because memory that lies there is missed elsewhere.
fn other_sizes(patient: &Patient) -> Vec<Finding> {
    let sizes = patient.root.names("/sys/kernel/mm/hugepages");
    let others = sizes.iter().filter_map(|name| name.strip_prefix("hugepages-")?.strip_suffix("kB"));
    let tell = |size: &str| {
        let folder = format!("/sys/kernel/mm/hugepages/hugepages-{size}kB");
        let pages = count(patient, None, folder)?;
        let found = format!("{} of {} pages of {size} kB are free; Millrace takes 2048 kB", pages.free, pages.reserved);
        Some(look("hugepages-other", format!("{size} kB"), format!("{}/free_hugepages", pages.folder)).ok(found))
    };
    others.filter(|&size| size != SIZE_KB).filter_map(tell).collect()
}
