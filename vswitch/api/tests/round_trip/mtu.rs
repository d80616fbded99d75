//! Answers of `show_mtu`.

use api::*;

use super::Dice;

impl Dice {
    pub(super) fn mtus(&mut self) -> Mtus {
        Mtus {
            networks: self.list(Dice::network_mtu),
            ports: self.list(Dice::port_mtu),
            paths: self.list(Dice::path_mtu),
            too_big: self.list(Dice::too_big),
            mss_clamped: self.number(),
        }
    }

    fn network_mtu(&mut self) -> NetworkMtu {
        let octets = |dice: &mut Dice| dice.number() as u16;
        NetworkMtu {
            name: self.text(),
            mtu: self.maybe(octets),
            tagged: self.maybe(octets),
            chain: self.text(),
            mss: self.maybe(octets),
        }
    }

    fn port_mtu(&mut self) -> PortMtu {
        PortMtu {
            name: self.text(),
            role: self.pick(&[PortRole::Uplink, PortRole::Access]),
            mtu: self.number() as u16,
            networks: self.list(Dice::text),
            chain: self.text(),
            guest: self.maybe(|dice| GuestMtu {
                offered: dice.number() as u16,
                told: dice.maybe(|dice| dice.number() as u16),
            }),
        }
    }

    fn path_mtu(&mut self) -> PathMtu {
        PathMtu {
            tunnel: self.text(),
            uplink: self.text(),
            networks: self.list(Dice::text),
            mtu: self.number() as u16,
            inner: self.number() as u16,
            left_s: self.number(),
        }
    }

    fn too_big(&mut self) -> TooBig {
        TooBig {
            worker: self.number() as u8,
            answered: self.number(),
            limited: self.number(),
            port: self.text(),
            octets: self.number(),
            mtu: self.number() as u16,
        }
    }
}
