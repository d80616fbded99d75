//! What a worker knows: the snapshot in force, its flow table, its replica of the FDB, and since when each part of that
//! holds.
//!
//! `epoch` is the worker's own logical clock: it moves with every change that a cached decision may rest on, and the
//! thing that changed is stamped with it. A flow entry remembers the epoch at which it was last found right. While the
//! clock stands, a hit compares one word. When it has moved, a plain packet on a known way asks whether anything happened
//! behind the two members that it passes between, then, as other hits at once, whether one of its MACs was stirred or its network touched; only then are the entry's own scopes
//! (ingress and egress member, network, both FDB entries) compared, once, and only what really changed is decided anew.

use std::sync::Arc;

use table::{EPOCHS_KEPT, Fdb, FdbSlot, FlowSlot, FlowTable, MemberId, NetworkId, Tick};
use wire::Mac;

use crate::{
    MemberKind, Snapshot,
    flow::{FlowKey, KEY_WORDS, Recipe},
    keys::Keys,
    stirs::Stirs,
    way::Ways,
};

pub(crate) struct Brain {
    pub(crate) snapshot: Arc<Snapshot>,
    /// What the snapshot says of where frames leave, for most.
    pub(crate) ways: Ways,
    /// What the snapshot says of keys.
    pub(crate) keys: Keys,
    pub(crate) flows: FlowTable<KEY_WORDS>,
    pub(crate) fdb: Fdb,
    pub(crate) now: Tick,
    pub(crate) epoch: u32,
    /// Identification of the next outer IPv4 header.
    pub(crate) ip_id: u16,
    pub(crate) scopes: Scopes,
    /// Behind whom something has changed, which MACs have come, moved or gone, and when.
    pub(crate) stirs: Stirs,
    /// Whether a MAC was refused for want of room: its flows must be decided anew once there is some.
    pub(crate) refused_any: bool,
    /// The epoch at which the scopes' stamps were last brought forward.
    renewed_at: u32,
}

/// When the parts of the snapshot last changed, on the worker's logical clock.
pub(crate) struct Scopes {
    members: Vec<MemberScope>,
    networks: Vec<NetworkScope>,
    /// The epoch in which any network was touched last.
    touched_at: u32,
}

#[derive(Clone, Copy, Default)]
struct MemberScope {
    /// The epoch of the last change to the member, or to the port it is behind.
    changed_at: u32,
    /// The epoch at which the id began to mean this member: older FDB entries speak of a predecessor.
    born_at: u32,
}

#[derive(Clone, Copy, Default)]
struct NetworkScope {
    changed_at: u32,
    /// The epoch of the last change to the network or to any of its members.
    touched_at: u32,
    /// Whether its static entries are still to be put in place, or to be found there.
    statics_due: bool,
    /// The epoch of the last MAC learned: flows that flood for want of an FDB entry rest on it.
    learned_at: u32,
}

/// Where a MAC was before it was learned where it is: whom that can concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// Nowhere, which concerns floods alone: nobody's way leads to it, and who sends as it was decided about when it went, or has
    /// found no room.
    Nowhere,
    /// Learned behind this member.
    Behind(MemberId),
    /// That is not known, or the operator had said it.
    Unclear,
}

/// Whether `event` came after `moment` on a clock that wraps.
#[inline]
fn after(event: u32, moment: u32) -> bool {
    event.wrapping_sub(moment) as i32 > 0
}

impl Brain {
    pub(crate) fn new(flows: FlowTable<KEY_WORDS>, fdb: Fdb) -> Brain {
        Brain {
            snapshot: Arc::new(Snapshot::default()),
            ways: Ways::new(MEMBER_SCOPES),
            keys: Keys::new(MEMBER_SCOPES),
            flows,
            fdb,
            now: Tick(0),
            epoch: 1,
            ip_id: 0,
            scopes: Scopes {
                members: vec![MemberScope::default(); MEMBER_SCOPES],
                networks: vec![NetworkScope::default(); NETWORK_SCOPES],
                touched_at: 0,
            },
            stirs: Stirs::new(),
            refused_any: false,
            renewed_at: 0,
        }
    }

