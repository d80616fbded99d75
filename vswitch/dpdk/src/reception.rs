//! Which frames a device lets in: its own MAC, further unicast MACs, everything.
//!
//! A bridge wants everything. A VF whose PF does not trust it refuses that, so what is known of the MACs behind the switch
//! is put into the device's unicast filters instead; what does not fit, or cannot be, is said with its mend.

use std::collections::BTreeSet;

use crate::{Choice, Errno, virtual_function::VirtualFunction};

/// An Ethernet address.
pub(crate) type MacOctets = [u8; 6];

/// What a device can be told about the frames it lets in.
pub(crate) trait Registers {
    fn set_mac(&mut self, mac: MacOctets) -> Result<(), Errno>;
    fn add_filter(&mut self, mac: MacOctets) -> Result<(), Errno>;
    fn remove_filter(&mut self, mac: MacOctets) -> Result<(), Errno>;
    fn set_promiscuous(&mut self, on: bool) -> Result<(), Errno>;
}

/// What is wanted, and what has come of it.
#[derive(Debug)]
pub(crate) struct Reception {
    /// The MAC it has when it is left alone.
    own: MacOctets,
    /// The MAC it should have, and whether it took it.
    mac: Option<(MacOctets, Result<(), Errno>)>,
    wants_all: bool,
    /// Whether it was told to let everything in, and what it answered.
    all: Option<Result<(), Errno>>,
    /// MACs behind the switch that are known.
    wanted: BTreeSet<MacOctets>,
    /// Those in the device's filters.
    filters: BTreeSet<MacOctets>,
    /// Those that are not, and why.
    left_out: Vec<(MacOctets, Errno)>,
    /// A virtual device without filters: it hands over whatever comes.
    has_no_filters: bool,
    /// Filters beside the one for its own MAC.
    filters_max: usize,
    vf: Option<VirtualFunction>,
}

/// What does not change about a device's filters.
pub(crate) struct Hardware {
    pub(crate) own: MacOctets,
    pub(crate) is_pci: bool,
    pub(crate) macs_max: u32,
    pub(crate) vf: Option<VirtualFunction>,
}

impl Reception {
    /// A device that lets in what comes to its own MAC.
    pub(crate) fn new(hardware: Hardware, wants_all: bool) -> Reception {
        Reception {
            own: hardware.own,
            mac: None,
            wants_all,
            all: None,
            wanted: BTreeSet::new(),
            filters: BTreeSet::new(),
            left_out: Vec::new(),
            has_no_filters: !hardware.is_pci,
            filters_max: (hardware.macs_max as usize).saturating_sub(1),
            vf: hardware.vf,
        }
    }

    /// The device has this MAC now: its own, unless we gave it another.
    pub(crate) fn found(&mut self, mac: MacOctets) {
        if !self.has_foreign_mac() {
            self.own = mac;
        }
    }

    /// Gives the device this MAC, or back its own.
    pub(crate) fn set_mac(&mut self, mac: Option<MacOctets>, registers: &mut impl Registers) {
        let before = self.mac.filter(|(_, taken)| taken.is_ok()).map_or(self.own, |(mac, _)| mac);
        let target = mac.unwrap_or(self.own);
        let taken = if target == before { Ok(()) } else { registers.set_mac(target) };
        self.mac = match (mac, taken) {
            (Some(mac), taken) => Some((mac, taken)),
            (None, Ok(())) => None,
            // It keeps the one it had, which is not its own.
            (None, refused) => Some((self.own, refused)),
        };
    }

    /// Whether the device has another MAC than its own.
    pub(crate) fn has_foreign_mac(&self) -> bool {
        self.mac.is_some_and(|(mac, taken)| taken.is_ok() && mac != self.own)
    }

    /// Knows further MACs that frames should be received for.
    pub(crate) fn want(&mut self, macs: impl IntoIterator<Item = MacOctets>) {
        // Groups are another matter, and its own MAC needs no filter.
        self.wanted = macs.into_iter().filter(|mac| mac[0] & 1 == 0 && *mac != self.own).collect();
    }

    /// Tells the device what follows from what is wanted now.
    pub(crate) fn settle(&mut self, registers: &mut impl Registers) {
        let was_open = self.all == Some(Ok(()));
        if self.wants_all && !was_open {
            self.all = Some(registers.set_promiscuous(true));
        }
        let is_open = self.wants_all && (self.all == Some(Ok(())) || self.lets_all_in_anyway());
        let needed = if is_open { BTreeSet::new() } else { self.needed() };
        self.filter(needed, registers);
        if self.wants_all {
            return;
        }
        // A MAC that it neither has nor filters by is reached by letting everything in.
        let is_deaf = !self.left_out.is_empty();
        if is_deaf && !was_open {
            self.all = Some(registers.set_promiscuous(true));
        } else if !is_deaf && was_open {
            self.all = registers.set_promiscuous(false).err().map(|_| Ok(()));
        } else if !is_deaf {
            self.all = None;
        }
    }

    /// MACs that frames must come in for, where not all do.
    fn needed(&self) -> BTreeSet<MacOctets> {
        let refused = self.mac.filter(|(_, taken)| taken.is_err()).map(|(mac, _)| mac);
        let others = if self.wants_all { self.wanted.clone() } else { BTreeSet::new() };
        refused.into_iter().chain(others).collect()
    }

