//! What a client says of its memory, checked before the driver believes it: it maps regions as long as it is told and
//! writes into rings wherever they are said to be.

use std::{
    fs,
    os::fd::{AsRawFd, OwnedFd},
};

use rustix::fs::{OFlags, SealFlags, fcntl_get_seals, fcntl_getfl, fcntl_setfl, fstat};

use super::{end::End, message::AddRing};

/// Regions the driver has place for (`ETH_MEMIF_MAX_REGION_NUM`).
const REGIONS_MAX: usize = 256;
/// Octets of all regions together: what can be mapped in any case.
const OCTETS_MAX: u64 = 1 << 40;
/// The logarithm of the largest ring the driver knows (`ETH_MEMIF_MAX_LOG2_RING_SIZE`).
const LOG2_MAX: u8 = 14;
/// Octets in front of a ring's descriptors, and of one of these.
const RING_HEAD: u64 = 128;
const DESCRIPTOR: u64 = 16;

/// A client's regions and rings, as far as it has told.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    regions: Vec<u64>,
    /// How many rings lead to the client, and to the server.
    rings: [u16; 2],
}

impl Shares {
    /// Takes one more region.
    pub(crate) fn add_region(&mut self, index: u16, octets: u64, fd: &OwnedFd) -> Result<(), End> {
        let refused = |why: String| Err(End::Region { index, why });
        if usize::from(index) != self.regions.len() || self.regions.len() == REGIONS_MAX {
            return refused(format!(
                "out of turn; {} were told before, and {REGIONS_MAX} are possible",
                self.regions.len()
            ));
        }
        let total: u64 = self.regions.iter().sum();
        if octets == 0 || octets > OCTETS_MAX - total {
            return refused(format!("{octets} octets; possible are 1 to {OCTETS_MAX} in all regions together"));
        }
        // In this order: what cannot shrink any more is as long as it is found to be.
        if !fcntl_get_seals(fd).is_ok_and(|seals| seals.contains(SealFlags::SHRINK)) {
            let why = "its memory is not sealed against shrinking (F_SEAL_SHRINK), so whoever made it could cut it short \
                       under the switch; a DPDK client does so with zero-copy=yes";
            return refused(why.to_owned());
        }
        match fstat(fd).map(|about| about.st_size as u64) {
            Ok(size) if size >= octets => {}
            Ok(size) => return refused(format!("said to have {octets} octets, but its memory has {size}")),
            Err(error) => return refused(error.to_string()),
        }
        self.regions.push(octets);
        Ok(())
    }

    /// Takes one more ring, of at most `queues` in either direction.
    pub(crate) fn add_ring(&mut self, ring: &AddRing, queues: u16, fd: &OwnedFd) -> Result<(), End> {
        let told = &mut self.rings[usize::from(ring.to_server)];
        let to = if ring.to_server { "server" } else { "client" };
        let refused = |why: String| Err(End::Ring { index: ring.index, to, why });
        if ring.index >= queues {
            return Err(End::Queues(format!("ring {} to the {to}, where the port has {queues} queue(s)", ring.index)));
        }
        if ring.index != *told {
            return refused(format!("out of turn; {told} were told before"));
        }
        if ring.log2_size > LOG2_MAX {
            return refused(format!("2^{} descriptors; at most 2^{LOG2_MAX} are possible", ring.log2_size));
        }
        let end = u64::from(ring.offset) + RING_HEAD + (DESCRIPTOR << ring.log2_size);
        match self.regions.get(usize::from(ring.region)) {
            Some(&octets) if end <= octets => {}
            Some(octets) => return refused(format!("ends at octet {end} of a region of {octets}")),
            None => return refused(format!("lies in region {}, which was not told", ring.region)),
        }
        if let Err(why) = make_harmless(fd) {
            return refused(why);
        }
        *told += 1;
        Ok(())
    }

    /// Whether the driver can be told: it uses each of its queues, with a ring or without.
    pub(crate) fn are_complete(&self, queues: u16) -> Result<(), End> {
        let [to_client, to_server] = self.rings;
        if self.rings == [queues; 2] {
            return Ok(());
        }
        let what =
            format!("{to_server} ring(s) to the server and {to_client} to the client, where the port has {queues}");
        Err(End::Queues(what))
    }
}

/// The driver reads and writes it in the midst of a burst: only an eventfd that does not wait.
fn make_harmless(fd: &OwnedFd) -> Result<(), String> {
    let kind = fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).unwrap_or_default();
    if kind.as_os_str() != "anon_inode:[eventfd]" {
        return Err(format!("its descriptor is no eventfd but {}", kind.display()));
    }
    let flags = fcntl_getfl(fd).map_err(|error| error.to_string())?;
    fcntl_setfl(fd, flags | OFlags::NONBLOCK).map_err(|error| error.to_string())
}
