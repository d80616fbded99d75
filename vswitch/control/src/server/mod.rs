//! The control socket's side of a conversation, sans-IO: octets in, requests out; answers in, octets out.
//!
//! The words are the `api` room's. A [`Session`] is one connection; whoever owns the socket feeds it what the peer sent,
//! takes out one request after the other, answers each before the next comes out (so answers keep the order of the
//! requests, and one that takes long holds back only its own connection), and sends what is in [`Session::output`].
//! Everything is bounded: a line, the octets held, and, by back-pressure, the answers not yet sent.
//!
//! What all sessions share is the [`Gate`]: it knows the role of each user, and how much each has asked. Who asks too much
//! is made to wait rather than refused: a script in a loop and a client that sends its requests at once need not know
//! that there is a bound, and the socket's own flow control holds them back. Only what would wait longer than
//! [`DELAY_MAX_MS`] is refused, since clients give up on silence.

mod access;
mod gate;
mod lines;
mod pace;

use std::time::Duration;

use api::{
    DELAY_MAX_MS, Hello, Id, LINE_MAX, REPLY_MAX, Refusal, Reply, Request, RpcError, RpcRequest, RpcResponse, UserRole,
};

pub use access::{Access, Peer};
pub use gate::Gate;
use lines::{Lines, TooLong};

/// Octets of answers that may wait to be sent before the next request is looked at.
const OUTPUT_HIGH: usize = 256 * 1024;

/// Longest that a line waits because its user asked too much.
const DELAY_MAX: Duration = Duration::from_millis(DELAY_MAX_MS);

/// Whether a line's turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It has.
    Now,
    /// It is to wait.
    Later,
    /// It has waited long enough, and would have to for this long.
    Never(Duration),
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    /// What the peer may do; nothing, where it is a stranger.
    role: Option<UserRole>,
    lines: Lines,
    output: Vec<u8>,
    /// Octets at the front of `output` that are sent already.
    sent: usize,
    /// The request that was taken out and not yet answered.
    open: Option<Id>,
    /// Since when a line waits because its user asked too much.
    delayed_since: Option<Duration>,
    /// Why the conversation ends with the answer to the open request.
    farewell: Option<RpcError>,
    /// Nothing more will be sent by the peer.
    half_closed: bool,
    /// Nothing more will be read from the peer.
    closing: bool,
}

impl Session {
    /// A connection of `peer`. The greeting is its first output.
    pub fn new(peer: Peer, gate: &Gate, hello: &Hello) -> Session {
        let role = gate.role(&peer);
        Session {
            peer,
            role,
            lines: Lines::default(),
            output: hello.to(role).encode().into_bytes(),
            sent: 0,
            open: None,
            delayed_since: None,
            farewell: None,
            half_closed: false,
            closing: false,
        }
    }

    /// Ends the conversation; the peer is told why.
    pub fn turn_away(&mut self, error: RpcError) {
        self.refuse(Refusal { id: None, error });
        self.close();
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What the peer may do; `None`: nothing.
    pub fn role(&self) -> Option<UserRole> {
        self.role
    }

    /// Takes up what a changed configuration says of the peer. Who may nothing any more is told so, behind the answer
    /// that is still due, and the conversation ends.
    pub fn heed(&mut self, gate: &Gate) {
        let before = std::mem::replace(&mut self.role, gate.role(&self.peer));
        if self.role.is_some() {
            self.farewell = None;
        } else if before.is_some() && !self.closing {
            let error = gate.access.not_authorised(&self.peer);
            match self.open {
                Some(_) => self.farewell = Some(error),
                None => self.turn_away(error),
            }
        }
    }

    /// Whether a line waits because its user asked too much: [`Session::next_request`] is to be asked again soon.
    pub fn is_delayed(&self) -> bool {
        self.delayed_since.is_some()
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
        let is_idle = self.open.is_none() && self.delayed_since.is_none();
        is_idle && !self.closing && !self.half_closed && self.waiting() < OUTPUT_HIGH
    }

    /// The peer will send nothing more. What it sent before is still answered; a half line is not.
    pub fn end_of_input(&mut self) {
        self.half_closed = true;
    }

    /// The next request, to be answered by [`Session::answer`]. `None` while one is open, while too much waits to be
    /// sent, while the user has asked too much, or until more octets come. What is no request, or none that this user
    /// may ask, is answered here. `now` is the time since a moment of the caller's choice, the same for all sessions.
    pub fn next_request(&mut self, gate: &mut Gate, now: Duration) -> Option<Request> {
        while self.open.is_none() && !self.closing && self.waiting() < OUTPUT_HIGH {
            if self.delayed_since.is_none() && !self.lines.has_next() {
                self.closing = self.half_closed;
                return None;
            }
            let turn = self.turn(gate, now);
            if turn == Turn::Later {
                return None;
            }
            let decoded = match self.lines.next()? {
                Ok(line) => RpcRequest::decode(line),
                Err(TooLong) => {
                    let text = format!("a request line is at most {LINE_MAX} octets long, its end included");
                    self.turn_away(RpcError::invalid_request(text));
                    return None;
                }
            };
            match decoded.and_then(|asked| self.admit(asked, turn, gate)) {
                Ok(RpcRequest { id, request }) => {
                    self.open = Some(id);
                    return Some(request);
                }
                Err(refusal) => self.refuse(refusal),
            }
            if self.role.is_none() {
                self.close();
            }
        }
        None
    }

    /// Whether the next line may be looked at. A stranger's is the last one, so nobody counts it.
    fn turn(&mut self, gate: &mut Gate, now: Duration) -> Turn {
        let early = self.role.and_then(|_| gate.count(self.peer.uid, now).err());
        let Some(early) = early else {
            self.delayed_since = None;
            return Turn::Now;
        };
        let since = *self.delayed_since.get_or_insert(now);
        if now.saturating_sub(since) < DELAY_MAX {
            return Turn::Later;
        }
        self.delayed_since = None;
        Turn::Never(early)
    }

    fn admit(&self, asked: RpcRequest, turn: Turn, gate: &Gate) -> Result<RpcRequest, Refusal> {
        let error = match (self.role, turn) {
            (None, _) => gate.access.not_authorised(&self.peer),
            (Some(_), Turn::Never(early)) => too_many(&self.peer, gate.requests_per_s(), early),
            (Some(role), _) if role < asked.request.needs() => gate.access.read_only(&self.peer, &asked.request),
            _ => return Ok(asked),
        };
        Err(Refusal { id: Some(asked.id), error })
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
        if let Some(error) = self.farewell.take() {
            self.turn_away(error);
        }
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
        self.delayed_since = None;
        self.lines.clear();
    }
}

fn too_many(peer: &Peer, per_s: u32, early: Duration) -> RpcError {
    let text = format!(
        "uid {} asks more than {per_s} requests a second (`requests_per_s` in the [switch] section of the configuration); \
         ask more slowly",
        peer.uid
    );
    RpcError::too_much(text, early.as_millis().max(1) as u64)
}

#[cfg(test)]
mod tests;
