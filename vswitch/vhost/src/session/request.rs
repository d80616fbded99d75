//! What a front end may ask, by its number on the wire.

use std::fmt;

use vhost_protocol::vhost_user::message::FrontendReq;

use crate::Fault;

/// One of the protocol's requests; prints as the specification writes it, without the prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request(pub(crate) FrontendReq);

impl Request {
    /// The request of a number.
    pub(crate) fn of(number: u32) -> Result<Request, Fault> {
        FrontendReq::try_from(number).map(Request).map_err(|_| Fault::UnknownRequest(number))
    }

    /// Its number on the wire.
    pub(crate) fn number(self) -> u32 {
        self.0.into()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}
