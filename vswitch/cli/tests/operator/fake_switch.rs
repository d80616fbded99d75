//! A switch made of canned lines: a thread that listens on a Unix socket in a directory of its own.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use api::{Hello, Reply, Request, RpcError, RpcRequest, RpcResponse};

/// A directory that goes when it is dropped.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Directory {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("millrace-cli-{}-{number}", std::process::id()));
        fs::create_dir(&path).expect("a directory of that name cannot be there already");
        Directory(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("it is below ours")).expect("the directory is ours");
        fs::write(path, text).expect("the directory is ours");
        self.path(name).display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The listening switch. Its thread ends with the test process.
pub(crate) struct FakeSwitch {
    directory: Directory,
    asked: Arc<Mutex<Vec<Request>>>,
}

impl FakeSwitch {
    /// A well-behaved switch called `node-a` that answers by `answer`.
    pub(crate) fn answering(answer: impl Fn(&Request) -> Result<Reply, RpcError> + Send + 'static) -> FakeSwitch {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        FakeSwitch::with(asked, move |mut stream| {
            let _ = stream.write_all(Hello::new("9.8.7", "node-a").encode().as_bytes());
            for line in BufReader::new(stream.try_clone().expect("a socket can be cloned")).lines() {
                let Ok(line) = line else { return };
                let request = RpcRequest::decode(line.as_bytes()).expect("the client speaks the api's words");
                seen.lock().expect("no test thread panics with it").push(request.request.clone());
                let response = RpcResponse { id: Some(request.id), outcome: answer(&request.request) };
                let _ = stream.write_all(response.encode().as_bytes());
            }
        })
    }

    /// A switch that does with each connection whatever `serve` does.
    pub(crate) fn serving(serve: impl Fn(UnixStream) + Send + 'static) -> FakeSwitch {
        FakeSwitch::with(Arc::default(), serve)
    }

    fn with(asked: Arc<Mutex<Vec<Request>>>, serve: impl Fn(UnixStream) + Send + 'static) -> FakeSwitch {
        let directory = Directory::new();
        let listener = UnixListener::bind(directory.path("node-a.sock")).expect("the directory is ours");
        thread::spawn(move || listener.incoming().flatten().for_each(serve));
        FakeSwitch { directory, asked }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path("node-a.sock")
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Request> {
        self.asked.lock().expect("no test thread panics with it").clone()
    }

    /// Runs `millrace` with this switch's socket.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        run_on(&self.socket(), arguments)
    }
}

/// How `millrace` ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Ran {
        Ran {
            code: output.status.code().expect("no signal ends it"),
            out: String::from_utf8(output.stdout).expect("it prints text"),
            err: String::from_utf8(output.stderr).expect("it prints text"),
        }
    }
}

impl Ran {
    /// Lines of the answer, blanks squeezed.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }
}

/// `millrace`, in an environment that says nothing about sockets.
pub(crate) fn millrace() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millrace"));
    command.env_remove("MILLRACE_SOCKET").stdin(Stdio::null());
    command
}

/// Runs it with these arguments alone.
pub(crate) fn run(arguments: &[&str]) -> Ran {
    millrace().args(arguments).output().expect("it was built").into()
}

/// Runs it with a socket.
pub(crate) fn run_on(socket: &Path, arguments: &[&str]) -> Ran {
    millrace().arg("--socket").arg(socket).args(arguments).output().expect("it was built").into()
}
