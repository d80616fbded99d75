//! What each command does to the text.

use wire::Mac;

use super::{
    arguments::{
        Behind, How, MacEdit, MacPlace, Network, NetworkAdd, Port, PortAdd, Set, Tunnel, TunnelAdd, TunnelDel,
    },
    document::{Document, Entry},
    value::{Assignment, text, texts},
};
use crate::failure::Failure;

/// One edit as it was typed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit<'a> {
    /// `millrace port …`
    Port(&'a Port),
    /// `millrace network …`
    Network(&'a Network),
    /// `millrace tunnel …`
    Tunnel(&'a Tunnel),
    /// `millrace mac …`
    Mac(&'a MacEdit),
}

impl<'a> Edit<'a> {
    /// How it is to be made.
    pub(super) fn how(self) -> &'a How {
        match self {
            Edit::Port(Port::Add(add)) => &add.how,
            Edit::Network(Network::Add(add)) => &add.how,
            Edit::Tunnel(Tunnel::Add(add)) => &add.how,
            Edit::Tunnel(Tunnel::Del(del)) => &del.how,
            Edit::Port(Port::Set(set)) | Edit::Network(Network::Set(set)) | Edit::Tunnel(Tunnel::Set(set)) => &set.how,
            Edit::Port(Port::Del(del)) | Edit::Network(Network::Del(del)) => &del.how,
            Edit::Mac(MacEdit::Add(place) | MacEdit::Set(place)) => &place.how,
            Edit::Mac(MacEdit::Del(del)) => &del.how,
        }
    }

    /// The text after it. Errors: what it names is not there (or already is), or is written in a way that is edited by
    /// hand only.
    pub(super) fn of(self, text: &str) -> Result<String, Failure> {
        let mut document = Document::new(text);
        match self {
            Edit::Port(Port::Add(add)) => add_port(&mut document, add)?,
            Edit::Port(Port::Set(set)) => change(&mut document, "port", set)?,
            Edit::Port(Port::Del(del)) => document.remove("port", &del.name)?,
            Edit::Network(Network::Add(add)) => add_network(&mut document, add)?,
            Edit::Network(Network::Set(set)) => change(&mut document, "network", set)?,
            Edit::Network(Network::Del(del)) => document.remove("network", &del.name)?,
            Edit::Tunnel(Tunnel::Add(add)) => add_tunnel(&mut document, add)?,
            Edit::Tunnel(Tunnel::Set(set)) => change(&mut document, "tunnel", set)?,
            Edit::Tunnel(Tunnel::Del(del)) => remove_tunnel(&mut document, del)?,
            Edit::Mac(MacEdit::Add(place)) => add_mac(&mut document, place)?,
            Edit::Mac(MacEdit::Set(place)) => {
                remove_mac(&mut document, &place.network, place.mac)?;
                add_mac(&mut document, place)?;
            }
            Edit::Mac(MacEdit::Del(del)) => remove_mac(&mut document, &del.network, del.mac)?,
        }
        Ok(document.into_text())
    }
}

fn entry(key: &str, value: impl Into<String>) -> Entry {
    (key.to_owned(), value.into())
}

/// A key that may be left out.
fn optional<T: ToString>(key: &str, value: &Option<T>) -> Option<Entry> {
    value.as_ref().map(|value| entry(key, text(&value.to_string())))
}

/// A list that is left out where it is empty.
fn list<T: ToString>(key: &str, items: &[T]) -> Option<Entry> {
    (!items.is_empty()).then(|| entry(key, texts(items)))
}

fn others(set: &[Assignment]) -> impl Iterator<Item = Entry> {
    set.iter().map(|assignment| assignment.0.clone())
}

fn add_port(document: &mut Document, add: &PortAdd) -> Result<(), Failure> {
    let mut entries = vec![entry("name", text(&add.name))];
    entries.push(entry("kind", text(add.device.kind())));
    entries.extend(add.uplink.then(|| entry("role", text("uplink"))));
    entries.extend(optional("device", &add.device.eth));
    entries.extend(optional("socket", &add.device.vhost));
    entries.extend(optional("mode", &add.mode));
    entries.extend(optional("netns", &add.netns));
    entries.extend(optional("interface", &add.interface));
    entries.extend(add.queues.map(|queues| entry("queues", queues.to_string())));
    entries.extend(optional("mac", &add.mac));
    entries.extend(list("addresses", &add.addresses));
    entries.extend(optional("network", &add.network));
    entries.extend(others(&add.set));
    document.add("port", &add.name, &entries)
}

fn add_network(document: &mut Document, add: &NetworkAdd) -> Result<(), Failure> {
    let mut entries = vec![entry("name", text(&add.name)), entry("vni", add.vni.to_string())];
    entries.extend(list("tunnels", &add.tunnels));
    entries.extend(others(&add.set));
    document.add("network", &add.name, &entries)
}

fn add_tunnel(document: &mut Document, add: &TunnelAdd) -> Result<(), Failure> {
    let uplinks = match add.uplinks.as_slice() {
        [one] => entry("uplink", text(one)),
        several => entry("uplinks", texts(several)),
    };
    let mut entries = vec![entry("name", text(&add.name)), uplinks, entry("remote", text(&add.remote))];
    entries.extend(others(&add.set));
    document.add("tunnel", &add.name, &entries)?;
    add.networks.iter().try_for_each(|network| document.push("network", network, "tunnels", &text(&add.name)))
}

fn remove_tunnel(document: &mut Document, del: &TunnelDel) -> Result<(), Failure> {
    let quoted = text(&del.name);
    for network in &del.networks {
        let is_meant = |source: &str| source.trim() == quoted || source.trim() == format!("'{}'", del.name);
        if !document.pull("network", network, "tunnels", is_meant)? {
            return Err(Failure::Edit(format!("network `{network}` does not list tunnel `{}`", del.name)));
        }
    }
    document.remove("tunnel", &del.name)
}

fn change(document: &mut Document, kind: &str, set: &Set) -> Result<(), Failure> {
    // The name may be among what changes: the others are found by the old one.
    set.unset.iter().try_for_each(|key| document.unset(kind, &set.name, &key.0))?;
    let (names, rest): (Vec<Entry>, Vec<Entry>) = others(&set.values).partition(|(key, _)| key == "name");
    rest.iter().chain(&names).try_for_each(|entry| document.set(kind, &set.name, entry))
}

fn add_mac(document: &mut Document, place: &MacPlace) -> Result<(), Failure> {
    let Behind { port, tunnel } = &place.behind;
    let mut entries = vec![entry("mac", text(&place.mac.to_string()))];
    entries.extend(optional("port", port));
    entries.extend(optional("tunnel", tunnel));
    document.add_entry("network", &place.network, "static", &entries)
}

fn remove_mac(document: &mut Document, network: &str, mac: Mac) -> Result<(), Failure> {
    let is_meant = |text: &str| text.parse() == Ok(mac);
    if document.remove_entry("network", network, "static", "mac", is_meant)? {
        return Ok(());
    }
    Err(Failure::Edit(format!("network `{network}` has no static entry for {mac}")))
}
