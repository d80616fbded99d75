//! A folder for captures, configurations and sockets, removed when it is done with.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

/// A folder of this process's own.
#[derive(Debug)]
pub(crate) struct Folder(PathBuf);

/// A name that no other process uses, nor this one again.
pub(crate) fn own_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{}{}", own_prefix(), NEXT.fetch_add(1, Relaxed))
}

/// Whether something has its name from this process: from [`own_name`], or as the run directory of a switch that is called after us.
pub(crate) fn is_own_name(name: &str) -> bool {
    name.starts_with(&own_prefix())
}

fn own_prefix() -> String {
    format!("millrace-perf-{}-", process::id())
}

impl Folder {
    pub(crate) fn create() -> io::Result<Folder> {
        let path = std::env::temp_dir().join(own_name());
        fs::create_dir(&path)?;
        Ok(Folder(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_goes_with_what_is_in_it() {
        let folder = Folder::create().unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("file"), "x").unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
