//! Plans for planted devices: VFs, PFs and virtual devices as their drivers describe themselves.

use frame::Takes;

use super::*;

const RSS_INTEL: u64 = dpdk_sys::MILLRACE_RSS_IPV4
    | dpdk_sys::MILLRACE_RSS_IPV6
    | dpdk_sys::MILLRACE_RSS_TCP
    | dpdk_sys::MILLRACE_RSS_UDP_IPV4
    | dpdk_sys::MILLRACE_RSS_UDP_IPV6;

/// A VF under ixgbevf: two queues, descriptors in steps of 8, no fast free.
fn ixgbevf() -> Abilities {
    Abilities {
        driver: "net_ixgbe_vf".into(),
        is_pci: true,
        queues_max: 2,
        rx_descriptors: Descriptors { min: 32, max: 4096, multiple: 8, preferred: None },
        tx_descriptors: Descriptors { min: 32, max: 4096, multiple: 8, preferred: None },
        rss_fields: RSS_INTEL,
        rss_table_len: 64,
        tx_offloads: 0,
        mtu_min: 68,
        mtu_max: 9710,
        macs_max: 128,
        node: Some(0),
        tells_link: true,
        tells_removal: false,
        is_mac_fixed: false,
    }
}

/// A VF under iavf: sixteen queues, descriptors in steps of 32, fast free.
fn iavf() -> Abilities {
    Abilities {
        driver: "net_iavf".into(),
        queues_max: 16,
        rx_descriptors: Descriptors { min: 64, max: 4096, multiple: 32, preferred: Some(512) },
        tx_descriptors: Descriptors { min: 64, max: 4096, multiple: 32, preferred: Some(512) },
        tx_offloads: dpdk_sys::MILLRACE_TX_FAST_FREE,
        ..ixgbevf()
    }
}

/// A VF or PF of a SmartNIC that stays with its kernel driver: hashes by the level it is told, tells of its removal.
fn mlx5() -> Abilities {
    Abilities {
        driver: "mlx5_pci".into(),
        queues_max: 1024,
        rx_descriptors: Descriptors { min: 0, max: u16::MAX, multiple: 1, preferred: Some(256) },
        tx_descriptors: Descriptors { min: 0, max: u16::MAX, multiple: 1, preferred: Some(256) },
        rss_fields: RSS_INTEL | dpdk_sys::MILLRACE_RSS_OUTERMOST,
        rss_table_len: 1,
        tells_removal: true,
        node: Some(1),
        ..iavf()
    }
}

/// A PF whose driver recommends larger queues than buffers are set aside for.
fn i40e() -> Abilities {
    Abilities {
        driver: "net_i40e".into(),
        queues_max: 192,
        rx_descriptors: Descriptors { min: 64, max: 4096, multiple: 32, preferred: Some(2048) },
        rss_table_len: 512,
        ..iavf()
    }
}

fn virtual_device(driver: &str, queues_max: u16) -> Abilities {
    let any = Descriptors { min: 0, max: u16::MAX, multiple: 1, preferred: None };
    Abilities {
        driver: driver.into(),
        is_pci: false,
        queues_max,
        rx_descriptors: any,
        tx_descriptors: any,
        rss_fields: 0,
        rss_table_len: 0,
        tx_offloads: 0,
        mtu_min: 68,
        mtu_max: 1500,
        macs_max: 1,
        node: None,
        tells_link: false,
        ..ixgbevf()
    }
}

fn wish() -> Wish<'static> {
    Wish {
        queues: 1,
        rx_descriptors: None,
        tx_descriptors: None,
        descriptors_set_aside: 512,
        mtu: Some(1500),
        mtu_now: 1500,
        pool: PoolFacts { name: "frames", data_max: 2048, node: None },
        is_only_pool: true,
        offloads: false,
        worker_nodes: &[],
    }
}

fn planned(abilities: &Abilities, wish: &Wish) -> Plan {
    plan(&Devargs::parse("0000:3b:02.0").unwrap(), abilities, wish).unwrap()
}

fn refused(abilities: &Abilities, wish: &Wish) -> String {
    plan(&Devargs::parse("net_x0").unwrap(), abilities, wish).unwrap_err().to_string()
}

/// What was chosen, why, and whether it falls short.
fn chosen(plan: &Plan, what: &str) -> (String, String, bool) {
    let choice = plan.choices.iter().find(|choice| choice.what == what).unwrap();
    (choice.chosen.clone(), choice.why.clone(), choice.falls_short)
}

