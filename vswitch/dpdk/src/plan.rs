//! How a device is to be brought up: its abilities and what is wished for lead to a plan, or to an error that says what
//! cannot be and what would be right. Calls nothing.

use crate::{
    Choice, EthError,
    abilities::{Abilities, Descriptors},
    devargs::Devargs,
    eth_port::Nic,
    nic,
    setup::L2_LEN,
};

/// What is wished for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) queues: u16,
    pub(crate) rx_descriptors: Option<u16>,
    pub(crate) tx_descriptors: Option<u16>,
    /// Descriptors of a queue for which buffers are set aside where nobody asks for a number.
    pub(crate) descriptors_set_aside: u16,
    pub(crate) mtu: Option<u16>,
    /// The MTU that the device has now.
    pub(crate) mtu_now: u16,
    pub(crate) pool: PoolFacts<'a>,
    /// All frames that will ever be sent come from that pool.
    pub(crate) is_only_pool: bool,
    pub(crate) offloads: bool,
    /// NUMA nodes of the CPUs that may serve it; empty where they are not known.
    pub(crate) worker_nodes: &'a [u32],
}

/// What of a pool matters here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolFacts<'a> {
    pub(crate) name: &'a str,
    /// Octets of the longest packet.
    pub(crate) data_max: u16,
    pub(crate) node: Option<u32>,
}

/// What the device is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) queues: u16,
    pub(crate) rx_descriptors: u16,
    pub(crate) tx_descriptors: u16,
    pub(crate) mtu: u16,
    /// In DPDK's bits; none leaves the spreading of frames to the device.
    pub(crate) rss_fields: u64,
    /// In DPDK's bits.
    pub(crate) tx_offloads: u64,
    /// What these come to.
    pub(crate) nic: Nic,
    pub(crate) link_events: bool,
    pub(crate) removal_events: bool,
    /// It sends to itself, where its driver knows how to, and nothing to the wire.
    pub(crate) is_loop: bool,
    pub(crate) choices: Vec<Choice>,
}

impl Plan {
    /// The same device as a loop of one queue pair.
    pub(crate) fn looped(&self) -> Plan {
        Plan { queues: 1, rss_fields: 0, link_events: false, removal_events: false, is_loop: true, ..self.clone() }
    }
}

/// Makes the plan.
pub(crate) fn plan(device: &Devargs, abilities: &Abilities, wish: &Wish) -> Result<Plan, EthError> {
    let queues = queues(device, abilities, wish)?;
    let (rx_descriptors, rx_choice) =
        descriptors("rx_descriptors", &abilities.rx_descriptors, wish.rx_descriptors, wish);
    let (tx_descriptors, tx_choice) =
        descriptors("tx_descriptors", &abilities.tx_descriptors, wish.tx_descriptors, wish);
    let (mtu, mtu_choice) = mtu(device, abilities, wish)?;
    let (rss_fields, rss_choice) = rss(abilities, wish.queues);
    let (nic, nic_offloads, nic_choice) = nic::offloads(abilities, wish.offloads);
    let (fast_free, offload_choices) = offloads(abilities, wish, nic);
    let tx_offloads = fast_free | nic_offloads;
    let (link_events, removal_events) = (hears_link(abilities), abilities.tells_removal);
    let mut choices = vec![queues, rx_choice, tx_choice, rss_choice, mtu_choice];
    choices.extend(offload_choices);
    choices.extend([nic_choice, events(abilities), numa(abilities, wish)]);
    Ok(Plan {
        queues: wish.queues,
        rx_descriptors,
        tx_descriptors,
        mtu,
        rss_fields,
        tx_offloads,
        nic,
        link_events,
        removal_events,
        is_loop: false,
        choices,
    })
}

fn queues(device: &Devargs, abilities: &Abilities, wish: &Wish) -> Result<Choice, EthError> {
    let (asked, max) = (wish.queues, abilities.queues_max);
    if asked == 0 || asked > max {
        let fix = queues_fix(&abilities.driver, asked, max);
        return Err(EthError::Queues { device: device.text.clone(), asked, max, fix });
    }
    Ok(Choice::new("queues", asked, format!("the device has up to {max}")).asked(asked))
}

/// How to get so many queues, or what to ask for instead.
fn queues_fix(driver: &str, asked: u16, max: u16) -> String {
    let fewer = format!("set queues = {max}");
    match driver {
        _ if max == 0 => "it cannot both send and receive; give the port another device".to_owned(),
        _ if asked == 0 => "set queues = 1 or more".to_owned(),
        "net_af_packet" => format!("add `,qpairs={asked}` to the device, or {fewer}"),
        "net_pcap" => {
            format!("name {asked} captures to read (`rx_pcap=`) and {asked} to write (`tx_pcap=`), or {fewer}")
        }
        "net_virtio_user" => format!("add `,queues={asked}` to the device, or {fewer}"),
        _ => fewer,
    }
}

