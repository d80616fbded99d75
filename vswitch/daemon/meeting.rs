//! Where the switch and its guests meet: the folder of a vhost-user port's socket, and who may be at its other end.
//!
//! Who can put a socket where the switch looks for one can be the guest, and who can put one where the guest looks for the
//! switch's has the guest's memory. So the folders are looked at before any socket is.

use std::{
    fs::{self, DirBuilder, Metadata, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, lchown},
    path::Path,
};

use control::config::{self, SocketFolder, SocketMode};
use vhost::SocketAccess;

use crate::{access, os};

/// Mode of the switch's own folder: anybody may pass through it to a socket, whose own mode says who may connect.
const CLOSED: u32 = 0o751;
/// The same where a group makes sockets there: nobody removes another's.
const SHARED: u32 = 0o1771;
/// Everybody may write.
const OPEN: u32 = 0o002;
/// Only what is one's own can be removed.
const STICKY: u32 = 0o1000;

/// Sees to the folder of a port's socket, and says by number who may be at its other end. The error is a sentence for the
/// operator.
pub(crate) fn prepare(socket: &Path, mode: SocketMode, access: &config::SocketAccess) -> Result<SocketAccess, String> {
    let missing = |who: String| format!("there is no {who} on this machine");
    let owner = access.owner.as_ref().map(access::uid).transpose().map_err(missing)?.map(|(uid, _)| uid);
    let group = access.group.as_ref().map(access::gid).transpose().map_err(missing)?.map(|(gid, _)| gid);
    match &access.folder {
        Some(folder) => own(folder)?,
        None => foreign(socket, mode == SocketMode::Server || owner.is_some())?,
    }
    Ok(SocketAccess { owner, group, mode: access.permissions })
}

/// Makes the switch's own folder, or finds it as it should be.
fn own(folder: &SocketFolder) -> Result<(), String> {
    let path = folder.path.as_path();
    let failed = |doing: &str, error: io::Error| format!("vhost_dir {}: cannot {doing}: {error}", path.display());
    let group = match &folder.group {
        Some(group) => {
            Some(access::gid(group).map_err(|who| format!("vhost_group: there is no {who} on this machine"))?.0)
        }
        None => None,
    };
    let parent = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(parent)
        .map_err(|error| failed("make the folder above", error))?;
    let is_new = match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => true,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
        Err(error) => return Err(failed("make it", error)),
    };
    let found = fs::symlink_metadata(path).map_err(|error| failed("look at it", error))?;
    if let Some(wrong) = objection(&found, os::user_id()) {
        return Err(format!("vhost_dir {}: {wrong}", path.display()));
    }
    // What root has made is as root wants it.
    if found.uid() == os::user_id() && (is_new || group.is_some()) {
        let mode = if group.is_some() { SHARED } else { CLOSED };
        lchown(path, None, group).map_err(|error| failed("give it to `vhost_group`", error))?;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| failed("set its mode", error))?;
    }
    Ok(())
}

/// What is wrong with a folder that is to be the own one of a switch that `user` runs.
fn objection(found: &Metadata, user: u32) -> Option<String> {
    if !found.is_dir() {
        return Some("this is no folder; remove it, or choose another one".to_owned());
    }
    if found.uid() != 0 && found.uid() != user {
        let owner = found.uid();
        return Some(format!("it belongs to uid {owner}, who could be any guest; remove it, or choose another one"));
    }
    let is_open = found.mode() & OPEN != 0;
    is_open.then(|| "everybody may write to it, and be any guest; chmod o-w it, or choose another one".to_owned())
}

