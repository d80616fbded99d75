//! What cargo knows of the workspace: rooms, their arrows, their crate roots.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    path::PathBuf,
};

use cargo_metadata::{DependencyKind, MetadataCommand, Package, TargetKind};

/// Room → the rooms it depends on.
pub(crate) type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The workspace around the current directory.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) arrows: Arrows,
    /// `lib.rs` and `main.rs` of every room, relative to the root.
    pub(crate) crate_roots: Vec<String>,
}

impl Workspace {
    /// Asks cargo; needs no network and builds nothing.
    pub(crate) fn load() -> Result<Workspace, Box<dyn Error>> {
        let metadata = MetadataCommand::new().no_deps().exec()?;
        let packages: Vec<_> = metadata.workspace_packages();
        let names: BTreeSet<&str> = packages.iter().map(|package| package.name.as_str()).collect();
        let root = metadata.workspace_root.clone().into_std_path_buf();

        let mut crate_roots = Vec::new();
        for target in packages.iter().flat_map(|package| &package.targets) {
            if target.kind.iter().any(|kind| matches!(kind, TargetKind::Lib | TargetKind::Bin)) {
                crate_roots.push(target.src_path.strip_prefix(&metadata.workspace_root)?.to_string());
            }
        }
        let arrows = packages.iter().map(|package| (room(&package.name), depends_on(package, &names))).collect();
        Ok(Workspace { root, arrows, crate_roots })
    }
}

/// The room of a package: the root package is the daemon's.
fn room(package: &str) -> String {
    match package {
        "millrace" => "daemon",
        other => other.strip_prefix("millrace-").unwrap_or(other),
    }
    .to_owned()
}

/// The rooms a package is built on. What its tests and its build script use is not an arrow.
fn depends_on(package: &Package, members: &BTreeSet<&str>) -> BTreeSet<String> {
    let normal = package.dependencies.iter().filter(|dependency| dependency.kind == DependencyKind::Normal);
    normal.filter(|dependency| members.contains(dependency.name.as_str())).map(|d| room(&d.name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_workspace_has_the_rooms_and_arrows_it_is_known_for() {
        let workspace = Workspace::load().unwrap();
        assert!(workspace.arrows["tap"].contains("frame"));
        assert!(workspace.arrows["daemon"].contains("dpdk"));
        assert!(workspace.arrows["wire"].is_empty());
        assert!(workspace.crate_roots.iter().any(|root| root == "vswitch/daemon/main.rs"));
    }

    #[test]
    fn a_room_is_its_package_without_the_products_name() {
        assert_eq!(["millrace", "millrace-wire", "dpdk-sys"].map(room), ["daemon", "wire", "dpdk-sys"]);
    }
}