#[test]
fn queues_that_a_device_does_not_have_are_refused_with_the_way_to_get_them() {
    let wish = Wish { queues: 4, ..wish() };
    let cases = [
        (ixgbevf(), "queues = 4, and it has 2; set queues = 2"),
        (virtual_device("net_af_packet", 1), "it has 1; add `,qpairs=4` to the device, or set queues = 1"),
        (virtual_device("net_pcap", 1), "name 4 captures to read (`rx_pcap=`) and 4 to write (`tx_pcap=`), or set"),
        (virtual_device("net_virtio_user", 1), "add `,queues=4` to the device, or set queues = 1"),
        (virtual_device("net_null", 0), "it cannot both send and receive"),
    ];
    for (abilities, expected) in cases {
        let error = refused(&abilities, &wish);
        assert!(error.starts_with("device net_x0: ") && error.contains(expected), "{error}");
    }
    assert!(refused(&iavf(), &Wish { queues: 0, ..wish }).contains("set queues = 1 or more"));
    assert_eq!(planned(&iavf(), &wish).queues, 4);
}

#[test]
fn descriptors_follow_the_operator_then_the_driver_within_what_is_set_aside() {
    let rx = |abilities: &Abilities, asked| {
        let plan = planned(abilities, &Wish { rx_descriptors: asked, ..wish() });
        let (_, why, is_short) = chosen(&plan, "rx_descriptors");
        (plan.rx_descriptors, why, is_short)
    };
    let cases = [
        (ixgbevf(), None, 512, "no number", false),
        (mlx5(), None, 256, "the driver prefers it", false),
        (i40e(), None, 512, "set aside for 512; the driver prefers 2048: rx_descriptors = 2048", false),
        (i40e(), Some(2048), 2048, "the device has 64 to 4096", false),
        (iavf(), Some(1000), 1024, "in multiples of 32", false),
        (ixgbevf(), Some(8192), 4096, "in multiples of 8", true),
        (iavf(), Some(1), 64, "the device has 64 to 4096", false),
    ];
    for (abilities, asked, number, reason, is_short) in cases {
        let (got, why, falls_short) = rx(&abilities, asked);
        assert_eq!((got, falls_short), (number, is_short), "{} {asked:?}", abilities.driver);
        assert!(why.contains(reason), "{} {asked:?}: {why}", abilities.driver);
    }
    assert_eq!(planned(&iavf(), &Wish { tx_descriptors: Some(100), ..wish() }).tx_descriptors, 128);
}

#[test]
fn several_queues_are_fed_by_the_outer_headers() {
    let two = Wish { queues: 2, ..wish() };
    let plan = planned(&iavf(), &two);
    assert_eq!(plan.rss_fields, RSS_INTEL);
    let (fields, why, is_short) = chosen(&plan, "rss");
    assert!(fields.contains("UDP ports over IPv4, UDP ports over IPv6") && !is_short, "{fields}");
    assert!(why.contains("outer UDP source port"), "{why}");
    let outermost = planned(&Abilities { rss_table_len: 128, ..mlx5() }, &two).rss_fields;
    assert_eq!(outermost & dpdk_sys::MILLRACE_RSS_OUTERMOST, dpdk_sys::MILLRACE_RSS_OUTERMOST);
    let single = planned(&iavf(), &wish());
    assert_eq!((single.rss_fields, chosen(&single, "rss").0.as_str()), (0, "off"));
}

#[test]
fn what_a_device_cannot_hash_is_never_asked_for() {
    for offered in [0, dpdk_sys::MILLRACE_RSS_IPV4, RSS_INTEL & !dpdk_sys::MILLRACE_RSS_UDP_IPV6, u64::MAX] {
        let plan = planned(&Abilities { rss_fields: offered, ..iavf() }, &Wish { queues: 2, ..wish() });
        assert_eq!(plan.rss_fields & !offered, 0, "{offered:#x}");
        let inner = dpdk_sys::MILLRACE_RSS_OUTERMOST << 1;
        assert_eq!(plan.rss_fields & inner, 0, "{offered:#x}: the innermost headers are not asked for");
    }
}

#[test]
fn spreading_that_leaves_workers_idle_falls_short_and_says_so() {
    let two = Wish { queues: 2, ..wish() };
    let rss = |abilities: Abilities| chosen(&planned(&abilities, &two), "rss");
    let (chosen_fields, why, is_short) = rss(Abilities { rss_fields: 0, ..iavf() });
    assert_eq!((chosen_fields.as_str(), is_short), ("none", true));
    assert!(why.contains("all come by queue 0") && why.contains("set queues = 1"), "{why}");
    let (_, why, is_short) = rss(Abilities { rss_fields: RSS_INTEL & !dpdk_sys::MILLRACE_RSS_UDP_IPV6, ..iavf() });
    assert!(is_short && why.contains("does not hash UDP ports over IPv6"), "{why}");
    let (_, why, is_short) = rss(Abilities { rss_fields: dpdk_sys::MILLRACE_RSS_IPV4, ..iavf() });
    assert!(is_short && why.contains("UDP ports over IPv4 and IPv6"), "{why}");
    let (_, why, is_short) = rss(mlx5());
    assert!(is_short && why.contains("its table has 1 places: 1 queues get no frame"), "{why}");
}

