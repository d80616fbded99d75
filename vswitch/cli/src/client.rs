//! One connection to a switch.

use std::{
    io::{self, ErrorKind, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use api::{
    DecodeError, Hello, Id, LINE_MAX, REPLY_MAX, Reply, Request, RpcError, RpcRequest, RpcResponse, SCHEMA, UserRole,
};

use crate::failure::Failure;

/// Longest wait for an answer.
const ANSWER: Duration = Duration::from_secs(5);

/// Longest wait for a transaction.
const TRANSACTION: Duration = Duration::from_secs(60);

/// Longest hello line in octets.
const HELLO_MAX: usize = 4096;

/// A connection on which the switch has said hello in our schema.
#[derive(Debug)]
pub(crate) struct Client {
    path: PathBuf,
    stream: UnixStream,
    /// Received, but beyond the last line read.
    rest: Vec<u8>,
    hello: Hello,
    last_id: i64,
    timeout: Option<Duration>,
}

impl Client {
    /// Connects to the switch at `path`. Without a `timeout`, each request has its own default.
    pub(crate) fn connect(path: &Path, timeout: Option<Duration>) -> Result<Client, Failure> {
        let deadline = Instant::now() + timeout.unwrap_or(ANSWER);
        let stream = open(path, deadline).map_err(|error| unreachable(path, &error))?;
        Client::greeted(stream, path, deadline, timeout)
    }

    fn greeted(
        stream: UnixStream,
        path: &Path,
        deadline: Instant,
        timeout: Option<Duration>,
    ) -> Result<Client, Failure> {
        let hello = Hello::new("", "");
        let mut client = Client { path: path.to_owned(), stream, rest: Vec::new(), hello, last_id: 0, timeout };
        let line = client.read_line(deadline, HELLO_MAX)?;
        client.hello = Hello::decode(&line).map_err(|error| client.confused(&error))?;
        match client.hello.schema {
            SCHEMA => Ok(client),
            other => Err(client.lost(format!(
                "speaks schema {other} (version {}), this millrace {SCHEMA}: use the millrace that came with the switch",
                client.hello.version
            ))),
        }
    }

    /// The switch's name.
    pub(crate) fn switch(&self) -> &str {
        &self.hello.switch
    }

    /// What it lets us do; `None` where it does not say.
    pub(crate) fn role(&self) -> Option<UserRole> {
        self.hello.role
    }

    /// Where it listens.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks, and waits for the answer.
    pub(crate) fn call(&mut self, request: &Request) -> Result<Reply, Failure> {
        let patience = if matches!(request, Request::Apply { .. }) { TRANSACTION } else { ANSWER };
        let deadline = Instant::now() + self.timeout.unwrap_or(patience);
        self.last_id += 1;
        let line = RpcRequest::new(self.last_id, request.clone()).encode();
        if line.len() > LINE_MAX {
            return Err(Failure::Refused(RpcError::invalid_request(format!(
                "the request is too long: {} octets of at most {LINE_MAX}",
                line.len()
            ))));
        }
        self.send(line.as_bytes(), deadline)?;
        let line = self.read_line(deadline, REPLY_MAX)?;
        let response = RpcResponse::decode(&line, request).map_err(|error| self.confused(&error))?;
        match response.outcome {
            Ok(_) if response.id != Some(Id::Number(self.last_id)) => Err(self.confused(&DecodeError::NotAnswer)),
            Ok(reply) => Ok(reply),
            Err(error) => Err(Failure::Refused(error)),
        }
    }

    fn send(&mut self, mut octets: &[u8], deadline: Instant) -> Result<(), Failure> {
        while !octets.is_empty() {
            let written =
                self.stream.set_write_timeout(Some(left_until(deadline))).and_then(|()| self.stream.write(octets));
            match written {
                Ok(count) => octets = &octets[count..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // The switch has closed; what it said before may tell why.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                Err(error) => return Err(self.broken(&error)),
            }
            if Instant::now() >= deadline && !octets.is_empty() {
                return Err(self.broken(&ErrorKind::TimedOut.into()));
            }
        }
        Ok(())
    }

    /// The next line without its newline, at most `octets_max` long.
    fn read_line(&mut self, deadline: Instant, octets_max: usize) -> Result<Vec<u8>, Failure> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.rest[searched..].iter().position(|&octet| octet == b'\n') {
                let mut line: Vec<u8> = self.rest.drain(..=searched + end).collect();
                line.pop();
                return Ok(line);
            }
            searched = self.rest.len();
            if searched > octets_max {
                return Err(self.confused(&DecodeError::TooLong));
            }
            self.receive(deadline)?;
        }
    }

    fn receive(&mut self, deadline: Instant) -> Result<(), Failure> {
        let mut octets = [0; 16 * 1024];
        let read =
            self.stream.set_read_timeout(Some(left_until(deadline))).and_then(|()| self.stream.read(&mut octets));
        match read {
            Ok(0) => Err(self.lost("closed the connection without an answer")),
            Ok(_) if Instant::now() >= deadline => Err(self.broken(&ErrorKind::TimedOut.into())),
            Ok(count) => {
                self.rest.extend_from_slice(&octets[..count]);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(self.broken(&error)),
        }
    }

    fn broken(&self, error: &io::Error) -> Failure {
        match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => {
                self.lost("does not answer in time; is it stopped or very busy? (--timeout SECONDS waits longer)")
            }
            ErrorKind::ConnectionReset => self.lost("closed the connection without an answer"),
            _ => self.lost(format!("cannot be talked to: {error}")),
        }
    }

    fn confused(&self, error: &DecodeError) -> Failure {
        self.lost(format!("cannot be understood: {error}"))
    }

    fn lost(&self, what: impl AsRef<str>) -> Failure {
        Failure::NoSwitch(format!("the switch at {} {}", self.path.display(), what.as_ref()))
    }
}

/// Connects within the deadline. A process that does not accept makes `connect` wait without end, hence the thread.
fn open(path: &Path, deadline: Instant) -> io::Result<UnixStream> {
    let (done, wait) = mpsc::channel();
    let path = path.to_owned();
    thread::spawn(move || done.send(UnixStream::connect(path)));
    wait.recv_timeout(left_until(deadline)).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

/// Time left; never zero, which would mean to wait without end.
fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

fn unreachable(path: &Path, error: &io::Error) -> Failure {
    let path = path.display();
    Failure::NoSwitch(match error.kind() {
        ErrorKind::NotFound => format!("no switch at {path}: there is no such socket; is millraced running?"),
        ErrorKind::ConnectionRefused => {
            format!("nobody listens at {path}: millraced was killed or is not up yet; start it (again)")
        }
        ErrorKind::PermissionDenied => format!(
            "you may not open {path}: only the users and groups named in [switch] may use a switch (by default root and \
             the user that runs millraced); try sudo"
        ),
        ErrorKind::TimedOut => format!("the switch at {path} does not take connections; is it stopped?"),
        _ => format!("cannot connect to {path}: {error}"),
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{BufRead, BufReader};

    use super::*;

    /// A client of a switch `node-a` that answers by `answer`, over a socket pair.
    pub(crate) fn answered_by(answer: impl Fn(Request) -> Result<Reply, RpcError> + Send + 'static) -> Client {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            theirs.write_all(Hello::new("9.8.7", "node-a").encode().as_bytes()).unwrap();
            for line in BufReader::new(theirs.try_clone().unwrap()).lines() {
                let request = RpcRequest::decode(line.unwrap().as_bytes()).unwrap();
                let response = RpcResponse { id: Some(request.id), outcome: answer(request.request) };
                theirs.write_all(response.encode().as_bytes()).unwrap();
            }
        });
        Client::greeted(ours, "pair".as_ref(), Instant::now() + ANSWER, None).unwrap()
    }

    #[test]
    fn one_connection_answers_many_questions() {
        let mut client = answered_by(|_| Ok(Reply::Ports(api::Ports::default())));
        for _ in 0..3 {
            assert_eq!(client.call(&Request::ShowPorts).unwrap(), Reply::Ports(api::Ports::default()));
        }
        assert_eq!((client.switch(), client.path()), ("node-a", Path::new("pair")));
    }

    #[test]
    fn a_request_beyond_the_longest_line_is_not_sent() {
        let mut client = answered_by(|_| Err(RpcError::internal("it was sent")));
        let config = "\u{1}".repeat(LINE_MAX / 4);
        let failure = client.call(&Request::Check { config, file: "f".into() }).unwrap_err().to_string();
        assert!(failure.starts_with("the request is too long: "), "{failure}");
    }
}
