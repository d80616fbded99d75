//! The few system calls the standard library does not offer. The only file of the daemon with `unsafe`.
#![allow(unsafe_code)]

use std::{
    io,
    os::{fd::AsRawFd, unix::net::UnixStream},
    time::Duration,
};

/// Who is at the other end of a Unix socket, as the kernel knows it (`SO_PEERCRED`, unix(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerCredentials {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Asks the kernel who connected.
pub(crate) fn peer_credentials(stream: &UnixStream) -> io::Result<PeerCredentials> {
    let mut cred = [libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX }];
    match socket_option(stream, libc::SO_PEERCRED, &mut cred)? {
        Ok(1) => Ok(PeerCredentials { pid: cred[0].pid, uid: cred[0].uid, gid: cred[0].gid }),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Asks the kernel for the supplementary groups of whoever connected (`SO_PEERGROUPS`, unix(7)).
pub(crate) fn peer_groups(stream: &UnixStream) -> io::Result<Vec<u32>> {
    let mut groups: Vec<libc::gid_t> = vec![0; 32];
    let mut told = socket_option(stream, libc::SO_PEERGROUPS, &mut groups)?;
    if let Err(needed) = told {
        // What a peer had when it connected does not change, so the second answer fits.
        groups.resize(needed, 0);
        told = socket_option(stream, libc::SO_PEERGROUPS, &mut groups)?;
    }
    groups.truncate(told.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?);
    Ok(groups)
}

/// Reads an option of a socket that is a list of `T` (getsockopt(2)): how many were written, or (`Err`) how many there are
/// if that is more than fits.
fn socket_option<T: Copy>(stream: &UnixStream, option: i32, into: &mut [T]) -> io::Result<Result<usize, usize>> {
    let mut octets = size_of_val(into) as libc::socklen_t;
    // SAFETY: `into` and `octets` are valid for writes, and `octets` is the size of `into`; both options used here are
    // made of integers, for which any octets are a value.
    let status = unsafe {
        let into = into.as_mut_ptr().cast();
        libc::getsockopt(stream.as_raw_fd(), libc::SOL_SOCKET, option, into, &raw mut octets)
    };
    let count = octets as usize / size_of::<T>();
    match status {
        0 => Ok(Ok(count)),
        _ => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ERANGE) => Ok(Err(count)),
            error => Err(error),
        },
    }
}

/// What to wait for on a descriptor, and what has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Watch {
    pub(crate) fd: i32,
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) ready: bool,
}

impl Watch {
    /// For something to read there.
    pub(crate) fn to_read(of: &impl AsRawFd) -> Watch {
        Watch { fd: of.as_raw_fd(), read: true, write: false, ready: false }
    }
}

/// Waits until one of the descriptors is ready or `timeout` has passed (poll(2)). A signal ends the wait early.
///
/// What is watched for nothing is left out: poll(2) tells of a peer that has gone whatever it was asked, so that every wait
/// would end at once until somebody reads or writes there again.
pub(crate) fn wait(watches: &mut [Watch], timeout: Duration) {
    let mut fds: Vec<libc::pollfd> = watches
        .iter()
        .map(|w| {
            let events = if w.read { libc::POLLIN } else { 0 } | if w.write { libc::POLLOUT } else { 0 };
            libc::pollfd { fd: if events == 0 { -1 } else { w.fd }, events, revents: 0 }
        })
        .collect();
    // Whoever waits for a moment is not to wake up just before it.
    let timeout_ms = i32::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
    // SAFETY: the pointer and the count describe `fds`.
    let ready = unsafe { libc::poll(fds.as_mut_ptr(), fds.len() as libc::nfds_t, timeout_ms) };
    for (watch, fd) in watches.iter_mut().zip(&fds) {
        watch.ready = ready > 0 && fd.revents != 0;
    }
}

/// Lets this thread's sleeps end when they should instead of up to 50 µs later (`PR_SET_TIMERSLACK`, prctl(2)).
pub(crate) fn sleep_precisely() {
    // SAFETY: this option takes one integer and touches no memory.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_000_u64) };
}

