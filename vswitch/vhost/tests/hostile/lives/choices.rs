//! Octets, read as choices: what a seed's dice or a fuzzer throws becomes one hostile guest's life.

use arbitrary::Unstructured;

/// Choices that are made by octets, until there are none left; then all are the first one, or 0.
pub(crate) struct Choices<'o>(Unstructured<'o>);

impl<'o> Choices<'o> {
    pub(crate) fn new(octets: &'o [u8]) -> Choices<'o> {
        Choices(Unstructured::new(octets))
    }

    /// Whether nothing is left to choose by.
    pub(crate) fn are_over(&self) -> bool {
        self.0.is_empty()
    }

    /// A number from 0 to `last`.
    pub(crate) fn up_to(&mut self, last: usize) -> usize {
        self.0.int_in_range(0..=last).unwrap_or(0)
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.up_to(times - 1) == times - 1
    }

    /// One of these, of which there is at least one.
    pub(crate) fn of<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.up_to(from.len() - 1)]
    }

    /// Any number.
    pub(crate) fn any(&mut self) -> u64 {
        self.0.arbitrary().unwrap_or(0)
    }

    /// Any `len` octets.
    pub(crate) fn octets(&mut self, len: usize) -> Vec<u8> {
        let mut octets = vec![0; len];
        // What is missing stays zero.
        let _ = self.0.fill_buffer(&mut octets);
        octets
    }
}
