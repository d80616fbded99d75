//! Who may say what when: a connection's introduction, of which the driver hears only what is in order.
//!
//! A client's regions and rings are kept until it has told all of them and they fit: the driver forgets descriptors of an
//! introduction that ends in the middle.

use std::os::fd::OwnedFd;

use super::{
    end::End,
    message::{AddRing, Hello, Letter, Message, Said},
    place::Role,
    ring::Shares,
};

/// How far an introduction has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing has been said by the other end.
    Begin,
    /// It has said who it is.
    Known,
    /// The driver has, or is about to be, told all.
    Told,
}

/// What to do about a message of the other end's.
#[derive(Debug)]
pub(crate) enum Next {
    /// Answer it, and keep it.
    Answer(Message),
    /// Tell the driver these, each after it has answered the one before.
    Tell(Vec<Letter>),
}

/// An introduction, and what follows.
#[derive(Debug)]
pub(crate) struct Talk {
    pub(crate) role: Role,
    stage: Stage,
    /// The queue pairs of the port it is for, once that is known.
    queues: u16,
    /// Which interface it is for, by the client's word.
    pub(crate) id: Option<u32>,
    shares: Shares,
    kept: Vec<Letter>,
    /// The driver's last word.
    last: Option<Said>,
}

impl Talk {
    /// One for a client of ours, or for whoever comes to a server of ours.
    pub(crate) fn new(role: Role, own: Option<(u32, u16)>) -> Talk {
        let (id, queues) = own.map_or((None, 0), |(id, queues)| (Some(id), queues));
        Talk { role, stage: Stage::Begin, queues, id, shares: Shares::default(), kept: Vec::new(), last: None }
    }

    /// Whether both ends may use the rings as soon as the driver has heard what was said.
    pub(crate) fn is_told(&self) -> bool {
        self.stage == Stage::Told
    }

    /// Takes a message of the other end's. `queues` are the ids there are, and how many queue
    /// pairs each has. Where the message is
    /// in order, its descriptors are of harmless kinds; else these come back.
    pub(crate) fn hear(&mut self, letter: Letter, queues: &[(u32, u16)]) -> Result<Next, (End, Vec<OwnedFd>)> {
        match self.judge(&letter, queues) {
            Err(end) => Err((end, letter.fds)),
            Ok(Verdict::Tell) => Ok(Next::Tell(vec![letter])),
            Ok(Verdict::Keep) => {
                self.kept.push(letter);
                Ok(Next::Answer(Message::ack()))
            }
            Ok(Verdict::TellAll) => {
                let mut letters = std::mem::take(&mut self.kept);
                letters.push(letter);
                Ok(Next::Tell(letters))
            }
        }
    }

    fn judge(&mut self, letter: &Letter, queues: &[(u32, u16)]) -> Result<Verdict, End> {
        let said = letter.message.said().ok_or(End::Unknown(letter.message.kind()))?;
        let wanted = usize::from(matches!(said, Said::AddRegion { .. } | Said::AddRing(_)));
        if letter.fds.len() != wanted {
            return Err(End::Descriptors { what: format!("message {}", name(&said)), fds: letter.fds.len(), wanted });
        }
        match (self.role, self.stage, said, letter.fds.first()) {
            (_, _, Said::Disconnect(reason), _) => Err(End::Said(reason)),
            (Role::Server, Stage::Begin, Said::Init { id }, _) => {
                self.queues = queues.iter().find(|it| it.0 == id).ok_or(End::Id(id))?.1;
                self.id = Some(id);
                self.step(Stage::Known, Verdict::Tell)
            }
            (Role::Server, Stage::Known, Said::AddRegion { index, octets }, Some(fd)) => {
                self.shares.add_region(index, octets, fd).map(|()| Verdict::Keep)
            }
            (Role::Server, Stage::Known, Said::AddRing(ring), Some(fd)) => {
                self.shares.add_ring(&ring, self.queues, fd).map(|()| Verdict::Keep)
            }
            (Role::Server, Stage::Known, Said::Connect, _) => {
                self.shares.are_complete(self.queues)?;
                self.step(Stage::Told, Verdict::TellAll)
            }
            (Role::Client, Stage::Begin, Said::Hello(hello), _) => {
                enough(hello, self.queues)?;
                self.step(Stage::Known, Verdict::Tell)
            }
            (Role::Client, Stage::Known, Said::Ack, _) if self.last != Some(Said::Connect) => Ok(Verdict::Tell),
            (Role::Client, Stage::Known, Said::Connected, _) if self.last == Some(Said::Connect) => {
                self.step(Stage::Told, Verdict::Tell)
            }
            (.., said, _) => Err(self.unexpected(&said)),
        }
    }