    /// A turn begins.
    pub(crate) fn begin_turn(&mut self, now: Tick) {
        self.now = now;
        if self.epoch.wrapping_sub(self.renewed_at) > EPOCHS_KEPT / 8 {
            self.renewed_at = self.epoch;
            let epoch = self.epoch;
            self.scopes.renew(epoch);
            self.stirs.renew(|stamp| keep(stamp, epoch));
        }
    }

    /// Puts a snapshot in force; returns the one before.
    pub(crate) fn install(&mut self, new: Arc<Snapshot>) -> Arc<Snapshot> {
        let old = std::mem::replace(&mut self.snapshot, new);
        self.epoch = self.epoch.wrapping_add(1);
        self.scopes.compare(&old, &self.snapshot, self.epoch);
        self.stir_members(&old);
        self.ways.install(&old, &self.snapshot);
        self.keys.install(&old, &self.snapshot);
        old
    }

    /// Stirs the members of the networks that the snapshot in force has touched, and those that were theirs in `old`.
    fn stir_members(&mut self, old: &Snapshot) {
        let Brain { snapshot, scopes, stirs, epoch, .. } = self;
        if scopes.touched_at != *epoch {
            return;
        }
        let before = epoch.wrapping_sub(1);
        for id in (0..old.members.len().max(snapshot.members.len())).map(|place| MemberId(place as u32)) {
            if [old, &**snapshot]
                .iter()
                .filter_map(|s| s.member(id))
                .any(|m| scopes.is_touched_after(m.network, before))
            {
                stirs.member(id, *epoch);
            }
        }
    }

    /// Where `mac` is in `network`, and the FDB entry that says so. Entries that speak of a predecessor go.
    #[inline]
    pub(crate) fn locate(&mut self, network: NetworkId, mac: Mac) -> Option<(FdbSlot, MemberId)> {
        let slot = self.fdb.lookup(network, mac)?;
        let member = self.fdb.member(slot);
        if self.scopes.is_current(&self.snapshot, member, self.fdb.changed_at(slot)) {
            return Some((slot, member));
        }
        self.forget(slot);
        None
    }

    #[cold]
    #[inline(never)]
    fn forget(&mut self, slot: FdbSlot) {
        self.epoch = self.epoch.wrapping_add(1);
        let gone = self.fdb.entry(slot);
        self.fdb.remove(slot, self.epoch);
        self.stirs.gone(&gone, self.epoch);
        self.gave_room();
    }

    /// Marks that `network` has learned where `mac` is, so that its floods, and what goes to it or comes from it, are
    /// decided anew.
    pub(crate) fn learned(&mut self, network: NetworkId, mac: Mac, before: Before) {
        self.epoch = self.epoch.wrapping_add(1);
        match before {
            Before::Nowhere if !self.refused_any => {}
            Before::Behind(member) => self.stirs.left(mac, member, self.epoch),
            Before::Nowhere | Before::Unclear => self.stirs.changed(mac, self.epoch),
        }
        if let Some(scope) = self.scopes.networks.get_mut(network.index()) {
            scope.learned_at = self.epoch;
        }
    }

    /// Marks that MACs have gone, in the present epoch: those that found no room before may find some now. A decision that is being
    /// made in this very epoch may miss that; it is a flood, for what has gone is what it asked for, and floods look for news of
    /// their network.
    pub(crate) fn gave_room(&mut self) {
        if std::mem::take(&mut self.refused_any) {
            self.touch_all();
        }
    }

    /// Has every cached decision looked at.
    pub(crate) fn touch_all(&mut self) {
        let epoch = self.epoch;
        self.stirs.everybody(epoch);
        self.scopes.touched_at = epoch;
        self.scopes.networks.iter_mut().for_each(|network| network.touched_at = epoch);
    }

    /// Whether nothing has happened since `checked_at` that a decision about frames from `ingress` to one member, or about
    /// dropping them, can rest on: neither to their MACs nor in their network. Says so quickly, and `false` where in doubt.
    #[inline]
    pub(crate) fn is_untouched(&self, ingress: MemberId, key: &FlowKey, checked_at: u32) -> bool {
        // A change is of the one or of the other, so that most are done with here.
        let [any_mac, any_network] =
            [self.stirs.last_of_macs(), self.scopes.touched_at].map(|last| after(last, checked_at));
        let is_stirred = any_mac && self.stirs.any_after(key.front(), checked_at);
        !(is_stirred || any_network && self.is_touched(ingress, checked_at))
    }

