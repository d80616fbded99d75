//! Which NUMA nodes CPUs are on, by sysfs.

use std::{collections::BTreeSet, fs, path::Path};

/// The nodes of `cpus`, each once; none where the kernel does not say.
pub(crate) fn nodes_of(cpus: impl IntoIterator<Item = usize>) -> Vec<u32> {
    let root = Path::new("/sys/devices/system/cpu");
    cpus.into_iter().filter_map(|cpu| node_below(root, cpu)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// A CPU's folder has a link named after its node.
fn node_below(root: &Path, cpu: usize) -> Option<u32> {
    let entries = fs::read_dir(root.join(format!("cpu{cpu}"))).ok()?;
    entries.flatten().find_map(|entry| entry.file_name().to_str()?.strip_prefix("node")?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_of_a_cpu_is_read_from_its_folder() {
        let root = std::env::temp_dir().join(format!("millrace-numa-{}", std::process::id()));
        fs::create_dir_all(root.join("cpu3/node1")).unwrap();
        fs::create_dir_all(root.join("cpu4/cache")).unwrap();
        let nodes = [3, 4, 5].map(|cpu| node_below(&root, cpu));
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(nodes, [Some(1), None, None]);
    }
}
