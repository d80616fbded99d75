//! One connection: the other end on one side, the driver on the other, and how far both have come.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    end::End,
    message::{Letter, Message},
    place::{Place, Role},
    socket::{Arrived, Channel},
    talk::{Next, Talk},
};

/// How long an introduction may take.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// How soon is looked again for what no descriptor tells.
pub(crate) const SOON: Duration = Duration::from_millis(1);
/// How soon somebody is called again who was not there.
const CALL_AGAIN: Duration = Duration::from_millis(100);
/// Messages handled at most before others get their turn.
const MESSAGES: usize = 16;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// One side is there; the other is called, at this time again.
    Calling(Instant),
    /// They introduce themselves; until when they may.
    Talking(Instant),
    /// The driver has heard that it is connected, and is about to be.
    Joining(Instant),
    /// Workers may enter the driver.
    Open,
    /// The other end is gone. Workers may be in the driver still.
    Leaving,
    /// Nobody is in the driver, and it has been told of the end.
    Parting,
    /// The driver has parted with it.
    Over,
}

/// What a connection has to know of the others at its door.
#[derive(Debug)]
pub(crate) struct Around {
    /// Whom to call where one side is missing.
    pub(crate) whom: Place,
    /// The ids there are, and how many queue pairs each has.
    pub(crate) queues: Vec<(u32, u16)>,
    /// The ids of which the driver has not parted yet with the last connection.
    pub(crate) ending: Vec<u32>,
}

/// Two channels and what passes between them.
#[derive(Debug)]
pub(crate) struct Link {
    outer: Option<Channel>,
    inner: Option<Channel>,
    pub(crate) talk: Talk,
    pub(crate) state: State,
    /// What the driver is to be told yet.
    untold: VecDeque<Letter>,
    /// The driver owes an answer, or the first word.
    asked: bool,
}

impl Link {
    /// Somebody has come to a server of ours.
    pub(crate) fn with_outer(outer: Channel, now: Instant) -> Link {
        Link::new(Some(outer), None, Talk::new(Role::Server, None), now)
    }

    /// A driver has come that is a client with this id and so many queue pairs.
    pub(crate) fn with_inner(inner: Channel, own: (u32, u16), now: Instant) -> Link {
        Link::new(None, Some(inner), Talk::new(Role::Client, Some(own)), now)
    }

    fn new(outer: Option<Channel>, inner: Option<Channel>, talk: Talk, now: Instant) -> Link {
        // A server has the first word, which is the driver's where the other end was here first.
        let asked = outer.is_some();
        Link { outer, inner, talk, state: State::Calling(now), untold: VecDeque::new(), asked }
    }

    /// What passes on by itself, without anybody's leave: until there is nothing to be done, or the other end's end.
    pub(crate) fn turn(&mut self, now: Instant, around: &Around) -> Result<(), End> {
        if let State::Calling(when) = self.state {
            if now < when || !self.call(now, &around.whom) {
                return Ok(());
            }
            self.state = State::Talking(now + INTRODUCTION);
        }
        if let State::Talking(until) | State::Joining(until) = self.state
            && now > until
        {
            return Err(End::Slow(INTRODUCTION.as_secs()));
        }
        for _ in 0..MESSAGES {
            if !(self.hear_driver()? || self.tell_driver(now, around)? || self.hear(around)?) {
                break;
            }
        }
        Ok(())
    }

    /// Whether both sides are there now.
    fn call(&mut self, now: Instant, whom: &Place) -> bool {
        let missing = if self.outer.is_none() { &mut self.outer } else { &mut self.inner };
        *missing = Channel::connect(whom).ok();
        let is_there = missing.is_some();
        self.state = State::Calling(now + CALL_AGAIN);
        is_there
    }

