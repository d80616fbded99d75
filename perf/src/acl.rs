//! An access list as OpenFlow rules: a thousand, with masks of many lengths on addresses and ports, none of which is about the
//! load. Whoever remembers verdicts by masks has to look at the ports of every packet for it.

use std::fmt::Write;

use crate::random::Random;

/// Rules there are.
pub(crate) const RULES: u32 = 1000;

/// Lengths of prefixes of the load's senders, 10.0.0.0/9, and receivers, 10.128.0.0/9: large subnets, so that one remembered
/// verdict is good for many flows. With hosts every flow would need one of its own, and OVS would do nothing but decide.
const SENDERS: [u32; 4] = [9, 10, 11, 12];
const RECEIVERS: [u32; 3] = [9, 10, 11];

/// Masks of ports below 1024, which the load has none of.
const PORTS: [u16; 4] = [0xffff, 0xfff0, 0xff00, 0xfc00];
const PORT_END: u64 = 1024;

/// The rules, one a line, and last the one that lets all others be switched as without a list.
pub(crate) fn rules() -> String {
    let mut random = Random::new(u64::from(RULES));
    let mut text = String::new();
    for n in 0..RULES {
        // Every fourth is about TCP.
        let protocol = if n.is_multiple_of(4) { "tcp" } else { "udp" };
        let (src, dst) = (prefix(0x0a00_0000, SENDERS, &mut random), prefix(0x0a80_0000, RECEIVERS, &mut random));
        let port = if random.below(3) == 0 { "tp_src" } else { "tp_dst" };
        let mask = one_of(PORTS, &mut random);
        let number = random.below(PORT_END) as u16 & mask;
        let priority = RULES - n;
        let _ = writeln!(
            text,
            "priority={priority},{protocol},nw_src={src},nw_dst={dst},{port}={number:#x}/{mask:#x},actions=drop"
        );
    }
    text + "priority=0,actions=NORMAL\n"
}

fn prefix<const N: usize>(base: u32, lengths: [u32; N], random: &mut Random) -> String {
    let len = one_of(lengths, random);
    let address = (base | random.below(1 << 23) as u32) & (u32::MAX << (32 - len));
    format!("{}/{len}", std::net::Ipv4Addr::from(address))
}

fn one_of<T: Copy, const N: usize>(all: [T; N], random: &mut Random) -> T {
    all[random.below(N as u64) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_rules_as_said_and_none_is_about_a_port_of_the_load() {
        let text = rules();
        assert_eq!((text.lines().count() as u32, text.lines().last()), (RULES + 1, Some("priority=0,actions=NORMAL")));
        for line in text.lines().take(RULES as usize) {
            let port = line.split(',').find_map(|part| part.strip_prefix("tp_")?.split_once('=')).unwrap().1;
            let (number, mask) = port.split_once("/0x").unwrap();
            let number = u16::from_str_radix(&number[2..], 16).unwrap();
            let mask = u16::from_str_radix(mask, 16).unwrap();
            assert!(u64::from(number) < PORT_END && mask >= 0xfc00 && number & !mask == 0, "{line}");
        }
    }

    #[test]
    fn masks_are_of_many_kinds() {
        let text = rules();
        let shape = |line: &str| {
            let length = |key: &str| line.split(key).nth(1)?.split(',').next()?.split('/').nth(1).map(str::to_owned);
            (line.contains("tcp"), ["nw_src=", "nw_dst=", "tp_src=", "tp_dst="].map(length))
        };
        let shapes: std::collections::HashSet<_> = text.lines().map(shape).collect();
        assert!(shapes.len() > 100, "{}", shapes.len());
    }
}