    /// Whether the network of a member has been touched since `checked_at`, or there is no such member any more.
    #[inline]
    fn is_touched(&self, ingress: MemberId, checked_at: u32) -> bool {
        self.snapshot.member(ingress).is_none_or(|member| self.scopes.is_touched_after(member.network, checked_at))
    }

    /// Whether a cached decision holds; if so, it holds as of now.
    #[inline]
    pub(crate) fn holds(&mut self, slot: FlowSlot, key: &FlowKey) -> bool {
        self.flows.entry(slot).checked_at() == self.epoch || self.still_holds(slot, key)
    }

    /// The same for one that was last found right in another epoch.
    #[cold]
    fn still_holds(&mut self, slot: FlowSlot, key: &FlowKey) -> bool {
        let checked_at = self.flows.entry(slot).checked_at();
        let holds = self.scopes_unchanged(slot, key, checked_at);
        if holds {
            self.flows.entry(slot).set_checked_at(self.epoch);
        }
        holds
    }

    fn scopes_unchanged(&mut self, slot: FlowSlot, key: &FlowKey, checked_at: u32) -> bool {
        let entry = self.flows.entry(slot);
        let recipe = Recipe::decode(entry.recipe());
        let dst_slot = entry.dst_slot();
        let ingress = key.ingress();
        let Some(network) = self.snapshot.member(ingress).map(|member| member.network) else { return false };
        let unchanged =
            |id: MemberId| self.scopes.members.get(id.index()).is_some_and(|m| !after(m.changed_at, checked_at));
        let Some(net) = self.scopes.networks.get(network.index()).copied() else { return false };
        if after(net.changed_at, checked_at) || !unchanged(ingress) {
            return false;
        }
        let destination_unchanged = match dst_slot {
            // The MAC is still where it was, so the member there is the one the decision rests on, whatever it was.
            Some(dst) => !after(self.fdb.changed_at(dst), checked_at) && unchanged(self.fdb.member(dst)),
            // Of what rests on no entry, only a flood for want of one is touched by what is learned.
            None if matches!(recipe, Recipe::Flood(_)) && key.dst().is_unicast() => !after(net.learned_at, checked_at),
            None => true,
        };
        // A sender whose entry has gone must be learned again, and one that has moved, moved back: decide anew.
        destination_unchanged
            && (recipe.is_refusal() || self.locate(network, key.src()).is_some_and(|(_, at)| at == ingress))
    }
}

impl Scopes {
    /// Stamps with `epoch` what differs between two snapshots.
    fn compare(&mut self, old: &Snapshot, new: &Snapshot, epoch: u32) {
        let networks = &mut self.networks;
        let touched_at = &mut self.touched_at;
        let mut touch = |id: NetworkId| {
            *touched_at = epoch;
            networks.get_mut(id.index()).into_iter().for_each(|network| network.touched_at = epoch);
        };
        for (place, scope) in self.members.iter_mut().enumerate().take(new.members.len().max(old.members.len())) {
            let id = MemberId(place as u32);
            let is_same = is_same_member(old, new, id);
            if !is_same {
                scope.born_at = epoch;
            }
            let is_changed = member_stamp(old, id) != member_stamp(new, id);
            if is_changed {
                scope.changed_at = epoch;
            }
            if is_changed || !is_same {
                [old, new].into_iter().filter_map(|s| s.member(id)).for_each(|member| touch(member.network));
            }
        }
        self.compare_networks(old, new, epoch);
    }

