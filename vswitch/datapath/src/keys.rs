//! Which members' frames are told apart by their five-tuples, as parse wants to know it: an octet a member, made of the
//! snapshot when it is installed, and one word that says whether there are any.

use table::MemberId;

use crate::{Profile, Snapshot};

/// By [`MemberId`].
pub(crate) struct Keys {
    by_tuple: Vec<bool>,
    /// Whether there is any such member.
    pub(crate) any_by_tuple: bool,
}

impl Keys {
    /// None yet; a place for every member there can be, made once: installing a snapshot allocates nothing.
    pub(crate) fn new(members_max: usize) -> Keys {
        Keys { by_tuple: vec![false; members_max], any_by_tuple: false }
    }

    /// Whether frames from this member are told apart by their five-tuples.
    #[inline(always)]
    pub(crate) fn is_by_tuple(&self, member: MemberId) -> bool {
        self.by_tuple.get(member.index()).copied().unwrap_or(false)
    }

    /// Takes over what `new` says; `old` was in force.
    pub(crate) fn install(&mut self, old: &Snapshot, new: &Snapshot) {
        let members = old.members.len().max(new.members.len());
        self.any_by_tuple = false;
        for (place, by_tuple) in self.by_tuple.iter_mut().enumerate().take(members) {
            *by_tuple = new.profile(MemberId(place as u32), None) == Profile::FiveTuple;
            self.any_by_tuple |= *by_tuple;
        }
    }
}
