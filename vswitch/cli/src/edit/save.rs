//! `--save`: the file is written where it is what ran before the edit, in one go, with its mode and owner. Whether that is
//! possible is found out before the edit.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use crate::failure::Failure;

/// How often a folder that somebody else holds is asked for.
const PAUSE: Duration = Duration::from_millis(10);

/// A file that is to be written, and the hold on its folder: of several `--save` at one time one writes after the other.
pub(super) struct Slot {
    path: PathBuf,
    /// It need not be there.
    may_be_new: bool,
    /// Locked as long as it is open.
    folder: File,
}

/// A file beside the one it is to replace, with that one's owner and mode; removed unless it did.
struct Beside {
    path: PathBuf,
    file: File,
}

/// Where to save: what the operator says, else where the running configuration came from.
pub(super) fn path(wanted: Option<&Path>, running: &str) -> Result<PathBuf, Failure> {
    let path = wanted.unwrap_or(Path::new(running));
    if wanted.is_none() && !path.is_absolute() {
        let from = if running.is_empty() { "no file" } else { running };
        return Err(Failure::Edit(format!(
            "the running configuration came from {from}, so it is not known where to save it: --save=FILE says where"
        )));
    }
    let path = std::path::absolute(path).map_err(|error| unsaved(path, "find", &error))?;
    // A link stays one: what it leads to is written.
    Ok(fs::canonicalize(&path).unwrap_or(path))
}

impl Slot {
    /// Waits for the file's folder. Errors: no such folder, no permission, somebody holds it beyond the deadline.
    pub(super) fn hold(path: PathBuf, may_be_new: bool, deadline: Instant) -> Result<Slot, Failure> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let folder = File::open(parent).map_err(|error| unsaved(&path, "open the folder of", &error))?;
        loop {
            match folder.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    let text = format!("another --save into {} does not end; nothing was applied", parent.display());
                    return Err(Failure::Edit(text));
                }
                Err(TryLockError::Error(error)) => return Err(unsaved(&path, "hold the folder of", &error)),
            }
        }
        // Whoever may not write here should hear of it now, and not when the change is in force.
        Beside::of(&path).map_err(|error| unsaved(&path, "write", &error))?;
        Ok(Slot { path, may_be_new, folder })
    }

    /// Whether this is the slot of that file.
    pub(super) fn is_of(&self, path: &Path) -> bool {
        self.path == path
    }

    /// Objects to a file that is not what runs.
    pub(super) fn compare(&self, running: &str) -> Result<(), Failure> {
        let text = match read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.may_be_new => return Ok(()),
            Err(error) => return Err(unsaved(&self.path, "read", &error)),
        };
        let Some(place) = difference(&text, running) else { return Ok(()) };
        Err(Failure::Edit(format!(
            "{path} is not what runs: {place}; nothing was applied. `millrace apply {path} --dry-run` shows what it would \
             change, `millrace show config` prints what runs",
            path = self.path.display()
        )))
    }

    /// Writes `after` where `before` stands, and gives the path.
    pub(super) fn write(self, before: &str, after: &str) -> Result<PathBuf, Failure> {
        let applied = |failure: Failure| {
            let text = failure.to_string().replace("; nothing was applied", "");
            Failure::Edit(format!("the change is in force, but not saved: {text}"))
        };
        self.compare(before).map_err(applied)?;
        self.replace(after).map_err(|error| applied(unsaved(&self.path, "write", &error)))?;
        Ok(self.path)
    }

    /// Puts the new file in the place of the old one: whoever reads it, or a crash, meets the one or the other.
    fn replace(&self, text: &str) -> io::Result<()> {
        let mut new = Beside::of(&self.path)?;
        new.file.write_all(text.as_bytes())?;
        new.file.sync_all()?;
        fs::rename(&new.path, &self.path)?;
        self.folder.sync_all()
    }
}

impl Beside {
    fn of(path: &Path) -> io::Result<Beside> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.millrace-{}", std::process::id()));
        let old = fs::metadata(path).ok();
        let mode = if old.is_some() { 0o600 } else { 0o644 };
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&beside)?;
        let new = Beside { path: beside, file };
        if let Some(old) = old {
            take_after(&new.file, &old)?;
        }
        Ok(new)
    }
}

/// Where it has taken the place of the other, nothing is there any more.
impl Drop for Beside {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The text of a file. What is none (a device, a pipe) would have no end.
fn read(path: &Path) -> io::Result<String> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no ordinary file"));
    }
    let mut text = String::new();
    File::open(path)?.take(api::LINE_MAX as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// Gives a new file the owner and the mode of the old one.
fn take_after(new: &File, old: &fs::Metadata) -> io::Result<()> {
    let own = new.metadata()?;
    if (own.uid(), own.gid()) != (old.uid(), old.gid()) {
        fchown(new, Some(old.uid()), Some(old.gid()))?;
    }
    // After the owner: a change of owner takes bits away.
    new.set_permissions(fs::Permissions::from_mode(old.mode() & 0o7777))
}

/// The first place in which both texts differ.
fn difference(file: &str, running: &str) -> Option<String> {
    if file == running {
        return None;
    }
    let (mut ours, mut theirs) = (file.lines(), running.lines());
    for number in 1.. {
        match (ours.next(), theirs.next()) {
            (None, None) => break,
            (ours, theirs) if ours == theirs => {}
            (ours, theirs) => {
                let told = |line: Option<&str>| line.map_or_else(|| "nothing".to_owned(), |line| format!("`{line}`"));
                return Some(format!("line {number} of the file says {}, the switch {}", told(ours), told(theirs)));
            }
        }
    }
    Some("their lines end differently".to_owned())
}

fn unsaved(path: &Path, verb: &str, error: &io::Error) -> Failure {
    Failure::Edit(format!("cannot {verb} {}: {error}; nothing was applied", path.display()))
}
