//! Closing what the other end has left behind, where nobody has to wait for it: to close a descriptor may take as long as
//! its maker pleases (FUSE's flush, a TCP socket that lingers), and a socket may have some in it that nobody has read.

use std::{
    sync::{Arc, Mutex},
    thread::{Builder, JoinHandle},
};

use super::{message::Letter, socket::Channel};
use crate::eal::lock;

/// A channel, and letters that came by it and nobody wants.
type Left = (Channel, Vec<Letter>);

/// What is on its way out.
#[derive(Debug)]
pub(crate) struct Closing {
    left: Arc<Mutex<Option<Left>>>,
    thread: Option<JoinHandle<()>>,
}

impl Closing {
    pub(crate) fn new(channel: Channel, letters: Vec<Letter>) -> Closing {
        let mut closing = Closing { left: Arc::new(Mutex::new(Some((channel, letters)))), thread: None };
        closing.is_through();
        closing
    }

    /// Whether everything is closed.
    pub(crate) fn is_through(&mut self) -> bool {
        if self.thread.is_none() {
            let left = Arc::clone(&self.left);
            // Where there can be no thread now there may be one in the next turn.
            self.thread = Builder::new().name("memif-close".to_owned()).spawn(move || drop(lock(&left).take())).ok();
        }
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}