fn descriptors(what: &'static str, limits: &Descriptors, asked: Option<u16>, wish: &Wish) -> (u16, Choice) {
    let set_aside = wish.descriptors_set_aside;
    if let Some(asked) = asked {
        let chosen = limits.nearest(asked);
        let Descriptors { min, max, multiple, .. } = limits;
        let why = match chosen == asked {
            true => format!("the device has {min} to {max}"),
            false => format!("the device has {min} to {max}, in multiples of {multiple}"),
        };
        return (chosen, Choice::new(what, chosen, why).asked(asked).short(chosen < asked));
    }
    let chosen = limits.nearest(limits.preferred.unwrap_or(set_aside).min(set_aside));
    let why = match limits.preferred {
        None => "the driver prefers no number; buffers are set aside for so many".to_owned(),
        Some(preferred) if preferred == chosen => "the driver prefers it".to_owned(),
        Some(preferred) => {
            format!("buffers are set aside for {set_aside}; the driver prefers {preferred}: {what} = {preferred}")
        }
    };
    (chosen, Choice::new(what, chosen, why))
}

/// The MTU to use: the one asked for, if device and pool carry it, or the one the device has.
fn mtu(device: &Devargs, abilities: &Abilities, wish: &Wish) -> Result<(u16, Choice), EthError> {
    let (min, max) = (abilities.mtu_min, abilities.mtu_max);
    let device = || device.text.clone();
    let mtu = match wish.mtu {
        Some(asked) if !(min..=max).contains(&asked) => {
            let fix = mtu_fix(&abilities.driver, asked, min, max);
            return Err(EthError::Mtu { device: device(), asked, min, max, fix });
        }
        Some(asked) => asked,
        None => wish.mtu_now.min(max),
    };
    let (needed, data_max) = (u32::from(mtu) + u32::from(L2_LEN), wish.pool.data_max);
    if needed > u32::from(data_max) {
        let pool = wish.pool.name.to_owned();
        return Err(EthError::PoolTooSmall { device: device(), mtu, needed, pool, data_max });
    }
    let choice = Choice::new("mtu", mtu, format!("the device carries {min} to {max}, a buffer {data_max} octets"));
    Ok((mtu, if wish.mtu.is_some() { choice.asked(mtu) } else { choice }))
}

fn mtu_fix(driver: &str, asked: u16, min: u16, max: u16) -> String {
    match driver {
        // A slot holds the kernel's header too, and lies in a block of whole pages.
        "net_af_packet" if asked > max => {
            let slot = (u32::from(asked) + 88).next_power_of_two().max(4096);
            format!("add `,framesz={slot},blocksz={slot},framecnt=256` to the device, or set mtu = {max} or less")
        }
        _ => format!("set an mtu of {min} to {max}"),
    }
}

/// Which fields frames are spread by. An uplink's tunnel traffic is all between a few addresses: what tells flows apart
/// is the outer UDP source port (RFC 7348 section 5). Nothing inner is needed.
fn rss(abilities: &Abilities, queues: u16) -> (u64, Choice) {
    let choice = |chosen: &str, why: &str| Choice::new("rss", chosen, why);
    if queues == 1 {
        return (0, choice("off", "there is one queue"));
    }
    if let Some(why) = spreads_by_itself(&abilities.driver) {
        return (0, choice("the device's own", why));
    }
    let wanted: [(&str, u64); 6] = [
        ("IPv4 addresses", dpdk_sys::MILLRACE_RSS_IPV4),
        ("IPv6 addresses", dpdk_sys::MILLRACE_RSS_IPV6),
        ("UDP ports over IPv4", dpdk_sys::MILLRACE_RSS_UDP_IPV4),
        ("UDP ports over IPv6", dpdk_sys::MILLRACE_RSS_UDP_IPV6),
        ("TCP ports", dpdk_sys::MILLRACE_RSS_TCP),
        ("SCTP ports", dpdk_sys::MILLRACE_RSS_SCTP),
    ];
    let offered: Vec<_> = wanted.iter().filter(|(_, bits)| abilities.rss_fields & bits != 0).collect();
    if offered.is_empty() {
        let why =
            "the device cannot spread frames: all come by queue 0, and the other workers get none; set queues = 1";
        return (0, choice("none", why).short(true));
    }
    let all = wanted.iter().fold(dpdk_sys::MILLRACE_RSS_OUTERMOST, |bits, (_, more)| bits | more);
    let fields = offered.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let (why, falls_short) = rss_quality(abilities, queues);
    (abilities.rss_fields & all, choice(&fields, &why).short(falls_short))
}

