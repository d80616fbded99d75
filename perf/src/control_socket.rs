//! The switch's control socket, as far as measuring needs it: one question at a time, answered in a moment.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    thread,
    time::Duration,
};

use api::{DecodeError, Hello, Reply, Request, RpcError, RpcRequest, RpcResponse, SCHEMA};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a question is asked that the switch cannot answer just now: the books are refused where the worker was
/// switched away in the middle of writing them.
const ATTEMPTS: u32 = 20;

/// How long to wait in between.
const PAUSE: Duration = Duration::from_millis(10);

/// Octets of an answer at most: some hundred rows.
const ANSWER_MAX: u64 = 1 << 20;

/// A connection on which the switch has said hello.
pub(crate) struct ControlSocket(BufReader<UnixStream>);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SocketError {
    #[error("the control socket failed: {0}")]
    Io(#[from] io::Error),
    #[error("the control socket cannot be understood: {0}")]
    Decode(#[from] DecodeError),
    #[error("the switch speaks schema {0}, this perf {SCHEMA}: build both from one tree")]
    Schema(u32),
    #[error("the switch refuses `{method}`: {}", error.message)]
    Refused { method: &'static str, error: RpcError },
    #[error("the switch answered something else than `{0}` asks for")]
    OtherAnswer(&'static str),
}

impl ControlSocket {
    pub(crate) fn connect(path: &Path) -> Result<ControlSocket, SocketError> {
        Self::greeted(UnixStream::connect(path)?)
    }

    fn greeted(stream: UnixStream) -> Result<ControlSocket, SocketError> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut socket = ControlSocket(BufReader::new(stream));
        match Hello::decode(&socket.line()?)?.schema {
            SCHEMA => Ok(socket),
            other => Err(SocketError::Schema(other)),
        }
    }

    /// Asks, and takes from the answer what was asked for.
    pub(crate) fn ask<T>(&mut self, request: &Request, pick: fn(Reply) -> Option<T>) -> Result<T, SocketError> {
        let method = request.method();
        let mut outcome = self.ask_once(request)?;
        for _ in 1..ATTEMPTS {
            if outcome.is_ok() {
                break;
            }
            thread::sleep(PAUSE);
            outcome = self.ask_once(request)?;
        }
        let reply = outcome.map_err(|error| SocketError::Refused { method, error })?;
        pick(reply).ok_or(SocketError::OtherAnswer(method))
    }

    fn ask_once(&mut self, request: &Request) -> Result<Result<Reply, RpcError>, SocketError> {
        self.0.get_mut().write_all(RpcRequest::new(1, request.clone()).encode().as_bytes())?;
        Ok(RpcResponse::decode(&self.line()?, request)?.outcome)
    }

    fn line(&mut self) -> Result<Vec<u8>, SocketError> {
        let mut line = Vec::new();
        self.0.by_ref().take(ANSWER_MAX).read_until(b'\n', &mut line)?;
        if line.pop() == Some(b'\n') { Ok(line) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A connection to a switch that answers by `answer`.
    pub(crate) fn answered_by(
        mut answer: impl FnMut(Request) -> Result<Reply, RpcError> + Send + 'static,
    ) -> ControlSocket {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        thread::spawn(move || {
            theirs.write_all(Hello::new("1", "node-a").encode().as_bytes()).unwrap();
            for line in BufReader::new(theirs.try_clone().unwrap()).lines() {
                let RpcRequest { id, request } = RpcRequest::decode(line.unwrap().as_bytes()).unwrap();
                let response = RpcResponse { id: Some(id), outcome: answer(request) };
                theirs.write_all(response.encode().as_bytes()).unwrap();
            }
        });
        ControlSocket::greeted(ours).unwrap()
    }

    fn ports(reply: Reply) -> Option<api::Ports> {
        if let Reply::Ports(ports) = reply { Some(ports) } else { None }
    }

    #[test]
    fn a_question_is_answered_or_refused_by_name() {
        let mut socket = answered_by(|request| match request {
            Request::ShowPorts => Ok(Reply::Ports(api::Ports::default())),
            _ => Err(RpcError::internal("no")),
        });
        assert_eq!(socket.ask(&Request::ShowPorts, ports).unwrap(), api::Ports::default());
        let refused = socket.ask(&Request::ShowDrops, ports).unwrap_err().to_string();
        assert_eq!(refused, "the switch refuses `show_drops`: no");
    }

    #[test]
    fn what_is_refused_for_a_moment_is_asked_again() {
        let mut refusals = 2;
        let mut socket = answered_by(move |_| {
            refusals -= 1;
            if refusals >= 0 { Err(RpcError::internal("try again")) } else { Ok(Reply::Ports(api::Ports::default())) }
        });
        assert_eq!(socket.ask(&Request::ShowPorts, ports).unwrap(), api::Ports::default());
    }

    #[test]
    fn a_switch_that_hangs_up_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(ControlSocket::greeted(ours), Err(SocketError::Io(_))));
    }
}
