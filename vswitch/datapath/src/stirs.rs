//! Whom changes can concern: those who come or leave by a member are not disturbed by what happens behind others, and of
//! those who do, a MAC that moves disturbs who talks to it, or as it, and one in four thousand others.
//!
//! Both questions are filters in front of the comparison of what a decision really rests on: they may say yes in vain, and never
//! no. The first is of words that all flows between two members share, so that asking again and again costs little.

use table::{FdbEntry, MemberId};
use wire::Mac;

use crate::brain::MEMBER_SCOPES;

/// Places; MACs share them.
const PLACES: usize = 4096;

pub(crate) struct Stirs {
    /// The epoch of the last change to each member, to its network, or to a MAC that was behind it.
    members: Box<[u32; MEMBER_SCOPES]>,
    /// The epoch of the last change that may concern any member.
    everybody: u32,
    /// The epoch of the last change of all that are noted here.
    last: u32,
    /// The epoch of the last change of any MAC of each place.
    places: Box<[u32; PLACES]>,
    /// The epoch of the last change of any MAC.
    last_mac: u32,
}

impl Stirs {
    pub(crate) fn new() -> Stirs {
        Stirs {
            members: vec![0; MEMBER_SCOPES].into_boxed_slice().try_into().expect("it was made of that length"),
            everybody: 0,
            last: 0,
            places: Box::new([0; PLACES]),
            last_mac: 0,
        }
    }

    /// Something about a member has changed in `epoch`: whatever comes or leaves by it may be concerned.
    pub(crate) fn member(&mut self, member: MemberId, epoch: u32) {
        self.members[seat(member)] = epoch;
        self.last = epoch;
    }

    /// Something has changed in `epoch` that may concern whatever comes or leaves by any member.
    pub(crate) fn everybody(&mut self, epoch: u32) {
        (self.everybody, self.last) = (epoch, epoch);
    }

    /// A MAC that was learned behind `from` has moved or gone in `epoch`. Who is sent to it left by that member, and who sends as
    /// it came in there: anywhere else, it would have been learned there.
    pub(crate) fn left(&mut self, mac: Mac, from: MemberId, epoch: u32) {
        self.member(from, epoch);
        self.note(mac, epoch);
    }

    /// An entry of the FDB has gone in `epoch`.
    pub(crate) fn gone(&mut self, entry: &FdbEntry, epoch: u32) {
        match entry.is_static {
            true => self.changed(entry.mac, epoch),
            false => self.left(entry.mac, entry.member, epoch),
        }
    }

    /// A MAC has come, moved or gone in `epoch`, and those who send as it may come in by any member: by others than that
    /// behind which the operator said it was, or by one where it was not learned.
    pub(crate) fn changed(&mut self, mac: Mac, epoch: u32) {
        self.everybody(epoch);
        self.note(mac, epoch);
    }

    fn note(&mut self, mac: Mac, epoch: u32) {
        self.places[place(mac.to_u64())] = epoch;
        self.last_mac = epoch;
    }

    /// Whether anything has happened since `moment` that may concern what comes in by `ingress` and leaves by `egress`.
    #[inline(always)]
    pub(crate) fn is_either_after(&self, ingress: MemberId, egress: MemberId, moment: u32) -> bool {
        let stamp = |member| self.members[seat(member)];
        let since = |event: u32| moment.wrapping_sub(event) as i32;
        // Of what is noted nowhere here, as a MAC that was nowhere, most are done with by one comparison.
        since(self.last) < 0 && since(stamp(ingress)) | since(stamp(egress)) | since(self.everybody) < 0
    }

    /// When any MAC changed last.
    #[inline(always)]
    pub(crate) fn last_of_macs(&self) -> u32 {
        self.last_mac
    }

    /// Whether the MAC in the low 48 bits of any of these words ([`Mac::to_u64`]) has changed since `moment`, or another one of its
    /// place has. All are looked at, with one branch.
    #[inline(always)]
    pub(crate) fn any_after(&self, words: [u64; 2], moment: u32) -> bool {
        let since = words.map(|word| moment.wrapping_sub(self.places[place(word)]) as i32);
        since[0] | since[1] < 0
    }

    /// Brings stamps forward, as all that are kept on a clock that wraps.
    pub(crate) fn renew(&mut self, kept: impl FnMut(&mut u32)) {
        let single = [&mut self.everybody, &mut self.last, &mut self.last_mac];
        self.members.iter_mut().chain(self.places.iter_mut()).chain(single).for_each(kept);
    }
}

/// A member's own; control gives no number that has none.
#[inline(always)]
fn seat(member: MemberId) -> usize {
    member.index() % MEMBER_SCOPES
}

/// MACs of one vendor, numbered through, are spread evenly. Whoever makes MACs that share a place gains nothing but a look
/// more at each of the flows there. The factor's low end is empty, so that nothing above the 48 bits of the MAC counts.
#[inline(always)]
fn place(mac: u64) -> usize {
    (mac.wrapping_mul(0x79b9_7f4a_7c15 << 16) >> 52) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_seen_by_its_own_mac_and_few_others() {
        let macs = || (0..10_000u64).map(|n| 0x0200_0000_0000 + n);
        let mut stirs = Stirs::new();
        stirs.left(Mac::from_u64(0x0200_0000_0007), MemberId(3), 5);
        let seen: Vec<_> = macs().filter(|&mac| stirs.any_after([0, 7 << 48 | mac], 4)).collect();
        assert!(seen.contains(&0x0200_0000_0007) && seen.len() < 30, "{}", seen.len());
        assert_eq!(stirs.last_of_macs(), 5);
        assert!(!stirs.any_after([0x0200_0000_0007; 2], 5), "as of then it is known");
    }

    #[test]
    fn a_change_behind_one_member_is_none_for_what_passes_between_others() {
        let concerned = |stirs: &Stirs, moment: u32| {
            [(1, 2), (1, 3), (3, 1)].map(|(from, to)| stirs.is_either_after(MemberId(from), MemberId(to), moment))
        };
        let mut stirs = Stirs::new();
        stirs.left(Mac::from_u64(7), MemberId(3), 5);
        assert_eq!(concerned(&stirs, 4), [false, true, true]);
        assert_eq!(concerned(&stirs, 5), [false; 3], "as of then it is known");
        stirs.changed(Mac::from_u64(7), 6);
        assert_eq!(concerned(&stirs, 5), [true; 3]);
        stirs.member(MemberId(2), 7);
        assert_eq!(concerned(&stirs, 6), [true, false, false]);
    }
}