/// Lets this process open as many descriptors as it may at most (setrlimit(2)): a TAP takes two, and the usual limit
/// is 1,024. Where that is refused, opening too many says so.
pub(crate) fn open_as_many_as_allowed() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is valid for writes, and for reads afterwards.
    unsafe {
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
        }
    }
}

/// The user this process runs as.
pub(crate) fn user_id() -> u32 {
    // SAFETY: geteuid has no preconditions and cannot fail.
    unsafe { libc::geteuid() }
}

/// The CPUs this process may use, lowest first (sched_getaffinity(2)).
pub(crate) fn allowed_cpus() -> Vec<usize> {
    // SAFETY: an all-zero cpu_set_t is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer and the size describe `set`; pid 0 is this thread.
    let status = unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) };
    if status != 0 {
        return Vec::new();
    }
    // SAFETY: CPU_ISSET reads within the set for numbers below CPU_SETSIZE.
    (0..libc::CPU_SETSIZE as usize).filter(|&cpu| unsafe { libc::CPU_ISSET(cpu, &set) }).collect()
}

/// Binds this thread, and those it will start, to these CPUs (sched_setaffinity(2)).
pub(crate) fn bind_to(cpus: &[usize]) -> io::Result<()> {
    if cpus.iter().any(|&cpu| cpu >= libc::CPU_SETSIZE as usize) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: an all-zero cpu_set_t is the empty set, and each `cpu` is below CPU_SETSIZE.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        cpus.iter().for_each(|&cpu| libc::CPU_SET(cpu, &mut set));
        set
    };
    // SAFETY: the pointer and the size describe `set`; pid 0 is this thread.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// The number of the user with that name; `None` where there is none (getpwnam_r(3)).
pub(crate) fn user_named(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    let mut buffer = [0; 4096];
    // SAFETY: an all-zero passwd is one of null pointers and zeroes, which nobody reads unless the call fills it.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the length is the buffer's.
    let status =
        unsafe { libc::getpwnam_r(name.as_ptr(), &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found) };
    (status == 0 && !found.is_null()).then_some(entry.pw_uid)
}

/// The number of the group with that name; `None` where there is none (getgrnam_r(3)).
pub(crate) fn group_named(name: &str) -> Option<u32> {
    let name = std::ffi::CString::new(name).ok()?;
    // The entry lists the group's members, who may be many.
    let mut buffer = vec![0; 1 << 20];
    // SAFETY: an all-zero group is one of null pointers and zeroes, which nobody reads unless the call fills it.
    let mut entry: libc::group = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: all pointers are valid for the call, and the length is the buffer's.
    let status =
        unsafe { libc::getgrnam_r(name.as_ptr(), &raw mut entry, buffer.as_mut_ptr(), buffer.len(), &raw mut found) };
    (status == 0 && !found.is_null()).then_some(entry.gr_gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_says_who_is_at_the_other_end() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let peer = peer_credentials(&ours).unwrap();
        assert_eq!((peer.pid, peer.uid), (std::process::id() as i32, user_id()));
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap();
        let expected: Vec<u32> = groups.split_whitespace().map(|group| group.parse().unwrap()).collect();
        assert_eq!(peer_groups(&ours).unwrap(), expected);
    }

    #[test]
    fn groups_that_do_not_fit_say_how_many_they_are() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let count = peer_groups(&ours).unwrap().len();
        let mut none: [libc::gid_t; 0] = [];
        let told = socket_option(&ours, libc::SO_PEERGROUPS, &mut none).unwrap();
        assert_eq!(told, if count == 0 { Ok(0) } else { Err(count) });
    }

    #[test]
    fn a_peer_that_has_gone_ends_no_wait_unless_somebody_watches_it() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let waited = |read| {
            let mut watches = [Watch { fd: ours.as_raw_fd(), read, write: false, ready: false }];
            let start = std::time::Instant::now();
            wait(&mut watches, Duration::from_millis(50));
            (watches[0].ready, start.elapsed() >= Duration::from_millis(50))
        };
        assert_eq!((waited(true).0, waited(false)), (true, (false, true)));
    }

    #[test]
    fn users_and_groups_are_found_by_name() {
        assert_eq!((user_named("root"), group_named("root")), (Some(0), Some(0)));
        assert_eq!((user_named("no such user"), group_named("no\0group")), (None, None));
    }
}
