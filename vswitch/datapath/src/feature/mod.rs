//! The nouns, one file each: what the arms of the verbs do.

pub(crate) mod ecn;
pub(crate) mod flood;
pub(crate) mod gro;
pub(crate) mod gso;
pub(crate) mod guard;
pub(crate) mod learn;
pub(crate) mod mss;
pub(crate) mod senders;
pub(crate) mod storm;
pub(crate) mod too_big;
pub(crate) mod vlan;
pub(crate) mod vxlan;
