//! A network namespace by name or by path, and doing something inside it.

use std::{
    fmt,
    fs::{File, OpenOptions},
    io,
    os::{fd::AsFd, unix::fs::OpenOptionsExt},
    path::PathBuf,
    str::FromStr,
    thread,
};

use crate::{Place, TapError, kernel};

/// Where `ip netns add` puts its names.
const NAMED_DIR: &str = "/run/netns";

/// A network namespace: a name as `ip netns` knows it, or an absolute path such as `/proc/4711/ns/net`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Netns(String);

impl Netns {
    /// A namespace of that name (below `/run/netns`) or, where it starts with `/`, at that path. That it exists is not
    /// checked here. The path of a name is the name.
    pub fn new(name: &str) -> Result<Netns, TapError> {
        let below = name.strip_prefix(NAMED_DIR).and_then(|rest| rest.strip_prefix('/'));
        let name = below.filter(|rest| !matches!(*rest, "" | "." | "..") && !rest.contains('/')).unwrap_or(name);
        let wrong = |why| Err(TapError::NetnsName { name: name.to_owned(), why });
        if name.is_empty() {
            return wrong("is empty: give a name of `ip netns`, or an absolute path");
        }
        if name.contains(|c: char| c.is_control()) {
            return wrong("contains a control character");
        }
        if !name.starts_with('/') && (name.contains('/') || name == "." || name == "..") {
            return wrong("is neither a name of `ip netns` nor an absolute path");
        }
        Ok(Netns(name.to_owned()))
    }

    /// The file that stands for the namespace.
    pub fn path(&self) -> PathBuf {
        PathBuf::from(NAMED_DIR).join(&self.0) // an absolute path replaces the directory
    }

    /// Whether it was given as a path.
    pub(crate) fn is_path(&self) -> bool {
        self.0.starts_with('/')
    }

    fn missing(&self, place: &Place) -> TapError {
        let hint = if self.is_path() {
            "is the process it belongs to still running?".to_owned()
        } else {
            format!("create it with `ip netns add {}`", self.0)
        };
        TapError::NoNetns { place: place.clone(), path: self.path().display().to_string(), hint }
    }

    fn open(&self, place: &Place) -> Result<File, TapError> {
        // Not blocking: a path to a FIFO would otherwise hang the switch.
        let opened = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(self.path());
        opened.map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => self.missing(place),
            _ => TapError::system(place, "opening the network namespace", source),
        })
    }

    /// Runs `work` inside the namespace, on a thread of its own: a thread that once entered a namespace stays there.
    pub(crate) fn run<T: Send>(
        &self,
        place: &Place,
        work: impl FnOnce() -> Result<T, TapError> + Send,
    ) -> Result<T, TapError> {
        let file = self.open(place)?;
        let inside = || {
            kernel::enter_netns(file.as_fd()).map_err(|source| self.not_entered(place, source))?;
            work()
        };
        thread::scope(|scope| {
            let spawned = thread::Builder::new().name("tap-open".to_owned()).spawn_scoped(scope, inside);
            let thread = spawned.map_err(|source| TapError::system(place, "starting a thread", source))?;
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    fn not_entered(&self, place: &Place, source: io::Error) -> TapError {
        match source.raw_os_error() {
            // `ip netns add` interrupted half way leaves an ordinary empty file.
            Some(libc::EINVAL) => {
                TapError::NotNetns { place: place.clone(), path: self.path().display().to_string(), source }
            }
            _ => TapError::system(place, "entering the network namespace", source),
        }
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Netns {
    type Err = TapError;

    fn from_str(name: &str) -> Result<Netns, TapError> {
        Netns::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_lives_under_run_netns_and_a_path_is_taken_as_it_is() {
        assert_eq!(Netns::new("blue").unwrap().path(), PathBuf::from("/run/netns/blue"));
        assert_eq!(Netns::new("/proc/1/ns/net").unwrap().path(), PathBuf::from("/proc/1/ns/net"));
    }

    #[test]
    fn the_path_of_a_name_is_the_name() {
        assert_eq!(Netns::new("/run/netns/blue").unwrap(), Netns::new("blue").unwrap());
        for path in ["/run/netns/", "/run/netns/..", "/run/netns/a/b", "/run/netnsblue"] {
            assert_eq!(Netns::new(path).unwrap().to_string(), path);
        }
    }

    #[test]
    fn a_name_that_would_leave_its_directory_is_refused() {
        for bad in ["", ".", "..", "../etc/passwd", "a/b", "a\0b", "a\nb"] {
            assert!(matches!(Netns::new(bad), Err(TapError::NetnsName { .. })), "{bad:?} was accepted");
        }
    }
}