    fn step(&mut self, stage: Stage, verdict: Verdict) -> Result<Verdict, End> {
        self.stage = stage;
        Ok(verdict)
    }

    fn unexpected(&self, said: &Said) -> End {
        let when = match self.stage {
            Stage::Begin => "before it said who it is",
            Stage::Known => "in the midst of its introduction",
            Stage::Told => "after its introduction",
        };
        End::Unexpected { what: name(said), when }
    }

    /// Takes a message of the driver's; whether it is for the other end, which has had an answer to what was kept.
    pub(crate) fn hear_driver(&mut self, message: &Message) -> bool {
        let said = message.said();
        let is_for_kept = self.role == Role::Server && self.is_told() && said == Some(Said::Ack);
        self.last = said;
        !is_for_kept
    }

    /// What was kept and will not be told any more.
    pub(crate) fn forget(&mut self) -> Vec<Letter> {
        std::mem::take(&mut self.kept)
    }

    /// Whether the driver's last word was that it is connected.
    pub(crate) fn driver_is_connected(&self) -> bool {
        self.last == Some(Said::Connected)
    }

    /// Why the driver has ended it, where it said so.
    pub(crate) fn driver_reason(&self) -> Option<String> {
        if let Some(Said::Disconnect(reason)) = &self.last { Some(reason.clone()) } else { None }
    }
}

enum Verdict {
    Tell,
    Keep,
    TellAll,
}

/// A message's name, as the protocol has it.
fn name(said: &Said) -> String {
    let name = match said {
        Said::Ack => "ACK",
        Said::Hello(_) => "HELLO",
        Said::Init { .. } => "INIT",
        Said::AddRegion { .. } => "ADD_REGION",
        Said::AddRing(AddRing { .. }) => "ADD_RING",
        Said::Connect => "CONNECT",
        Said::Connected => "CONNECTED",
        Said::Disconnect(_) => "DISCONNECT",
    };
    name.to_owned()
}

/// The driver uses all of its queues, also those for which a server has no ring.
fn enough(hello: Hello, queues: u16) -> Result<(), End> {
    let least = u32::from(hello.last_to_client.min(hello.last_to_server)) + 1;
    if least >= u32::from(queues) {
        return Ok(());
    }
    Err(End::Queues(format!("it takes {least} ring(s) in a direction, where the port has {queues}")))
}

#[cfg(test)]
mod tests {
    use rustix::{
        event::{EventfdFlags, eventfd},
        fs::{MemfdFlags, OFlags, SealFlags, fcntl_add_seals, fcntl_getfl, ftruncate, memfd_create},
    };

    use super::*;

    const OCTETS: u64 = 4096;

    fn message(kind: u16, fields: &[(usize, &[u8])]) -> Message {
        let mut message = Message::of_kind(kind);
        fields.iter().for_each(|(at, octets)| message.0[*at..at + octets.len()].copy_from_slice(octets));
        message
    }

    fn bare(kind: u16) -> Letter {
        Letter { message: Message::of_kind(kind), fds: Vec::new() }
    }

    fn init(id: u32) -> Letter {
        Letter { message: message(3, &[(4, &id.to_ne_bytes())]), fds: Vec::new() }
    }

    fn memory() -> OwnedFd {
        let fd = memfd_create("test", MemfdFlags::ALLOW_SEALING | MemfdFlags::CLOEXEC).unwrap();
        ftruncate(&fd, OCTETS).unwrap();
        fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
        fd
    }

    fn region(index: u16, octets: u64) -> Letter {
        let message = message(4, &[(2, &index.to_ne_bytes()), (4, &octets.to_ne_bytes())]);
        Letter { message, fds: vec![memory()] }
    }

    fn ring(to_server: bool, index: u16, offset: u32) -> Letter {
        let fields: [(usize, &[u8]); 4] =
            [(2, &[to_server.into()]), (4, &index.to_ne_bytes()), (8, &offset.to_ne_bytes()), (12, &[4])];
        Letter { message: message(5, &fields), fds: vec![eventfd(0, EventfdFlags::CLOEXEC).unwrap()] }
    }