    fn compare_networks(&mut self, old: &Snapshot, new: &Snapshot, epoch: u32) {
        let stamp = |s: &Snapshot, place: usize| s.networks.get(place).and_then(Option::as_ref).map(|n| n.generation);
        for (place, scope) in self.networks.iter_mut().enumerate().take(new.networks.len().max(old.networks.len())) {
            if stamp(old, place) != stamp(new, place) {
                (scope.changed_at, scope.touched_at) = (epoch, epoch);
                self.touched_at = epoch;
            }
            // The entries of a member that is another one now go, too.
            scope.statics_due |= scope.touched_at == epoch || statics(old, place) != statics(new, place);
        }
    }

    /// Whether a network has been touched after `moment`, or is not tracked.
    fn is_touched_after(&self, network: NetworkId, moment: u32) -> bool {
        self.networks.get(network.index()).is_none_or(|network| after(network.touched_at, moment))
    }

    /// Whether the static entries of a network are to be looked at.
    pub(crate) fn has_statics_due(&self, network: usize) -> bool {
        self.networks.get(network).is_some_and(|scope| scope.statics_due)
    }

    /// The static entries of a network are all in place.
    pub(crate) fn statics_placed(&mut self, network: usize) {
        self.networks.get_mut(network).into_iter().for_each(|scope| scope.statics_due = false);
    }

    /// Brings stamps forward that would soon be half a turn of the clock old: after so many changes an attacker's moving
    /// MAC, say, would make all that is known look out of date.
    /// Not as far as the sweep brings FDB entries, so that none of these falls behind the birth of its member.
    fn renew(&mut self, epoch: u32) {
        self.members.iter_mut().flat_map(|m| [&mut m.changed_at, &mut m.born_at]).for_each(|stamp| keep(stamp, epoch));
        let stamps = self.networks.iter_mut().flat_map(|n| [&mut n.changed_at, &mut n.touched_at, &mut n.learned_at]);
        stamps.chain([&mut self.touched_at]).for_each(|stamp| keep(stamp, epoch));
    }

    /// Whether an FDB entry that changed at `changed_at` means the member that has this id today.
    pub(crate) fn is_current(&self, snapshot: &Snapshot, member: MemberId, changed_at: u32) -> bool {
        let born_at = self.members.get(member.index()).map_or(0, |scope| scope.born_at);
        snapshot.member(member).is_some() && !after(born_at, changed_at)
    }
}

/// What the operator says of a network's MACs.
fn statics(snapshot: &Snapshot, place: usize) -> &[(Mac, MemberId)] {
    let network = snapshot.networks.get(place).and_then(Option::as_ref);
    network.map_or(&[], |network| &network.statics)
}

/// Brings a stamp forward that is older than what is kept.
fn keep(stamp: &mut u32, epoch: u32) {
    const KEPT: u32 = EPOCHS_KEPT + EPOCHS_KEPT / 2;
    if epoch.wrapping_sub(*stamp) > KEPT {
        *stamp = epoch.wrapping_sub(KEPT);
    }
}

/// Whether an id means in both snapshots who it meant: a member that went to another network, or whose id was given to
/// somebody else, is a new one, and MACs learned behind the old one must not lead there.
fn is_same_member(old: &Snapshot, new: &Snapshot, id: MemberId) -> bool {
    let (Some(old), Some(new)) = (old.member(id), new.member(id)) else { return false };
    let same_side = match (&old.kind, &new.kind) {
        (MemberKind::Local { port: old, .. }, MemberKind::Local { port: new, .. }) => old == new,
        (MemberKind::Vtep { .. }, MemberKind::Vtep { .. }) => true,
        _ => false,
    };
    old.network == new.network && same_side
}

/// What must be equal in two snapshots for decisions about a member to stay: its own generation and, behind a port of this
/// switch, the port's. By which uplink a VTEP is reached is no part of a decision.
fn member_stamp(snapshot: &Snapshot, id: MemberId) -> Option<(u64, Option<u64>)> {
    let member = snapshot.member(id)?;
    let port = match member.kind {
        MemberKind::Local { port, .. } => snapshot.port(port),
        MemberKind::Vtep { .. } => None,
    };
    Some((member.generation, port.map(|port| port.generation)))
}

/// Members whose changes are tracked one by one; control refuses more.
pub(crate) const MEMBER_SCOPES: usize = 1 << 16;
/// Networks, likewise.
pub(crate) const NETWORK_SCOPES: usize = 1 << 12;