/// The folder of a socket with a path of its own is the operator's: it must not be everybody's. One in which nobody removes
/// what is another's will do where that is `enough`.
fn foreign(socket: &Path, enough: bool) -> Result<(), String> {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    // The guest may make it later.
    let Ok(found) = fs::metadata(folder) else { return Ok(()) };
    let folder = folder.display();
    match found.mode() & (OPEN | STICKY) {
        OPEN => Err(format!(
            "{folder}: everybody may write to this folder, and be the guest; chmod o-w it, or choose another"
        )),
        mode if mode == OPEN | STICKY && !enough => Err(format!(
            "{folder}: everybody may make a socket in this folder, and be the guest; name the guest's user by \
             `socket_owner`, or choose another folder"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, path::PathBuf};

    use config::{Group, User};

    use super::*;

    /// A folder that goes when it is dropped.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(test: &str) -> Scratch {
            let path = std::env::temp_dir().join(format!("millrace-meeting-{test}-{}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Scratch(path)
        }

        fn mode(&self, name: &str, mode: u32) -> PathBuf {
            let path = self.0.join(name);
            fs::create_dir_all(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn made(path: PathBuf, group: Option<Group>) -> Result<u32, String> {
        own(&SocketFolder { path: path.clone(), group })?;
        Ok(fs::metadata(path).unwrap().mode() & 0o7777)
    }

    fn access(owner: Option<User>) -> config::SocketAccess {
        config::SocketAccess { folder: None, owner, group: None, permissions: 0o600 }
    }

    #[test]
    fn the_own_folder_is_made_and_found_again() {
        let scratch = Scratch::new("made");
        let path = scratch.0.join("a/b.vhost");
        assert_eq!(made(path.clone(), None), Ok(0o751));
        let gid = fs::metadata(&path).unwrap().gid();
        assert_eq!(made(path.clone(), Some(Group::Gid(gid))), Ok(0o1771), "a group that is named later");
        assert_eq!(made(path, None), Ok(0o1771), "what is there stays");
    }

    #[test]
    fn a_folder_that_is_not_ours_alone_is_refused_by_name() {
        let scratch = Scratch::new("refused");
        let told = |path: PathBuf| made(path, None).unwrap_err();
        assert!(told(scratch.mode("open", 0o777)).contains("open: everybody may write to it"));
        assert!(told(scratch.mode("sticky", 0o1777)).contains("everybody may write to it"));
        File::create(scratch.0.join("file")).unwrap();
        assert!(told(scratch.0.join("file")).contains("this is no folder"));
        std::os::unix::fs::symlink(scratch.mode("good", 0o755), scratch.0.join("link")).unwrap();
        assert!(told(scratch.0.join("link")).contains("this is no folder"));
        let found = fs::metadata(scratch.mode("good", 0o755)).unwrap();
        if found.uid() != 0 {
            let wrong = objection(&found, found.uid() + 1).unwrap();
            assert!(wrong.contains(&format!("belongs to uid {}", found.uid())), "{wrong}");
        }
    }

    #[test]
    fn a_path_of_its_own_must_not_lead_to_everybodys_folder() {
        let scratch = Scratch::new("foreign");
        let prepared = |mode, name: &str, server, owner| {
            let server = if server { SocketMode::Server } else { SocketMode::Client };
            prepare(&scratch.mode(name, mode).join("s"), server, &access(owner)).map(|access| access.owner)
        };
        assert!(prepared(0o777, "open", true, None).unwrap_err().contains("open: everybody may write"));
        assert!(prepared(0o1777, "tmp", false, None).unwrap_err().contains("`socket_owner`"));
        assert_eq!(prepared(0o1777, "tmp", false, Some(User::Uid(7))), Ok(Some(7)));
        assert_eq!(prepared(0o1777, "tmp", true, None), Ok(None));
        assert_eq!(prepared(0o770, "group", false, None), Ok(None));
        assert_eq!(prepare(Path::new("/no/such/folder/s"), SocketMode::Client, &access(None)).map(|_| ()), Ok(()));
    }

    #[test]
    fn who_is_not_on_this_machine_is_named() {
        let owner = Some(User::Named("no-such-user".to_owned()));
        let error = prepare(Path::new("/s"), SocketMode::Client, &access(owner)).unwrap_err();
        assert_eq!(error, "there is no user `no-such-user` on this machine");
    }
}
