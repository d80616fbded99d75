//! parse: one pass over the headers of each frame, the key of its flow and the key's hash.

use table::prefetch;
use wire::L3;

use crate::{
    Role,
    batch::{Batch, Class, Meta},
    brain::Brain,
    feature::vxlan,
    flow::{FlowKey, Profile},
    stage::admit,
};

/// How many frames ahead of the one being parsed its header is fetched into the cache.
const AHEAD: usize = 4;

/// The first loop.
pub(crate) fn batch(batch: &mut Batch, brain: &Brain) {
    let frames = batch.frames.as_slice();
    let mut last_sender = vxlan::Memo::default();
    for (place, frame) in frames.iter().enumerate() {
        if let Some(later) = frames.get(place + AHEAD) {
            later.data().first().into_iter().for_each(prefetch);
        }
        let meta = &mut batch.meta[place];
        meta.class = one(frame.data(), meta, brain, &mut last_sender);
        if let Class::Flow = meta.class {
            meta.hash = brain.flows.hash(&meta.key.0);
            meta.probe = brain.flows.probe(meta.hash);
        }
    }
}

fn one(data: &[u8], meta: &mut Meta, brain: &Brain, last_sender: &mut vxlan::Memo) -> Class {
    meta.outer_len = 0;
    meta.inner_len = data.len() as u16;
    meta.headers = match wire::parse(data) {
        Ok(headers) => headers,
        Err(malformed) => return Class::Drop(malformed.into()),
    };
    match admit::port(meta.port, brain) {
        Err(cause) => Class::Drop(cause.into()),
        Ok(Role::Access { member, guard }) => {
            meta.ingress = *member;
            let profile = if guard.addresses.is_some() { Profile::Source } else { Profile::L2 };
            overlay(profile, data, meta)
        }
        Ok(Role::Uplink { mac, addresses }) => match admit::underlay(data, meta, *mac, addresses, brain, last_sender) {
            Ok(admit::Underlay::Host) => Class::Punt,
            Ok(admit::Underlay::Decap) => overlay(Profile::L2, &data[usize::from(meta.outer_len)..], meta),
            Err(reason) => Class::Drop(reason),
        },
    }
}

/// The key of an overlay frame. ARP and ND carry claims inside, so each is looked at.
fn overlay(profile: Profile, data: &[u8], meta: &mut Meta) -> Class {
    match wire::icmpv6::neighbour(data, &meta.headers) {
        Ok(None) if meta.headers.l3_kind != L3::Arp => {}
        Ok(_) => return Class::Slow,
        Err(malformed) => return Class::Drop(malformed.into()),
    }
    meta.key = FlowKey::new(profile, meta.ingress, &meta.headers, data);
    Class::Flow
}