    fn filter(&mut self, needed: BTreeSet<MacOctets>, registers: &mut impl Registers) {
        // One that it will not let go lets in more than is needed, which does no harm.
        self.filters.retain(|mac| needed.contains(mac) || registers.remove_filter(*mac).is_err());
        self.left_out.clear();
        for mac in needed {
            if self.filters.contains(&mac) {
                continue;
            }
            let is_full = self.filters.len() >= self.filters_max && self.filters_max > 0;
            match if is_full { Err(Errno::new(libc::ENOSPC)) } else { registers.add_filter(mac) } {
                Ok(()) => {
                    self.filters.insert(mac);
                }
                Err(error) => self.left_out.push((mac, error)),
            }
        }
    }

    /// Virtual devices that know no such setting hand over whatever comes.
    fn lets_all_in_anyway(&self) -> bool {
        let unknown = |result: &Result<(), Errno>| result.is_err_and(|error| error.number() == libc::ENOTSUP);
        self.has_no_filters && self.all.as_ref().is_some_and(unknown)
    }

    /// Whether all frames come in; the error says why not.
    pub(crate) fn promiscuous(&self) -> Result<(), Errno> {
        self.all.unwrap_or(Ok(()))
    }

    /// What has come of it, and why; the device's MAC at this moment is `now`.
    pub(crate) fn choices(&self, now: MacOctets) -> Vec<Choice> {
        [Some(self.mac_choice(now)), Some(self.all_choice()), self.filter_choice()].into_iter().flatten().collect()
    }

    fn mac_choice(&self, now: MacOctets) -> Choice {
        let Some((mac, taken)) = self.mac else {
            return match now {
                [0, 0, 0, 0, 0, 0] => Choice::new("mac", "none", "the device has none"),
                own => Choice::new("mac", text(own), "the device's own"),
            };
        };
        let why = match taken {
            Ok(()) if mac == self.own => "it is the device's own".to_owned(),
            Ok(()) => format!("set on the device; its own was {}", text(self.own)),
            Err(error) => format!("the device does not take it ({error}); {}", self.how_refused_mac_arrives(mac)),
        };
        let is_lost = taken.is_err() && !self.arrives(mac);
        Choice::new("mac", text(mac), why).asked(text(mac)).short(is_lost)
    }

    /// Whether frames to `mac`, which is not the device's, come in.
    fn arrives(&self, mac: MacOctets) -> bool {
        self.filters.contains(&mac) || self.all == Some(Ok(())) || self.lets_all_in_anyway()
    }

    fn how_refused_mac_arrives(&self, mac: MacOctets) -> String {
        if self.filters.contains(&mac) {
            "a filter lets it in".to_owned()
        } else if self.all == Some(Ok(())) {
            "it lets in all frames".to_owned()
        } else if self.lets_all_in_anyway() {
            "it hands over whatever comes".to_owned()
        } else {
            format!("frames to it do not arrive{}", self.mend())
        }
    }

    fn all_choice(&self) -> Choice {
        let choice = |chosen: &str, why: String| Choice::new("promiscuous", chosen, why);
        match (self.wants_all, self.all) {
            (false, None) => choice("off", "it is one station: frames to its MAC and to groups suffice".to_owned()),
            (false, Some(Ok(()))) => {
                choice("on", "the device neither takes nor filters by the MAC asked for".to_owned())
            }
            (true, Some(Ok(()))) => choice("on", self.if_trusted()).asked("on"),
            _ if self.lets_all_in_anyway() => {
                choice("not needed", "a virtual device without such a setting hands over whatever comes".to_owned())
            }
            (_, Some(Err(error))) => {
                let why = format!("{error}; unicast frames come by filters only{}", self.mend());
                choice("refused", why).asked("on").short(true)
            }
            (true, None) => choice("off", "the device is not started".to_owned()).asked("on"),
        }
    }

    /// What to know of a VF that said yes.
    fn if_trusted(&self) -> String {
        match &self.vf {
            None => "frames for other MACs are bridged".to_owned(),
            Some(vf) => format!("the VF said yes, but some PFs ignore it where they do not trust it{}", mend(vf)),
        }
    }

    fn filter_choice(&self) -> Option<Choice> {
        let says_nothing = self.filters.is_empty() && self.left_out.is_empty();
        if says_nothing || self.lets_all_in_anyway() {
            return None;
        }
        let (have, lack) = (self.filters.len(), self.left_out.len());
        let all = have + lack;
        let Some((_, error)) = self.left_out.last() else {
            let why = format!("the known MACs behind the switch: {}", list(self.filters.iter()));
            return Some(Choice::new("mac_filters", format!("{have} of {all}"), why));
        };
        let macs = list(self.left_out.iter().map(|(mac, _)| mac));
        let is_heard = self.all == Some(Ok(()));
        let why = match is_heard {
            true => format!("no filter ({error}) for {macs}; all frames are let in instead"),
            false => format!("no filter ({error}) for {macs}: frames to them do not arrive{}", self.mend()),
        };
        Some(Choice::new("mac_filters", format!("{have} of {all}"), why).asked(all).short(!is_heard))
    }

    /// What the administrator of the PF can do, where it is known which PF it is.
    fn mend(&self) -> String {
        self.vf.as_ref().map_or_else(String::new, mend)
    }
}

fn mend(vf: &VirtualFunction) -> String {
    format!("; mend: {}", vf.trust_command())
}

fn text(mac: MacOctets) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}

/// Some MACs as text, not more than fit a line.
fn list<'m>(macs: impl ExactSizeIterator<Item = &'m MacOctets>) -> String {
    const SHOWN: usize = 4;
    let rest = macs.len().saturating_sub(SHOWN);
    let shown: Vec<String> = macs.take(SHOWN).map(|mac| text(*mac)).collect();
    let shown = shown.join(", ");
    if rest == 0 { shown } else { format!("{shown} and {rest} more") }
}

#[cfg(test)]
mod tests;
