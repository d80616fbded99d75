//! What an open device tells of itself to whoever wonders why it is as it is.

use crate::{Choice, EthDevice, LinkState, memif::Entry};

impl EthDevice {
    /// What was chosen for the device and why, in the order of its start.
    pub fn choices(&self) -> Vec<Choice> {
        let multicast = match self.all_multicast {
            Ok(()) => Choice::new("multicast", "all", "groups, neighbour discovery's among them, are received"),
            Err(error) if self.abilities.is_pci => {
                let why = format!("{error}; neighbour discovery over IPv6 needs 33:33:*");
                Choice::new("multicast", "refused", why).short(true)
            }
            Err(_) => Choice::new("multicast", "not needed", "a virtual device without such a setting has no filter"),
        };
        let of_start = [self.driver_choice()].into_iter().chain(self.plan.choices.iter().cloned());
        let of_end = [multicast, self.link_choice()].into_iter().chain(self.shared.entry.as_ref().map(Entry::choice));
        of_start.chain(self.reception.choices(self.mac())).chain(of_end).collect()
    }

    fn driver_choice(&self) -> Choice {
        Choice::new("driver", self.driver(), format!("of device {}", self.devargs.text))
    }

    fn link_choice(&self) -> Choice {
        let why = match self.kernel_interface() {
            Some(_) => "the kernel's interface says so",
            None => "the driver says so",
        };
        match self.link() {
            Ok(LinkState { up: false, .. }) => Choice::new("link", "down", why),
            Ok(LinkState { speed_mbps: Some(mbps), .. }) => Choice::new("link", format!("up, {mbps} Mbit/s"), why),
            Ok(_) => Choice::new("link", "up", why),
            Err(error) => Choice::new("link", "unknown", error.to_string()),
        }
    }
}
