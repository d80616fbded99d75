//! The control socket's side of a conversation, sans-IO: octets in, requests out; answers in, octets out.
//!
//! The words are the `api` room's. A [`Session`] is one connection; whoever owns the socket feeds it what the peer sent,
//! takes out one request after the other, answers each before the next comes out (so answers keep the order of the
//! requests, and one that takes long holds back only its own connection), and sends what is in [`Session::output`].
//! Everything is bounded: a line, the octets held, and, by back-pressure, the answers not yet sent.

mod lines;

use api::{Hello, Id, LINE_MAX, REPLY_MAX, Refusal, Reply, Request, RpcError, RpcRequest, RpcResponse};

use lines::{Lines, TooLong};

/// Octets of answers that may wait to be sent before the next request is looked at.
const OUTPUT_HIGH: usize = 256 * 1024;

/// Who is at the other end of the socket, as the kernel says (`SO_PEERCRED`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Effective user id of the process that connected.
    pub uid: u32,
    /// Effective group id of the process that connected.
    pub gid: u32,
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    /// Users who may use the socket, where the peer is none of them.
    strangers_to: Option<Vec<u32>>,
    lines: Lines,
    output: Vec<u8>,
    /// Octets at the front of `output` that are sent already.
    sent: usize,
    /// The request that was taken out and not yet answered.
    open: Option<Id>,
    /// Nothing more will be sent by the peer.
    half_closed: bool,
    /// Nothing more will be read from the peer.
    closing: bool,
}

impl Session {
    /// A connection of `peer` to a switch whose socket the users `admins` (uids) may use. The greeting is its first
    /// output.
    pub fn new(peer: Peer, admins: &[u32], hello: &Hello) -> Session {
        Session {
            peer,
            strangers_to: (!admins.contains(&peer.uid)).then(|| admins.to_vec()),
            lines: Lines::default(),
            output: hello.encode().into_bytes(),
            sent: 0,
            open: None,
            half_closed: false,
            closing: false,
        }
    }

    /// Effective user id of the process at the other end.
    pub fn uid(&self) -> u32 {
        self.peer.uid
    }

    /// Takes what the peer sent and says how many octets of it; the rest is to be offered again when
    /// [`Session::wants_input`] says so.
    pub fn receive(&mut self, bytes: &[u8]) -> usize {
        if self.closing {
            return bytes.len(); // the peer goes on talking, nobody listens
        }
        self.lines.push(bytes)
    }

    /// Whether it makes sense to read from the peer.
    pub fn wants_input(&self) -> bool {
        !self.closing && !self.half_closed && self.open.is_none() && self.waiting() < OUTPUT_HIGH
    }

    /// The peer will send nothing more. What it sent before is still answered; a half line is not.
    pub fn end_of_input(&mut self) {
        self.half_closed = true;
    }

    /// The next request, to be answered by [`Session::answer`]. `None` while one is open, while too much waits to be
    /// sent, or until more octets come. What is no request is answered here.
    pub fn next_request(&mut self) -> Option<Request> {
        while self.open.is_none() && !self.closing && self.waiting() < OUTPUT_HIGH {
            let decoded = match self.lines.next() {
                None => {
                    self.closing = self.half_closed;
                    return None;
                }
                Some(Ok(line)) => RpcRequest::decode(line),
                Some(Err(TooLong)) => {
                    let text = format!("a request line is at most {LINE_MAX} octets long, its end included");
                    self.refuse(Refusal { id: None, error: RpcError::invalid_request(text) });
                    self.close();
                    return None;
                }
            };
            match (decoded, &self.strangers_to) {
                (Ok(RpcRequest { id, request }), None) => {
                    self.open = Some(id);
                    return Some(request);
                }
                (Ok(RpcRequest { id, .. }), Some(admins)) => {
                    let error = not_authorised(self.peer, admins);
                    self.refuse(Refusal { id: Some(id), error });
                    self.close();
                }
                (Err(refusal), _) => self.refuse(refusal),
            }
        }
        None
    }

    /// Answers the open request; without one, nothing happens.
    pub fn answer(&mut self, outcome: Result<Reply, RpcError>) {
        let Some(id) = self.open.take() else { return };
        let mut line = RpcResponse { id: Some(id.clone()), outcome }.encode();
        if line.len() > REPLY_MAX {
            let error = RpcError::internal(format!("the answer would be longer than {REPLY_MAX} octets; ask for less"));
            line = RpcResponse { id: Some(id), outcome: Err(error) }.encode();
        }
        self.say(&line);
    }

    /// What is to be sent to the peer.
    pub fn output(&self) -> &[u8] {
        &self.output[self.sent..]
    }

    /// The first `n` octets of [`Session::output`] are sent.
    pub fn sent(&mut self, n: usize) {
        self.sent = self.output.len().min(self.sent + n);
        if self.sent == self.output.len() {
            self.output.clear();
            self.output.shrink_to(OUTPUT_HIGH);
            self.sent = 0;
        }
    }

    /// Whether everything is said: the connection is to be closed.
    pub fn is_finished(&self) -> bool {
        self.closing && self.open.is_none() && self.waiting() == 0
    }

    fn waiting(&self) -> usize {
        self.output.len() - self.sent
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.say(&RpcResponse::from(refusal).encode());
    }

    fn say(&mut self, line: &str) {
        self.output.drain(..self.sent);
        self.sent = 0;
        self.output.extend_from_slice(line.as_bytes());
    }

    fn close(&mut self) {
        self.closing = true;
        self.lines.clear();
    }
}

fn not_authorised(peer: Peer, admins: &[u32]) -> RpcError {
    let allowed: Vec<String> = admins.iter().map(u32::to_string).collect();
    let text = format!(
        "uid {} may not use this socket; allowed: uid {} (`admins` in the [switch] section of the configuration)",
        peer.uid,
        allowed.join(", "),
    );
    RpcError::not_authorised(text)
}

#[cfg(test)]
mod tests;
