//! What the driver is told of chains that are used up.

/// A chain that is used up.
#[derive(Clone, Copy, Debug)]
pub(super) struct Used {
    /// What the driver knows it by: the head's number, or the buffer's id.
    pub(super) id: u16,
    /// Descriptors it takes up in the ring (packed), or 1.
    pub(super) slots: u16,
    /// Octets of it that we wrote.
    pub(super) written: u32,
}

/// What a burst showed the driver. Of two, the greater one is what both did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Published {
    Nothing,
    Quietly,
    /// Chains whose use the driver wants to be woken for.
    Wake,
}

impl Published {
    /// Something was shown.
    #[inline]
    pub(super) fn something(wake: bool) -> Published {
        if wake { Published::Wake } else { Published::Quietly }
    }
}
