//! Closing what a front end at fault has left behind, where nobody has to wait for it.
//!
//! To close a descriptor may take as long as its maker pleases: a file system in user space is asked first (FUSE's
//! flush), a TCP socket lingers. So what is neither memory nor an eventfd is never closed by control, and neither is a
//! socket in which such descriptors may wait unread. A thread does it, one for each device, and until it is through no
//! further front end is let in: whoever holds it up holds up its own port, and leaves behind no more than once.

use std::{
    sync::{Arc, Mutex, PoisonError},
    thread::{Builder, JoinHandle},
};

use super::stream::Stream;

/// A connection on its way out.
#[derive(Debug)]
pub(super) struct Closing {
    left: Arc<Mutex<Option<Stream>>>,
    thread: Option<JoinHandle<()>>,
}

impl Closing {
    pub(super) fn new(stream: Stream) -> Closing {
        Closing { left: Arc::new(Mutex::new(Some(stream))), thread: None }
    }

    /// Whether everything is closed.
    pub(super) fn is_through(&mut self) -> bool {
        if self.thread.is_none() {
            let left = Arc::clone(&self.left);
            let close = move || drop(left.lock().unwrap_or_else(PoisonError::into_inner).take());
            // Where there can be no thread now there may be one in the next turn.
            self.thread = Builder::new().name("vhost-close".to_owned()).spawn(close).ok();
        }
        self.thread.as_ref().is_some_and(JoinHandle::is_finished)
    }
}
