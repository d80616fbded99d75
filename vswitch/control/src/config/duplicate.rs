//! What two sections may not both have: MACs and addresses on one segment, VNIs, interfaces, devices.

use super::{
    Kind, Name, Network, error::Errors, file::Network as SaidNetwork, port::Draft, reference::Unique, section::Section,
};
use toml::Spanned;

/// Objects to ports that are in each other's way.
///
/// MACs and addresses may recur in different networks: these are segments of their own, often of different tenants.
pub(super) fn ports(drafts: &[Draft], errors: &mut Errors) {
    let (mut macs, mut addresses, mut places) = (Unique::new(), Unique::new(), Unique::new());
    for draft in drafts {
        let (port, said) = (&draft.port, draft.said.get_ref());
        let segment: Option<&Name> = port.network();
        let mut check = Section::named(errors, "port", &said.name, draft.said);
        if let (Some(mac), Some(text)) = (port.mac, &said.mac)
            && let Some(other) = macs.claim((segment, mac), &port.name)
        {
            check.refuse(
                "mac",
                &text.span(),
                format!("is the MAC of port `{other}` too"),
                where_unique(segment, "MAC"),
            );
        }
        for text in &said.addresses {
            let Ok(own) = text.get_ref().parse::<super::Cidr>() else { continue };
            if let Some(other) =
                addresses.claim((segment, own.address()), &port.name).filter(|other| **other != port.name)
            {
                let hint = where_unique(segment, "address");
                check.refuse("addresses", &text.span(), format!("is an address of port `{other}` too"), hint);
            }
        }
        let (place, key, span) = match &port.kind {
            Kind::Tap { netns, interface } => {
                let text = said.interface.as_ref().unwrap_or(&said.name);
                let key = if said.interface.is_some() { "interface" } else { "name" };
                ((netns.as_ref(), interface.as_str()), key, text.span())
            }
            Kind::Eth { device } => {
                let own = device.split(',').next().unwrap_or_default();
                ((None, own), "device", said.device.as_ref().map_or(draft.said.span(), Spanned::span))
            }
        };
        if let Some(other) = places.claim((key == "device", place), &port.name) {
            let problem = format!("is taken by port `{other}`");
            let hint = if key == "device" {
                "a port has a device of its own"
            } else {
                "one interface of a name in a namespace"
            };
            check.refuse(key, &span, problem, hint);
        }
    }
}

fn where_unique(segment: Option<&Name>, what: &str) -> String {
    match segment {
        Some(network) => format!("one {what} once in network `{network}`"),
        None => format!("one {what} on one uplink"),
    }
}

/// Objects to networks with the same VNI.
pub(super) fn vnis(networks: &[Network], said: &[Spanned<SaidNetwork>], errors: &mut Errors) {
    let mut vnis = Unique::new();
    for network in networks {
        let Some(other) = vnis.claim(network.vni, &network.name).filter(|other| **other != network.name) else {
            continue;
        };
        let section = said.iter().rfind(|said| network.name == said.get_ref().name.get_ref().as_str());
        let Some(section) = section else { continue };
        let mut check = Section::named(errors, "network", &section.get_ref().name, section);
        let at = section.get_ref().vni.span();
        check.refuse("vni", &at, format!("is the VNI of network `{other}` too"), "a VNI for each network");
    }
}
