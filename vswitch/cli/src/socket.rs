//! Which control socket is meant.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Where switches put their control sockets unless told otherwise.
pub(crate) const DIRECTORY: &str = "/run/millrace";

/// What the operator said about the switch to talk to; the first that is there counts.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    /// `--socket`.
    pub(crate) socket: Option<PathBuf>,
    /// `--switch`.
    pub(crate) switch: Option<String>,
    /// `MILLRACE_SOCKET`.
    pub(crate) environment: Option<PathBuf>,
}

/// A switch name from the command line; it becomes part of a path.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !text.is_empty() && text.len() <= 32 && text.chars().all(legal) {
        true => Ok(text.to_owned()),
        false => Err("a switch name is 1 to 32 of a-z, 0-9 and -".to_owned()),
    }
}

/// The path of the socket that is meant; `directory` is [`DIRECTORY`] outside tests.
pub(crate) fn find(wanted: Wanted, directory: &Path) -> Result<PathBuf, Failure> {
    if let Some(path) = wanted.socket {
        return Ok(path);
    }
    if let Some(name) = wanted.switch {
        return named(&name, directory);
    }
    if let Some(path) = wanted.environment {
        return Ok(path);
    }
    let mut names = names_in(directory).map_err(|error| unreadable(directory, &error))?;
    match (names.pop(), names.is_empty()) {
        (None, _) => Err(Failure::NoSwitch(format!(
            "no switch runs here: there is no socket in {}; is millraced running? (--socket PATH if it listens elsewhere)",
            directory.display()
        ))),
        (Some(name), true) => Ok(path_of(&name, directory)),
        (Some(name), false) => {
            names.push(name);
            let names = names.join(", ");
            Err(Failure::Ambiguous(format!(
                "several switches have sockets here: {names}; say which with --switch NAME"
            )))
        }
    }
}

fn named(name: &str, directory: &Path) -> Result<PathBuf, Failure> {
    let path = path_of(name, directory);
    // Whether it can be opened is the connection's matter; here only a wrong name is told apart.
    let others = names_in(directory).unwrap_or_default();
    if path.exists() || others.is_empty() {
        return Ok(path);
    }
    let others = others.join(", ");
    Err(Failure::NoSwitch(format!("no switch `{name}` at {}; there is: {others}", path.display())))
}

fn path_of(name: &str, directory: &Path) -> PathBuf {
    directory.join(format!("{name}.sock"))
}

/// Names of the sockets in a directory, sorted; none where there is no such directory.
fn names_in(directory: &Path) -> io::Result<Vec<String>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new("sock")) {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn unreadable(directory: &Path, error: &io::Error) -> Failure {
    let directory = directory.display();
    Failure::NoSwitch(match error.kind() {
        io::ErrorKind::PermissionDenied => format!(
            "you may not look into {directory}: only the users and groups named in [switch] may use a switch; try sudo"
        ),
        _ => format!("cannot look into {directory}: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn with(names: &[&str]) -> Directory {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let path = std::env::temp_dir().join(format!("millrace-socket-{}-{number}", std::process::id()));
            fs::create_dir(&path).unwrap();
            names.iter().for_each(|name| fs::write(path.join(name), "").unwrap());
            Directory(path)
        }

        fn find(&self, wanted: Wanted) -> Result<String, String> {
            let relative = |path: PathBuf| path.strip_prefix(&self.0).unwrap_or(&path).display().to_string();
            find(wanted, &self.0).map(relative).map_err(|failure| failure.to_string())
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_only_socket_is_meant() {
        let directory = Directory::with(&["node-a.sock", "node-a.pid"]);
        assert_eq!(directory.find(Wanted::default()).unwrap(), "node-a.sock");
    }

    #[test]
    fn several_sockets_are_listed_and_the_operator_chooses() {
        let directory = Directory::with(&["node-b.sock", "node-a.sock"]);
        let told = directory.find(Wanted::default()).unwrap_err();
        assert_eq!(told, "several switches have sockets here: node-a, node-b; say which with --switch NAME");
        let wanted = Wanted { switch: Some("node-b".into()), ..Wanted::default() };
        assert_eq!(directory.find(wanted).unwrap(), "node-b.sock");
    }

    #[test]
    fn a_wrong_name_gets_the_list_of_right_ones() {
        let directory = Directory::with(&["node-a.sock"]);
        let told = directory.find(Wanted { switch: Some("nod-a".into()), ..Wanted::default() }).unwrap_err();
        assert!(told.starts_with("no switch `nod-a` at ") && told.ends_with("; there is: node-a"), "{told}");
    }

    #[test]
    fn no_socket_and_no_directory_ask_whether_the_daemon_runs() {
        let directory = Directory::with(&[]);
        assert!(directory.find(Wanted::default()).unwrap_err().contains("is millraced running?"));
        let told = find(Wanted::default(), &directory.0.join("missing")).unwrap_err().to_string();
        assert!(told.contains("is millraced running?"), "{told}");
    }

    #[test]
    fn what_is_typed_counts_more_than_the_environment() {
        let directory = Directory::with(&["node-a.sock"]);
        let environment = Some(PathBuf::from("/env.sock"));
        let wanted = |socket: Option<&str>, switch: Option<&str>| Wanted {
            socket: socket.map(PathBuf::from),
            switch: switch.map(str::to_owned),
            environment: environment.clone(),
        };
        assert_eq!(directory.find(wanted(Some("/s.sock"), None)).unwrap(), "/s.sock");
        assert_eq!(directory.find(wanted(None, Some("node-a"))).unwrap(), "node-a.sock");
        assert_eq!(directory.find(wanted(None, None)).unwrap(), "/env.sock");
    }
}
