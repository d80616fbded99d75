//! Network namespaces, by name or by path.

use std::{fmt, path::Path, str::FromStr};

use serde::{Serialize, Serializer};

/// Where `ip netns` keeps the names.
const RUN_NETNS: &str = "/run/netns/";

/// Octets a path may have (`PATH_MAX` less one).
const PATH_OCTETS_MAX: usize = 4095;

/// A network namespace: `pod-a1` is `/run/netns/pod-a1`; anything else is an absolute path such as `/proc/42/ns/net`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Netns(Box<str>);

/// Why a text is no [`Netns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a network namespace is a name under /run/netns, or an absolute path")]
pub struct NotANetns;

impl Netns {
    /// The file that stands for the namespace.
    pub fn path(&self) -> &Path {
        Path::new(&*self.0)
    }
}

impl FromStr for Netns {
    type Err = NotANetns;

    fn from_str(text: &str) -> Result<Self, NotANetns> {
        let is_path = text.starts_with('/') && !text.ends_with('/');
        let is_name = !text.is_empty() && !text.contains('/') && text != "." && text != ".." && text.len() <= 255;
        if !(is_path || is_name) || text.contains(char::is_control) || text.len() > PATH_OCTETS_MAX {
            return Err(NotANetns);
        }
        // One namespace, one spelling: /var/run is a link to /run.
        let path = match text.strip_prefix("/var/run/") {
            Some(rest) => format!("/run/{rest}"),
            None if is_path => text.to_owned(),
            None => format!("{RUN_NETNS}{text}"),
        };
        Ok(Netns(path.into()))
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.strip_prefix(RUN_NETNS).unwrap_or(&self.0))
    }
}

impl Serialize for Netns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_has_one_spelling() {
        let named: Netns = "pod-a1".parse().unwrap();
        assert_eq!(named.path(), Path::new("/run/netns/pod-a1"));
        assert_eq!(named.to_string(), "pod-a1");
        assert_eq!("/var/run/netns/pod-a1".parse(), Ok(named.clone()));
        assert_eq!("/run/netns/pod-a1".parse(), Ok(named));
        assert_eq!("/proc/1/ns/net".parse::<Netns>().unwrap().to_string(), "/proc/1/ns/net");
    }

    #[test]
    fn what_is_no_namespace_is_refused() {
        for bad in ["", ".", "..", "a/b", "/", "/run/netns/", "a\nb", &"n".repeat(256)] {
            assert_eq!(bad.parse::<Netns>(), Err(NotANetns), "{bad:?}");
        }
    }
}