#[test]
fn virtual_devices_spread_frames_by_themselves() {
    for (driver, expected) in [("net_af_packet", "PACKET_FANOUT_HASH"), ("net_memif", "peer"), ("net_ring", "ring")] {
        let plan = planned(&virtual_device(driver, 2), &Wish { queues: 2, ..wish() });
        let (how, why, is_short) = chosen(&plan, "rss");
        assert_eq!((plan.rss_fields, how.as_str(), is_short), (0, "the device's own", false));
        assert!(why.contains(expected), "{why}");
    }
}

#[test]
fn an_mtu_that_cannot_be_is_refused_with_one_that_can() {
    let error = refused(&ixgbevf(), &Wish { mtu: Some(9800), ..wish() });
    assert!(error.contains("MTU 9800 is not possible, it carries 68 to 9710; set an mtu of 68 to 9710"), "{error}");
    let packet = Abilities { mtu_max: 1960, ..virtual_device("net_af_packet", 1) };
    let error = refused(&packet, &Wish { mtu: Some(9000), ..wish() });
    assert!(
        error.contains("add `,framesz=16384,blocksz=16384,framecnt=256`") && error.contains("mtu = 1960"),
        "{error}"
    );
    let error = refused(&ixgbevf(), &Wish { mtu: Some(9000), ..wish() });
    assert!(error.contains("MTU 9000 needs buffers of 9022 bytes, pool frames has 2048"), "{error}");
    assert_eq!(planned(&ixgbevf(), &Wish { mtu: None, mtu_now: 1400, ..wish() }).mtu, 1400);
}

#[test]
fn fast_free_is_used_only_where_it_is_legal() {
    let bits = |abilities: &Abilities, is_only_pool| planned(abilities, &Wish { is_only_pool, ..wish() }).tx_offloads;
    assert_eq!(bits(&iavf(), true), dpdk_sys::MILLRACE_TX_FAST_FREE);
    assert_eq!(bits(&iavf(), false), 0);
    assert_eq!(bits(&ixgbevf(), true), 0);
    let greedy = Abilities { tx_offloads: u64::MAX, ..iavf() };
    assert_eq!(bits(&greedy, true), dpdk_sys::MILLRACE_TX_FAST_FREE, "several segments are never asked for");
}

#[test]
fn what_a_device_offers_is_left_to_it_where_it_is_trusted_and_nowhere_else() {
    use dpdk_sys::{MILLRACE_TX_IPV4_CKSUM, MILLRACE_TX_L4_CKSUM, MILLRACE_TX_TCP_TSO, MILLRACE_TX_VXLAN_TSO};
    let offers = |tx_offloads| Abilities { tx_offloads: tx_offloads | dpdk_sys::MILLRACE_TX_FAST_FREE, ..iavf() };
    let with = |abilities: &Abilities, offloads| {
        let plan = planned(abilities, &Wish { offloads, ..wish() });
        let (text, why, is_short) = chosen(&plan, "offloads");
        ((plan.tx_offloads, plan.nic), (text, why, is_short))
    };
    let all = MILLRACE_TX_L4_CKSUM | MILLRACE_TX_IPV4_CKSUM | MILLRACE_TX_TCP_TSO | MILLRACE_TX_VXLAN_TSO;
    let free = dpdk_sys::MILLRACE_TX_FAST_FREE;
    let (software, (_, why, is_short)) = with(&offers(all), false);
    assert_eq!((software, is_short), ((free, Nic::default()), false));
    assert!(why.contains("`offloads = true` of the port uses it"), "{why}");
    let takes = Takes { checksum: true, tcp4: true, tcp6: true, udp: false, tunnel: true };
    let (found, (text, ..)) = with(&offers(all), true);
    assert_eq!(found, (all, Nic { takes, sums_ipv4: true }), "no fast free: super-frames are of another pool");
    assert_eq!(text, "checksums, TCP segments, both in VXLAN");
    let virtio = MILLRACE_TX_L4_CKSUM | MILLRACE_TX_TCP_TSO;
    let (found, _) = with(&offers(virtio), true);
    assert_eq!(found, (virtio, Nic { takes: Takes { tunnel: false, ..takes }, sums_ipv4: false }));
    let (found, (text, ..)) = with(&offers(MILLRACE_TX_L4_CKSUM | MILLRACE_TX_VXLAN_TSO), true);
    let sums = Takes { checksum: true, ..Takes::default() };
    assert_eq!(found, (MILLRACE_TX_L4_CKSUM | free, Nic { takes: sums, sums_ipv4: false }));
    assert_eq!(text, "checksums");
    let (found, (text, why, is_short)) = with(&offers(MILLRACE_TX_TCP_TSO), true);
    assert_eq!((found, text.as_str(), is_short), ((free, Nic::default()), "none", true), "{why}");
    for driver in ["net_tap", "net_vmxnet3", "net_enic", "net_ixgbe", "net_of_tomorrow"] {
        let known = Abilities { driver: driver.into(), ..offers(all) };
        let (found, (_, why, _)) = with(&known, true);
        assert_eq!(found.1.takes, sums, "{why}");
    }
}