/// How well the fields on offer spread tunnels, and whether that falls short.
fn rss_quality(abilities: &Abilities, queues: u16) -> (String, bool) {
    let offers = |bits| abilities.rss_fields & bits != 0;
    let families = [("IPv4", dpdk_sys::MILLRACE_RSS_UDP_IPV4), ("IPv6", dpdk_sys::MILLRACE_RSS_UDP_IPV6)];
    let lacking: Vec<_> = families.iter().filter(|(_, bits)| !offers(*bits)).map(|(name, _)| *name).collect();
    if !lacking.is_empty() {
        let families = lacking.join(" and ");
        let why = format!(
            "the device does not hash UDP ports over {families}: all that comes from one VTEP over it comes by one queue"
        );
        return (why, true);
    }
    let table = abilities.rss_table_len;
    if table != 0 && table < queues {
        return (format!("its table has {table} places: {} queues get no frame", queues - table), true);
    }
    let outermost = match offers(dpdk_sys::MILLRACE_RSS_OUTERMOST) {
        true => "of the outer headers",
        false => "of the outer headers, as drivers do by default",
    };
    (format!("{outermost}: the flows of a tunnel differ in their outer UDP source port"), false)
}

/// How a virtual device spreads frames without being told.
fn spreads_by_itself(driver: &str) -> Option<&'static str> {
    Some(match driver {
        "net_af_packet" => "the kernel spreads flows over the queues (PACKET_FANOUT_HASH)",
        "net_memif" | "net_vhost" => "the peer chooses the queue",
        "net_ring" => "each queue is a ring of its own",
        "net_pcap" => "each queue reads a capture of its own",
        "net_null" => "each queue makes frames by itself",
        _ => return None,
    })
}

/// Frames are one segment and checked by ourselves, so beside what [`nic`] finds the only offload in use is the cheap way of
/// freeing what was sent: legal where a queue sees frames of one pool only, each with one reference, as every
/// [`frame::Frame`] is. Super-frames are of another.
fn offloads(abilities: &Abilities, wish: &Wish, nic: Nic) -> (u64, [Choice; 2]) {
    let rx = Choice::new("rx_offloads", "none", "frames are one segment, and headers are checked by the switch");
    let fast_free = abilities.tx_offloads & dpdk_sys::MILLRACE_TX_FAST_FREE;
    let takes_supers = nic.takes.tcp4 || nic.takes.tcp6;
    let (bits, chosen, why) = match (fast_free != 0, wish.is_only_pool) {
        (true, true) if takes_supers => {
            (0, "none", "fast free needs frames of one pool, and super-frames are of another")
        }
        (true, true) => (fast_free, "fast free", "all frames are of one pool and have one owner"),
        (true, false) => (0, "none", "fast free needs all frames to be of one pool"),
        (false, _) => (0, "none", "the driver has no fast free"),
    };
    (bits, [rx, Choice::new("tx_offloads", chosen, why)])
}

/// Whether the driver is to tell of its link, in place of being asked. DPDK asks no driver that tells, and a NIC tells by an
/// interrupt: where that gets lost, or is not as the driver takes it to be, a link that is gone would seem up for ever.
fn hears_link(abilities: &Abilities) -> bool {
    abilities.tells_link && !abilities.is_pci
}

fn events(abilities: &Abilities) -> Choice {
    let (chosen, why) = match (hears_link(abilities), abilities.tells_removal) {
        _ if abilities.is_pci => ("reset, removal", "the driver and the bus tell them; a NIC is asked for its link"),
        (true, true) => ("link, reset, removal", "the driver tells them"),
        (true, false) => ("link, reset", "the driver does not tell of removal; it is asked"),
        (false, true) => ("reset, removal", "the driver does not tell of its link; it is asked"),
        (false, false) => ("reset", "the driver tells neither of its link nor of removal; it is asked"),
    };
    Choice::new("events", chosen, why)
}

/// A device reaches memory of its own node faster, and so does a CPU.
fn numa(abilities: &Abilities, wish: &Wish) -> Choice {
    let Some(node) = abilities.node else {
        return Choice::new("numa", "any", "the device is attached to no node");
    };
    let choice = |why: String| Choice::new("numa", format!("node {node}"), why);
    let list = |nodes: &[u32]| nodes.iter().map(u32::to_string).collect::<Vec<_>>().join(", ");
    if !wish.worker_nodes.is_empty() && !wish.worker_nodes.contains(&node) {
        let nodes = list(wish.worker_nodes);
        let why =
            format!("the workers' CPUs are on node {nodes}: choose [workers] cores on node {node} for full speed");
        return choice(why).short(true);
    }
    match wish.pool.node {
        Some(pool) if pool != node => {
            choice(format!("the buffers are on node {pool}: every frame crosses between nodes")).short(true)
        }
        _ if wish.worker_nodes.iter().any(|other| *other != node) => {
            choice(format!("some workers are on other nodes ({})", list(wish.worker_nodes)))
        }
        _ => choice("workers and buffers are near".to_owned()),
    }
}

#[cfg(test)]
mod tests;
