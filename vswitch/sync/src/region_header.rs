//! The first page of a region: what it is, which layout it has, how long it is.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::RegionError;

/// Bytes in front of the payload: one page, so that the payload keeps any alignment a type may ask for.
pub(crate) const HEADER_BYTES: usize = 4096;
/// Bytes of the longest name.
const NAME_MAX: usize = 48;
/// Bytes of the longest kind.
const KIND_MAX: usize = 8;

const MAGIC: u64 = u64::from_le_bytes(*b"millrace");
const FORMAT: u32 = 1;

/// The header, native byte order (a region never leaves its machine).
#[repr(C)]
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub(crate) struct RegionHeader {
    magic: u64,
    format: u32,
    reserved: u32,
    kind: [u8; KIND_MAX],
    fingerprint: u64,
    length: u64,
    pub(crate) generation: u64,
    name: [u8; NAME_MAX],
}

const _: () = assert!(size_of::<RegionHeader>() == 96);

/// `text` padded with zeros, or `None` unless it is 1 to `N` printable ASCII characters.
fn padded<const N: usize>(text: &str) -> Option<[u8; N]> {
    let fits = !text.is_empty() && text.len() <= N && text.bytes().all(|b| b.is_ascii_graphic() || b == b' ');
    let mut bytes = [0; N];
    bytes.get_mut(..text.len()).filter(|_| fits)?.copy_from_slice(text.as_bytes());
    Some(bytes)
}

/// The text in front of the padding, made printable.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
    bytes[..end].escape_ascii().to_string()
}

impl RegionHeader {
    pub(crate) fn new(name: &str, kind: &str, fingerprint: u64, length: usize) -> Result<Self, RegionError> {
        Ok(RegionHeader {
            magic: MAGIC,
            format: FORMAT,
            reserved: 0,
            kind: padded(kind).ok_or_else(|| RegionError::KindName(kind.to_owned()))?,
            fingerprint,
            length: length as u64,
            generation: 1,
            name: padded(name).ok_or_else(|| RegionError::Name(name.to_owned()))?,
        })
    }

    pub(crate) fn name(&self) -> String {
        text(&self.name)
    }

    /// Checks everything a stranger may have written here; returns the payload's length, which fits `room` bytes.
    pub(crate) fn check(&self, kind: &str, fingerprint: u64, room: usize) -> Result<usize, RegionError> {
        if self.magic != MAGIC {
            return Err(RegionError::Magic { found: self.magic });
        }
        if self.format != FORMAT {
            return Err(RegionError::Format { found: self.format, known: FORMAT });
        }
        let name = self.name();
        if padded(kind) != Some(self.kind) {
            return Err(RegionError::Kind { name, found: text(&self.kind), wanted: kind.to_owned() });
        }
        if self.fingerprint != fingerprint {
            return Err(RegionError::Fingerprint { name, found: self.fingerprint, wanted: fingerprint });
        }
        match usize::try_from(self.length) {
            Ok(length) if length <= room => Ok(length),
            _ => Err(RegionError::Length { name, claimed: self.length, room }),
        }
    }
}