    fn hello(to_client: u16, to_server: u16) -> Letter {
        let fields: [(usize, &[u8]); 2] = [(40, &to_client.to_ne_bytes()), (42, &to_server.to_ne_bytes())];
        Letter { message: message(2, &fields), fds: Vec::new() }
    }

    /// What is said to a server whose port 5 has two queues and to which all but the last was said before.
    fn said(letters: impl IntoIterator<Item = Letter>) -> Result<Next, End> {
        let mut talk = Talk::new(Role::Server, None);
        let mut last = Err(End::Gone);
        for letter in letters {
            last = talk.hear(letter, &[(5, 2)]).map_err(|(end, _)| end);
        }
        last
    }

    fn introduction() -> Vec<Letter> {
        let rings = [(true, 0), (false, 0), (true, 1), (false, 1)].map(|(to_server, index)| ring(to_server, index, 0));
        [init(5), region(0, OCTETS)].into_iter().chain(rings).chain([bare(6)]).collect()
    }

    #[test]
    fn the_driver_hears_of_memory_when_all_of_it_was_told_and_fits() {
        let Ok(Next::Tell(told)) = said([init(5)]) else { panic!("the driver does not hear who it is") };
        assert_eq!(told.len(), 1);
        assert!(matches!(said([init(5), region(0, OCTETS)]), Ok(Next::Answer(_))));
        let Ok(Next::Tell(told)) = said(introduction()) else { panic!("a good introduction is refused") };
        let kinds: Vec<u16> = told.iter().map(|letter| letter.message.kind()).collect();
        assert_eq!(kinds, [4, 5, 5, 5, 5, 6]);
        let flags = fcntl_getfl(&told[1].fds[0]).unwrap();
        assert!(flags.contains(OFlags::NONBLOCK), "a worker could be made to wait");
    }

    #[test]
    fn a_ring_lies_within_a_region_that_was_told() {
        let last = (OCTETS - 128 - 16 * 16) as u32;
        assert!(said([init(5), region(0, OCTETS), ring(true, 0, last)]).is_ok());
        let error = said([init(5), region(0, OCTETS), ring(true, 0, last + 1)]).unwrap_err().to_string();
        assert_eq!(error, "ring 0 to the server: ends at octet 4097 of a region of 4096");
        assert!(said([init(5), ring(true, 0, 0)]).is_err(), "there is no region");
        assert!(said([init(5), region(0, OCTETS + 1)]).is_err(), "there is not so much memory");
        assert!(said([init(5), region(1, OCTETS)]).is_err(), "out of turn");
        assert!(said([init(5), region(0, OCTETS), ring(true, 1, 0)]).is_err(), "out of turn");
        let mut few = introduction();
        few.remove(3);
        assert!(matches!(said(few), Err(End::Ring { .. } | End::Queues(_))));
    }

    #[test]
    fn after_its_introduction_an_end_can_only_say_farewell() {
        for kind in [1, 2, 6, 7] {
            let end = said(introduction().into_iter().chain([bare(kind)])).unwrap_err();
            assert!(matches!(end, End::Unexpected { when: "after its introduction", .. }), "{end}");
        }
        let farewell = Letter { message: Message::disconnect("bye"), fds: Vec::new() };
        assert_eq!(said(introduction().into_iter().chain([farewell])).unwrap_err(), End::Said("bye".to_owned()));
    }

    #[test]
    fn a_server_is_heard_in_the_order_of_the_protocol() {
        let mut talk = Talk::new(Role::Client, Some((5, 2)));
        let hear = |talk: &mut Talk, letter| talk.hear(letter, &[]).map_err(|(end, _)| end);
        assert!(hear(&mut talk, bare(1)).is_err(), "nothing was said that could be understood");
        assert!(matches!(hear(&mut talk, hello(255, 0)), Err(End::Queues(_))), "one ring to the server is too few");
        assert!(hear(&mut talk, hello(1, 1)).is_ok() && hear(&mut talk, hello(1, 1)).is_err());
        assert!(talk.hear_driver(&Message::of_kind(3)) && hear(&mut talk, bare(1)).is_ok());
        assert!(hear(&mut talk, bare(7)).is_err(), "the client has not asked for it");
        assert!(talk.hear_driver(&Message::of_kind(6)) && hear(&mut talk, bare(1)).is_err());
        assert!(!talk.is_told() && hear(&mut talk, bare(7)).is_ok() && talk.is_told());
    }
}
