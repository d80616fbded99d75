//! A VF's PF, by sysfs: what its administrator has to be asked.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Where the kernel shows PCI devices.
const DEVICES: &str = "/sys/bus/pci/devices";

/// A VF as the PF's administrator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VirtualFunction {
    /// The PF's interface, or its PCI address where it has none.
    pub(crate) pf: String,
    pub(crate) number: u32,
}

impl VirtualFunction {
    /// The VF with that PCI address; `None` where it is no VF, or its PF is not in this machine (but the host's).
    pub(crate) fn at(address: &str) -> Option<VirtualFunction> {
        VirtualFunction::below(Path::new(DEVICES), address)
    }

    fn below(devices: &Path, address: &str) -> Option<VirtualFunction> {
        let pf = fs::canonicalize(devices.join(address).join("physfn")).ok()?;
        let number = number(&pf, address)?;
        let interface = fs::read_dir(pf.join("net")).ok().and_then(|mut names| names.next()?.ok());
        let name = interface.map(|entry| entry.file_name()).or(pf.file_name().map(ToOwned::to_owned))?;
        Some(VirtualFunction { pf: name.to_string_lossy().into_owned(), number })
    }

    /// The command that lets the VF receive what it wants.
    pub(crate) fn trust_command(&self) -> String {
        let VirtualFunction { pf, number } = self;
        format!("`scripts/bind set {pf} {number} --trust on --apply` (ip link set {pf} vf {number} trust on)")
    }
}

/// The VF's number: the PF has a link `virtfnN` to each of its VFs.
fn number(pf: &Path, address: &str) -> Option<u32> {
    let links = fs::read_dir(pf).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    links.filter(|path| leads_to(path, address)).find_map(|path| {
        let name = path.file_name()?.to_str()?.strip_prefix("virtfn")?;
        name.parse().ok()
    })
}

fn leads_to(link: &PathBuf, address: &str) -> bool {
    fs::read_link(link).is_ok_and(|target| target.file_name().is_some_and(|name| name == address))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A planted sysfs, removed at the end of the test.
    struct Tree(PathBuf);

    impl Tree {
        fn new(name: &str) -> Tree {
            let root = std::env::temp_dir().join(format!("millrace-vf-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("0000:3b:00.0/net/ens1f0")).unwrap();
            for (number, vf) in ["0000:3b:02.0", "0000:3b:02.1"].into_iter().enumerate() {
                fs::create_dir_all(root.join(vf)).unwrap();
                symlink("../0000:3b:00.0", root.join(vf).join("physfn")).unwrap();
                symlink(format!("../{vf}"), root.join(format!("0000:3b:00.0/virtfn{number}"))).unwrap();
            }
            Tree(root)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_vf_is_named_by_its_pf_and_number() {
        let tree = Tree::new("named");
        let vf = VirtualFunction::below(&tree.0, "0000:3b:02.1").unwrap();
        assert_eq!(vf, VirtualFunction { pf: "ens1f0".into(), number: 1 });
        assert!(vf.trust_command().contains("ip link set ens1f0 vf 1 trust on"), "{}", vf.trust_command());
        assert_eq!(VirtualFunction::below(&tree.0, "0000:3b:00.0"), None, "a PF is no VF");
        assert_eq!(VirtualFunction::below(&tree.0, "0000:99:00.0"), None, "nothing is there");
    }

    #[test]
    fn a_pf_without_an_interface_is_named_by_its_address() {
        let tree = Tree::new("bare");
        fs::remove_dir_all(tree.0.join("0000:3b:00.0/net")).unwrap();
        assert_eq!(VirtualFunction::below(&tree.0, "0000:3b:02.0").unwrap().pf, "0000:3b:00.0");
    }
}
