//! Reading and writing fields at fixed offsets, and what all views have in common.
//!
//! These functions panic where the field lies outside the bytes: a view calls them only after its `check_len`.

use crate::Mac;

/// The `N` octets at `at`.
#[inline]
pub(crate) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

/// The big-endian 16-bit word at `at`.
#[inline]
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array_at(bytes, at))
}

/// The big-endian 32-bit word at `at`.
#[inline]
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array_at(bytes, at))
}

/// The hardware address at `at`.
#[inline]
pub(crate) fn mac_at(bytes: &[u8], at: usize) -> Mac {
    Mac::new(array_at(bytes, at))
}

/// Writes `value` at `at`.
#[inline]
pub(crate) fn put<const N: usize>(bytes: &mut [u8], at: usize, value: [u8; N]) {
    bytes[at..at + N].copy_from_slice(&value);
}

/// Declares a view: the struct, its three ways in and out, and `bytes()`. The file adds `check_len` and the accessors.
macro_rules! view {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct $name<T: AsRef<[u8]>> {
            buffer: T,
        }

        impl<T: AsRef<[u8]>> $name<T> {
            /// Lays the view over `buffer` without looking; an accessor panics where the buffer ends before its field.
            #[inline]
            pub const fn new_unchecked(buffer: T) -> Self {
                Self { buffer }
            }

            /// Lays the view over `buffer` if [`Self::check_len`] finds nothing wrong; no accessor panics afterwards.
            ///
            /// # Errors
            /// What [`Self::check_len`] found.
            #[inline]
            pub fn new_checked(buffer: T) -> Result<Self, $crate::Malformed> {
                let view = Self { buffer };
                view.check_len()?;
                Ok(view)
            }

            /// The buffer back.
            #[inline]
            pub fn into_inner(self) -> T {
                self.buffer
            }

            #[inline]
            fn bytes(&self) -> &[u8] {
                self.buffer.as_ref()
            }
        }
    };
}
pub(crate) use view;
