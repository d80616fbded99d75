//! The guest's memory as far as it is shared with us: mapped, and reached only through checked pieces.
//!
//! A guest may change its memory at any time, under our eyes, and may take it away. So nothing here is ever a reference
//! to a `T` or a `[u8]`: [`GuestSlice`] copies octets out or in, [`GuestArray`] loads and stores one item at a time, and
//! what was loaded is a copy that stays as it is. Pages that are gone read as zero and raise the [`Alarm`].

mod alarm;
mod dirty_log;
mod guest_array;
mod guest_memory;
mod guest_slice;
mod mapping;
mod sigbus;

#[cfg(test)]
pub(crate) mod tests;

pub use alarm::Alarm;
pub use dirty_log::DirtyLog;
pub use guest_array::{GuestArray, GuestItem};
pub use guest_memory::GuestMemory;
pub use guest_slice::GuestSlice;
pub(crate) use mapping::is_memory;
