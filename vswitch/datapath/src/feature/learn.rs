//! Learning: which member a source MAC is behind, and telling the other workers.

use table::{Learn, MemberId, NetworkId};
use wire::Mac;

use crate::{
    Network,
    brain::{Before, Brain},
    tally::Tally,
    wiring::{FdbDelta, Peer},
};

/// Notes that a frame from `mac` came in from `member`, on this worker, and tells the others where that is news.
pub(crate) fn seen(
    network_id: NetworkId,
    network: &Network,
    mac: Mac,
    member: MemberId,
    brain: &mut Brain,
    tally: &mut Tally,
    peers: &mut [Option<Peer>],
) {
    let sighting = FdbDelta { network: network_id, mac, member, seen: brain.now };
    if note(&sighting, true, network.macs_max, brain, tally) {
        tell(&sighting, tally, peers);
    }
}

/// Notes what another worker has seen, unless it is out of date: of a member that a newer snapshot has taken away, or
/// older than what this worker has seen itself.
pub(crate) fn heard(delta: &FdbDelta, brain: &mut Brain, tally: &mut Tally) {
    let Some(limit) = brain.snapshot.network(delta.network).map(|network| network.macs_max) else { return };
    if brain.snapshot.member(delta.member).is_none_or(|member| member.network != delta.network) {
        return;
    }
    let known = brain.locate(delta.network, delta.mac).map(|(slot, _)| brain.fdb.entry(slot));
    if known.is_some_and(|mine| mine.is_local && mine.last_seen.since(delta.seen) > 0) {
        return;
    }
    note(delta, false, limit, brain, tally);
}

/// Tells every other worker; whoever cannot be told now is told by the next sweep.
pub(crate) fn tell(delta: &FdbDelta, tally: &mut Tally, peers: &mut [Option<Peer>]) {
    for peer in peers.iter_mut().flatten() {
        tell_one(delta, tally, peer);
    }
}

/// Tells one other worker, or notes that it is behind for the rest of this pass of the sweep and one whole more.
pub(crate) fn tell_one(delta: &FdbDelta, tally: &mut Tally, peer: &mut Peer) {
    if peer.tell.push(*delta).is_err() {
        peer.passes_behind = 2;
        tally.worker.mac_deltas_deferred += 1;
    }
}

/// Returns whether the FDB now says something new.
fn note(sighting: &FdbDelta, local: bool, limit: u32, brain: &mut Brain, tally: &mut Tally) -> bool {
    // An entry that speaks of a predecessor must not be refreshed: it is not found here, and gone afterwards.
    match brain.locate(sighting.network, sighting.mac) {
        Some((slot, at)) if at == sighting.member => {
            brain.fdb.refresh(slot, local, sighting.seen);
            false
        }
        _ => take_in(sighting, local, limit, brain, tally),
    }
}

/// The same where the MAC is not known to be there.
#[inline(never)]
fn take_in(sighting: &FdbDelta, local: bool, limit: u32, brain: &mut Brain, tally: &mut Tally) -> bool {
    let FdbDelta { network, mac, member, seen } = *sighting;
    let next = brain.epoch.wrapping_add(1);
    let books = &mut tally.worker;
    let learned = brain.fdb.learn(network, mac, member, local, seen, next, limit);
    let (counter, before) = match learned {
        Learn::New(_) => (&mut books.mac_learned, Some(Before::Nowhere)),
        Learn::Moved { from, .. } => (&mut books.mac_moved, Some(Before::Behind(from))),
        Learn::NetworkFull => (&mut books.mac_refused_network, None),
        Learn::TableFull => (&mut books.mac_refused_table, None),
        Learn::Known | Learn::Static => return false,
    };
    *counter += 1;
    match before {
        Some(before) => brain.learned(network, mac, before),
        None => brain.refused_any = true,
    }
    before.is_some()
}
