//! Sets of CPUs, in the kernel's notation: `0-3,8`.

use std::{collections::BTreeSet, fmt, str::FromStr};

/// CPUs there can be; the kernel's own bound is 8192.
const CPUS_MAX: u16 = 8192;

/// A set of CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CpuSet(BTreeSet<u16>);

/// The text is no list of CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotACpuList;

impl CpuSet {
    pub(super) fn contains(&self, cpu: u16) -> bool {
        self.0.contains(&cpu)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn last(&self) -> Option<u16> {
        self.0.last().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.0.iter().copied()
    }

    pub(super) fn and(&self, other: &CpuSet) -> CpuSet {
        CpuSet(&self.0 & &other.0)
    }

    pub(super) fn or(&self, other: &CpuSet) -> CpuSet {
        CpuSet(&self.0 | &other.0)
    }

    pub(super) fn without(&self, other: &CpuSet) -> CpuSet {
        CpuSet(&self.0 - &other.0)
    }

    /// The kernel's hexadecimal mask: groups of 32 bits, commas between.
    pub(super) fn mask(&self) -> String {
        let groups = usize::from(self.last().unwrap_or(0)) / 32 + 1;
        let mut words = vec![0u32; groups];
        self.iter().for_each(|cpu| words[usize::from(cpu) / 32] |= 1 << (cpu % 32));
        let words: Vec<String> = words.iter().rev().map(|word| format!("{word:08x}")).collect();
        words.join(",")
    }
}

impl FromIterator<u16> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u16>>(cpus: I) -> CpuSet {
        CpuSet(cpus.into_iter().collect())
    }
}

impl FromStr for CpuSet {
    type Err = NotACpuList;

    /// Strides (`0-15:2/4`) are not understood: sysfs never writes them.
    fn from_str(text: &str) -> Result<CpuSet, NotACpuList> {
        let number = |text: &str| text.parse::<u16>().ok().filter(|&cpu| cpu < CPUS_MAX).ok_or(NotACpuList);
        let mut cpus = BTreeSet::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return Err(NotACpuList);
            }
            cpus.extend(first..=last);
        }
        Ok(CpuSet(cpus))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.iter().peekable();
        let mut comma = "";
        while let Some(first) = rest.next() {
            let mut last = first;
            while let Some(next) = rest.next_if(|&next| next == last + 1) {
                last = next;
            }
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
            comma = ",";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_and_written_as_the_kernel_writes_them() {
        for text in ["", "0", "0-3", "0,2-3,63", "1-2,4-8191"] {
            assert_eq!(text.parse::<CpuSet>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["x", "3-1", "0-", "-1", "8192", "0-99999999999", "0-7:2/4"] {
            assert_eq!(text.parse::<CpuSet>(), Err(NotACpuList), "{text}");
        }
    }

    #[test]
    fn a_mask_has_groups_of_32_bits() {
        assert_eq!("0-3".parse::<CpuSet>().unwrap().mask(), "0000000f");
        assert_eq!("0,35".parse::<CpuSet>().unwrap().mask(), "00000008,00000001");
    }
}