#[test]
fn what_came_of_a_trial_is_told_by_kind_and_what_failed_is_not_left_to_the_device() {
    use crate::trial::{Finding, Outcome};
    let all = Abilities { tx_offloads: u64::MAX, ..iavf() };
    let mut plan = planned(&all, &Wish { offloads: true, ..wish() });
    let takes = Takes { tcp6: false, ..plan.nic.takes };
    let wrong = "packet 1 came back with a wrong checksum, at octet 70";
    let finding = |kind, outcome| Finding { kind, outcome };
    nic::tried(
        &mut plan,
        takes,
        &[
            finding("TCP checksums over IPv4", Outcome::Tried),
            finding("TCP segments over IPv4", Outcome::Asked),
            finding("TCP segments over IPv6", Outcome::Refused(wrong.to_owned())),
        ],
    );
    assert_eq!(plan.nic.takes, takes);
    assert_eq!(
        ["TCP checksums over IPv4", "TCP segments over IPv4"].map(|kind| chosen(&plan, kind).0),
        ["tried", "asked"]
    );
    let (text, why, _) = chosen(&plan, "TCP segments over IPv6");
    assert_eq!((text.as_str(), why), ("refused", format!("{wrong}; the switch does it")));
    let (text, why, is_short) = chosen(&plan, "offloads");
    assert_eq!((text.as_str(), is_short), ("checksums, TCP segments over IPv4", true));
    assert_eq!(why, "it fails at what its driver offers (TCP segments over IPv6): the switch does that");
}

#[test]
fn a_loop_is_one_queue_pair_of_the_same_device() {
    let plan = planned(&mlx5(), &Wish { queues: 4, offloads: true, ..wish() });
    let looped = plan.looped();
    assert!(looped.is_loop && !plan.is_loop && looped.queues == 1 && looped.rss_fields == 0);
    assert_eq!((looped.tx_offloads, looped.nic, looped.mtu), (plan.tx_offloads, plan.nic, plan.mtu));
}

#[test]
fn a_device_far_from_its_workers_or_buffers_falls_short() {
    let numa = |abilities: &Abilities, worker_nodes: &'static [u32], pool_node| {
        let pool = PoolFacts { node: pool_node, ..wish().pool };
        let (_, why, is_short) = chosen(&planned(abilities, &Wish { worker_nodes, pool, ..wish() }), "numa");
        (why, is_short)
    };
    let (why, is_short) = numa(&mlx5(), &[0], None);
    assert!(is_short && why.contains("CPUs are on node 0: choose [workers] cores on node 1"), "{why}");
    let (why, is_short) = numa(&mlx5(), &[1], Some(0));
    assert!(is_short && why.contains("the buffers are on node 0"), "{why}");
    let (why, is_short) = numa(&mlx5(), &[0, 1], Some(1));
    assert!(!is_short && why.contains("some workers are on other nodes"), "{why}");
    assert!(!numa(&mlx5(), &[1], Some(1)).1 && !numa(&mlx5(), &[], None).1);
    assert_eq!(numa(&virtual_device("net_null", 1), &[0], Some(0)).0, "the device is attached to no node");
}

#[test]
fn events_are_asked_for_only_where_the_driver_has_them() {
    let events = |abilities: &Abilities| {
        let plan = planned(abilities, &wish());
        (plan.link_events, plan.removal_events, chosen(&plan, "events").0)
    };
    assert_eq!(
        events(&ixgbevf()),
        (false, false, "reset, removal".into()),
        "a NIC is asked for its link, its bus tells"
    );
    assert_eq!(events(&mlx5()), (false, true, "reset, removal".into()));
    let virtio_user = Abilities { tells_link: true, ..virtual_device("net_virtio_user", 1) };
    assert_eq!(events(&virtio_user), (true, false, "link, reset".into()));
    assert_eq!(events(&virtual_device("net_ring", 1)), (false, false, "reset".into()));
}

#[test]
fn every_choice_has_a_reason() {
    for abilities in [ixgbevf(), iavf(), mlx5(), i40e(), virtual_device("net_null", 8)] {
        let plan = planned(&abilities, &Wish { queues: 2, ..wish() });
        assert!(plan.choices.iter().all(|choice| !choice.why.is_empty() && !choice.chosen.is_empty()), "{plan:?}");
        assert_eq!(plan.choices.len(), 10);
    }
}
