//! `uplink`, `uplinks`, `multipath` and `local` of `[[tunnel]]`: the ways to the other VTEP.

use std::{collections::HashMap, fmt, net::IpAddr};

use super::{
    Cidr, Name, Port,
    cidr::is_link_local,
    error::Span,
    file::{self, Text},
    keys,
    reference::Known,
    section::Section,
    tunnel::next_hop_by,
};

/// Uplinks of a tunnel at most.
const UPLINKS_MAX: usize = 8;

/// One way to the other VTEP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    /// The port its packets leave and come in by.
    pub uplink: Name,
    /// Our own address, one of the uplink's.
    pub local: IpAddr,
}

/// How several paths are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multipath {
    /// All packets take the first path that can be used.
    ActiveBackup,
    /// Flows are spread over all that can be used, by their outer source port.
    Ecmp,
}

/// Its word in the file.
impl fmt::Display for Multipath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Multipath::ActiveBackup => "active-backup",
            Multipath::Ecmp => "ecmp",
        })
    }
}

/// An uplink, and where the file names it.
pub(super) struct Named<'p> {
    port: &'p Port,
    key: &'static str,
    span: Span,
}

/// The uplinks of a tunnel; `None` (reported) where one is wrong.
pub(super) fn uplinks<'p>(
    said: &file::Tunnel,
    known: &Known,
    ports: &HashMap<&str, &'p Port>,
    check: &mut Section,
) -> Option<Vec<Named<'p>>> {
    let (key, names): (_, &[Text]) = match (&said.uplink, &said.uplinks) {
        (None, None) => {
            check.lacks("has no `uplink`", "add `uplink = …`, or `uplinks = […]`");
            return None;
        }
        (Some(_), Some(list)) => {
            check.refuse("uplinks", &list.span(), "does not go with `uplink`", "one of the two");
            return None;
        }
        (Some(name), None) => ("uplink", std::slice::from_ref(name)),
        (None, Some(list)) if list.get_ref().is_empty() || list.get_ref().len() > UPLINKS_MAX => {
            check.refuse("uplinks", &list.span(), "is no list of uplinks", format!("1 to {UPLINKS_MAX} uplinks"));
            return None;
        }
        (None, Some(list)) => ("uplinks", list.get_ref()),
    };
    let mut all: Vec<Option<Named>> = Vec::new();
    for name in names {
        let uplink = uplink(key, name, known, ports, check);
        let is_twice = |uplink: &Named| all.iter().flatten().any(|other| other.port.name == uplink.port.name);
        if uplink.as_ref().is_some_and(is_twice) {
            check.refuse(key, &name.span(), "is there twice", "each uplink once, the preferred one first");
            return None;
        }
        all.push(uplink);
    }
    all.into_iter().collect()
}

fn uplink<'p>(
    key: &'static str,
    name: &Text,
    known: &Known,
    ports: &HashMap<&str, &'p Port>,
    check: &mut Section,
) -> Option<Named<'p>> {
    let port = *ports.get(known.ports.find(check, key, name)?.as_str())?;
    if !port.is_uplink() {
        let hint = format!("an uplink, that is a port with role = \"uplink\"; `{}` is in a network", port.name);
        check.refuse(key, &name.span(), "is an access port", hint);
        return None;
    }
    Some(Named { port, key, span: name.span() })
}

/// How several uplinks are used.
pub(super) fn multipath(said: &file::Tunnel, check: &mut Section) -> Multipath {
    let Some(text) = &said.multipath else { return Multipath::ActiveBackup };
    if said.uplinks.is_none() {
        check.refuse("multipath", &text.span(), "does not go with one `uplink`", "it says how `uplinks` are used");
    }
    let meanings = [Multipath::ActiveBackup, Multipath::Ecmp];
    check.chosen(&keys::MULTIPATH, text, &meanings).unwrap_or(Multipath::ActiveBackup)
}

/// The ways to `remote` by these uplinks.
pub(super) fn paths(
    said: &file::Tunnel,
    uplinks: &[Named<'_>],
    remote: IpAddr,
    check: &mut Section,
) -> Option<Vec<Path>> {
    if let Some(text) = said.next_hop_mac.as_ref().filter(|_| uplinks.len() > 1) {
        let hint = "each uplink has a next hop of its own, which is asked for";
        check.refuse("next_hop_mac", &text.span(), "does not go with several `uplinks`", hint);
    }
    let locals = match &said.local {
        Some(text) => vec![given(text, uplinks, remote, check)?; uplinks.len()],
        None => own(uplinks, remote, check)?,
    };
    for Named { port, .. } in uplinks {
        if next_hop_by(port, remote).is_none() {
            let problem = format!("is not on-link at uplink `{}`, which has no gateway of that family", port.name);
            let key = if remote.is_ipv4() { "gateway" } else { "gateway6" };
            check.refuse("remote", &said.remote.span(), problem, format!("give the uplink a `{key}`"));
        }
    }
    let path = |(uplink, local): (&Named, _)| Path { uplink: uplink.port.name.clone(), local };
    Some(uplinks.iter().zip(locals).map(path).collect())
}

/// Of one family (and, in IPv6, scope).
fn is_like(address: IpAddr, remote: IpAddr) -> bool {
    address.is_ipv4() == remote.is_ipv4() && is_link_local(address) == is_link_local(remote)
}

fn family(remote: IpAddr) -> &'static str {
    match remote {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) if is_link_local(remote) => "IPv6 link-local",
        IpAddr::V6(_) => "IPv6",
    }
}

/// Our own end as the file says: an address of every uplink.
fn given(text: &Text, uplinks: &[Named<'_>], remote: IpAddr, check: &mut Section) -> Option<IpAddr> {
    let local = check.address("local", text)?;
    let lacking = uplinks.iter().find(|uplink| !uplink.port.has_address(local));
    if let Some(Named { port, .. }) = lacking {
        let own: Vec<String> = port.addresses.iter().map(|own| own.address().to_string()).collect();
        let hint = format!("its addresses are {}", own.join(", "));
        check.refuse("local", &text.span(), format!("is no address of uplink `{}`", port.name), hint);
        return None;
    }
    if !is_like(local, remote) {
        let own = uplinks.iter().flat_map(|uplink| &uplink.port.addresses);
        let own: Vec<String> = own.map(|own| own.address().to_string()).collect();
        let problem = format!("is not an {} address as `remote` is", family(remote));
        check.refuse("local", &text.span(), problem, format!("its addresses are {}", own.join(", ")));
        return None;
    }
    Some(local)
}

/// Our own end where the file does not say: the first address that all uplinks have, else of each its own first one.
fn own(uplinks: &[Named<'_>], remote: IpAddr, check: &mut Section) -> Option<Vec<IpAddr>> {
    let candidates = |port: &Port| -> Vec<IpAddr> {
        port.addresses.iter().map(|own: &Cidr| own.address()).filter(|&own| is_like(own, remote)).collect()
    };
    let own: Vec<Vec<IpAddr>> = uplinks.iter().map(|uplink| candidates(uplink.port)).collect();
    for (Named { port, key, span }, own) in uplinks.iter().zip(&own) {
        if own.is_empty() {
            let hint = format!("add one to `addresses` of port `{}`", port.name);
            check.refuse(key, span, format!("has no {} address", family(remote)), hint);
        }
    }
    let shared = own.first()?.iter().find(|address| own.iter().all(|other| other.contains(address)));
    own.iter().map(|own| shared.or(own.first()).copied()).collect()
}
