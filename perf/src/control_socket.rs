//! The switch's control socket, as far as measuring needs it: one question at a time, answered in a moment.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use api::{DecodeError, Hello, Reply, Request, RpcError, RpcRequest, RpcResponse, SCHEMA};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

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
        self.0.get_mut().write_all(RpcRequest::new(1, request.clone()).encode().as_bytes())?;
        let reply = RpcResponse::decode(&self.line()?, request)?.outcome;
        let reply = reply.map_err(|error| SocketError::Refused { method, error })?;
        pick(reply).ok_or(SocketError::OtherAnswer(method))
    }

    fn line(&mut self) -> Result<Vec<u8>, SocketError> {
        let mut line = Vec::new();
        self.0.by_ref().take(ANSWER_MAX).read_until(b'\n', &mut line)?;
        if line.pop() == Some(b'\n') { Ok(line) } else { Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()) }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::thread;

    use super::*;

    /// A connection to a switch that answers by `answer`.
    pub(crate) fn answered_by(answer: fn(Request) -> Result<Reply, RpcError>) -> ControlSocket {
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
    fn a_switch_that_hangs_up_is_an_error() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        assert!(matches!(ControlSocket::greeted(ours), Err(SocketError::Io(_))));
    }
}