    /// Takes the driver's next word.
    fn hear_driver(&mut self) -> Result<bool, End> {
        let Some(inner) = &mut self.inner else { return Ok(false) };
        let letter = match inner.read() {
            Ok(Arrived::Nothing) => return Ok(false),
            Ok(Arrived::Letter(letter)) => letter,
            Err(_) => {
                self.inner = None;
                return Err(End::Driver(self.talk.driver_reason()));
            }
        };
        self.asked = false;
        if self.talk.hear_driver(&letter.message)
            && let Some(outer) = &self.outer
        {
            outer.write(&letter.message, &letter.fds)?;
        }
        if self.talk.driver_is_connected() {
            self.state = State::Open;
        }
        Ok(true)
    }

    /// Tells the driver the next of what it is to hear.
    fn tell_driver(&mut self, now: Instant, around: &Around) -> Result<bool, End> {
        let may_tell = !self.asked && !self.talk.id.is_some_and(|id| around.ending.contains(&id));
        let Some(inner) = self.inner.as_ref().filter(|_| may_tell) else { return Ok(false) };
        let Some(letter) = self.untold.pop_front() else { return Ok(false) };
        inner.write(&letter.message, &letter.fds).map_err(|_| End::Driver(None))?;
        self.asked = true;
        if self.talk.is_told() && self.talk.role == Role::Client {
            self.state = State::Joining(now + INTRODUCTION);
        }
        Ok(true)
    }

    /// Takes the other end's next word, unless the driver owes an answer to the last.
    fn hear(&mut self, around: &Around) -> Result<bool, End> {
        let may_speak = self.may_speak();
        let Some(outer) = self.outer.as_mut().filter(|_| may_speak) else { return Ok(false) };
        let Arrived::Letter(letter) = outer.read()? else { return Ok(false) };
        match self.talk.hear(letter, &around.queues) {
            Ok(Next::Answer(message)) => outer.write(&message, &[])?,
            Ok(Next::Tell(letters)) => self.untold.extend(letters),
            Err((end, fds)) => {
                outer.keep(fds);
                return Err(end);
            }
        }
        Ok(true)
    }

    fn may_speak(&self) -> bool {
        self.state == State::Open || (!self.asked && self.untold.is_empty())
    }

    /// Lets go of the other end, which is told why where it is its own fault. What is left has to be closed.
    pub(crate) fn dismiss(&mut self, end: &End) -> Option<(Channel, Vec<Letter>)> {
        let outer = self.outer.take()?;
        if end.is_refusal() && !matches!(end, End::Driver(_)) {
            let _ = outer.write(&Message::disconnect(&end.to_string()), &[]); // it does not read: it need not know
        }
        outer.hang_up();
        let letters = self.untold.drain(..).chain(self.talk.forget()).collect();
        Some((outer, letters))
    }

    /// Lets the driver hear of the end. Nobody may be in it.
    pub(crate) fn part(&mut self) {
        match &self.inner {
            Some(inner) => {
                inner.say_end();
                self.state = State::Parting;
            }
            None => self.state = State::Over,
        }
    }

    /// Waits for the driver to part: it closes its end when it has forgotten all.
    pub(crate) fn await_parting(&mut self) {
        let Some(inner) = &mut self.inner else { return self.state = State::Over };
        for _ in 0..MESSAGES {
            match inner.read() {
                Ok(Arrived::Letter(_)) => {}
                Ok(Arrived::Nothing) => return,
                Err(_) => {
                    self.inner = None;
                    return self.state = State::Over;
                }
            }
        }
    }

    /// What something is waited for on. Not the other end where it may not speak: it would keep us awake.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &Channel> {
        let is_heard = matches!(self.state, State::Talking(_) | State::Open);
        let outer = self.outer.as_ref().filter(|_| is_heard && self.may_speak());
        outer.into_iter().chain(self.inner.as_ref().filter(|_| is_heard || self.state == State::Parting))
    }

    /// When it wants to be looked after although nothing was heard.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        match self.state {
            State::Talking(_) if !self.asked && !self.untold.is_empty() => Some(now + SOON),
            State::Calling(when) | State::Talking(when) => Some(when),
            State::Joining(_) | State::Leaving => Some(now + SOON),
            State::Open | State::Parting | State::Over => None,
        }
    }
}
