//! Planted filters: a NIC that is trusted, VFs that are not, virtual devices that have none.

use super::*;

const OWN: MacOctets = [2, 0, 0, 0, 0, 0xff];
const OTHER: MacOctets = [2, 0, 0, 0, 0, 0xee];

/// Filters as a device has them.
struct Planted {
    takes_mac: Result<(), Errno>,
    takes_all: Result<(), Errno>,
    places: usize,
    mac: MacOctets,
    filters: BTreeSet<MacOctets>,
    is_open: bool,
}

impl Registers for Planted {
    fn set_mac(&mut self, mac: MacOctets) -> Result<(), Errno> {
        self.takes_mac?;
        self.mac = mac;
        Ok(())
    }

    fn add_filter(&mut self, mac: MacOctets) -> Result<(), Errno> {
        if self.filters.len() >= self.places {
            return Err(Errno::new(libc::ENOSPC));
        }
        assert!(self.filters.insert(mac), "the same filter twice");
        Ok(())
    }

    fn remove_filter(&mut self, mac: MacOctets) -> Result<(), Errno> {
        assert!(self.filters.remove(&mac), "a filter that is not there");
        Ok(())
    }

    fn set_promiscuous(&mut self, on: bool) -> Result<(), Errno> {
        self.takes_all?;
        self.is_open = on;
        Ok(())
    }
}

fn refusal(number: i32) -> Result<(), Errno> {
    Err(Errno::new(number))
}

fn planted(places: usize) -> Planted {
    let (mac, filters, is_open) = (OWN, BTreeSet::new(), false);
    Planted { takes_mac: Ok(()), takes_all: Ok(()), places, mac, filters, is_open }
}

fn vf() -> VirtualFunction {
    VirtualFunction { pf: "ens1f0".into(), number: 3 }
}

fn pci(wants_all: bool, vf: Option<VirtualFunction>) -> Reception {
    Reception::new(Hardware { own: OWN, is_pci: true, macs_max: 128, vf }, wants_all)
}

fn macs(count: u8) -> Vec<MacOctets> {
    (0..count).map(|n| [2, 0, 0, 0, 1, n]).collect()
}

/// What was chosen, why, and whether it falls short; `None` where there is nothing to say.
fn said(reception: &Reception, what: &str) -> Option<(String, String, bool)> {
    let choice = reception.choices(OWN).into_iter().find(|choice| choice.what == what)?;
    Some((choice.chosen, choice.why, choice.falls_short))
}

#[test]
fn a_device_that_lets_everything_in_needs_no_filter() {
    let (mut device, mut reception) = (planted(8), pci(true, None));
    reception.want(macs(3));
    reception.settle(&mut device);
    assert!(device.is_open && device.filters.is_empty());
    assert_eq!(said(&reception, "promiscuous").unwrap().0, "on");
    assert_eq!(said(&reception, "mac_filters"), None);
}

#[test]
fn a_station_lets_in_its_own_mac_only() {
    let (mut device, mut reception) = (planted(8), pci(false, None));
    reception.want(macs(3));
    reception.settle(&mut device);
    assert!(!device.is_open && device.filters.is_empty());
    assert_eq!(said(&reception, "promiscuous").unwrap().0, "off");
    assert_eq!(said(&reception, "mac").unwrap().0, "02:00:00:00:00:ff");
}

#[test]
fn a_vf_without_trust_filters_by_what_is_known_and_names_the_mend() {
    let mut device = Planted { takes_all: refusal(libc::EPERM), ..planted(8) };
    let mut reception = pci(true, Some(vf()));
    reception.want(macs(3).into_iter().chain([OWN, [0x33, 0x33, 0, 0, 0, 1]]));
    reception.settle(&mut device);
    assert_eq!(device.filters, macs(3).into_iter().collect(), "its own MAC and groups need no filter");
    let (chosen, why, is_short) = said(&reception, "promiscuous").unwrap();
    assert_eq!((chosen.as_str(), is_short), ("refused", true));
    assert!(why.contains("EPERM") && why.contains("ip link set ens1f0 vf 3 trust on"), "{why}");
    let (chosen, why, is_short) = said(&reception, "mac_filters").unwrap();
    assert_eq!((chosen.as_str(), is_short), ("3 of 3", false));
    assert!(why.contains("02:00:00:00:01:02"), "{why}");
}

#[test]
fn filters_follow_what_is_known() {
    let mut device = Planted { takes_all: refusal(libc::EPERM), ..planted(8) };
    let mut reception = pci(true, None);
    reception.want(macs(3));
    reception.settle(&mut device);
    reception.want([macs(3)[2], OTHER]);
    reception.settle(&mut device);
    assert_eq!(device.filters, BTreeSet::from([macs(3)[2], OTHER]));
    device.takes_all = Ok(());
    reception.settle(&mut device);
    assert!(device.is_open && device.filters.is_empty(), "trusted at last");
}

#[test]
fn what_does_not_fit_the_filters_is_named() {
    let mut device = Planted { takes_all: refusal(libc::EPERM), ..planted(2) };
    let mut reception = pci(true, Some(vf()));
    reception.want(macs(9));
    reception.settle(&mut device);
    let (chosen, why, is_short) = said(&reception, "mac_filters").unwrap();
    assert_eq!((device.filters.len(), chosen.as_str(), is_short), (2, "2 of 9", true));
    assert!(why.contains("02:00:00:00:01:02") && why.contains("and 3 more") && why.contains("do not arrive"), "{why}");
}

#[test]
fn a_device_is_asked_for_no_more_filters_than_it_has() {
    let mut device = Planted { takes_all: refusal(libc::EPERM), ..planted(100) };
    let hardware = Hardware { own: OWN, is_pci: true, macs_max: 5, vf: None };
    let mut reception = Reception::new(hardware, true);
    reception.want(macs(9));
    reception.settle(&mut device);
    assert_eq!(device.filters.len(), 4, "one of the five is for its own MAC");
}

#[test]
fn a_mac_is_set_where_the_device_takes_it_and_given_back() {
    let (mut device, mut reception) = (planted(8), pci(false, None));
    reception.set_mac(Some(OTHER), &mut device);
    reception.settle(&mut device);
    assert!(device.mac == OTHER && !device.is_open && reception.has_foreign_mac());
    let (chosen, why, _) = said(&reception, "mac").unwrap();
    assert_eq!(
        (chosen.as_str(), why.as_str()),
        ("02:00:00:00:00:ee", "set on the device; its own was 02:00:00:00:00:ff")
    );
    reception.set_mac(None, &mut device);
    assert!(device.mac == OWN && !reception.has_foreign_mac());
}

#[test]
fn a_mac_the_device_refuses_arrives_by_a_filter_or_by_letting_all_in() {
    let mut device = Planted { takes_mac: refusal(libc::EPERM), ..planted(1) };
    let mut reception = pci(false, Some(vf()));
    reception.set_mac(Some(OTHER), &mut device);
    reception.settle(&mut device);
    assert!(device.filters.contains(&OTHER) && !device.is_open && !reception.has_foreign_mac());
    assert!(said(&reception, "mac").unwrap().1.contains("a filter lets it in"));
    let mut device = Planted { takes_mac: refusal(libc::EPERM), ..planted(0) };
    let mut reception = pci(false, Some(vf()));
    reception.set_mac(Some(OTHER), &mut device);
    reception.settle(&mut device);
    assert!(device.is_open && said(&reception, "mac").unwrap().1.contains("it lets in all frames"));
    device.takes_mac = Ok(());
    reception.set_mac(Some(OTHER), &mut device);
    reception.settle(&mut device);
    assert!(!device.is_open, "no longer needed");
    assert_eq!(said(&reception, "promiscuous").unwrap().0, "off");
}

#[test]
fn a_mac_that_cannot_arrive_at_all_is_said_loudly() {
    let no = refusal(libc::EPERM);
    let mut device = Planted { takes_mac: no, takes_all: no, ..planted(0) };
    let mut reception = pci(false, Some(vf()));
    reception.set_mac(Some(OTHER), &mut device);
    reception.settle(&mut device);
    let (_, why, is_short) = said(&reception, "mac").unwrap();
    assert!(is_short && why.contains("frames to it do not arrive") && why.contains("trust on"), "{why}");
}

#[test]
fn a_virtual_device_without_such_settings_hands_over_everything() {
    let no = refusal(libc::ENOTSUP);
    for wants_all in [true, false] {
        let mut device = Planted { takes_mac: no, takes_all: no, ..planted(0) };
        let hardware = Hardware { own: OWN, is_pci: false, macs_max: 1, vf: None };
        let mut reception = Reception::new(hardware, wants_all);
        reception.set_mac(Some(OTHER), &mut device);
        reception.settle(&mut device);
        let (_, why, is_short) = said(&reception, "mac").unwrap();
        assert!(!is_short && why.contains("hands over whatever comes"), "{why}");
        assert!(reception.choices(OWN).iter().all(|choice| !choice.falls_short), "{:?}", reception.choices(OWN));
    }
}
