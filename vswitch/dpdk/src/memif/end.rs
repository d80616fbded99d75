//! How a connection can end.

/// Why a connection is over, as it is told of the other end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum End {
    /// Its process has closed the socket, or died.
    #[error("it has closed its end")]
    Gone,
    /// It said so.
    #[error("it said {0:?}")]
    Said(String),
    /// The port is being closed.
    #[error("the port is closed")]
    Closed,
    /// The driver did not want it.
    #[error("the driver ended it{}", .0.as_ref().map(|said| format!(", saying {said:?}")).unwrap_or_default())]
    Driver(Option<String>),
    /// It was not ready in time.
    #[error("it did not finish its introduction within {0} s")]
    Slow(u64),
    /// It does not take what it is told.
    #[error("it does not read what it is told")]
    NotReading,
    /// Not a message.
    #[error("a message of {0} octets; all have 128")]
    Length(usize),
    /// Not a message either.
    #[error("message type {0}, which there is not")]
    Unknown(u16),
    /// A message out of its place.
    #[error("message {what} {when}")]
    Unexpected {
        /// Which one.
        what: String,
        /// Where it came.
        when: &'static str,
    },
    /// Too many descriptors, or too few.
    #[error("{what} with {fds} descriptor(s); it takes {wanted}")]
    Descriptors {
        /// Which one.
        what: String,
        /// How many came.
        fds: usize,
        /// How many belong to it.
        wanted: usize,
    },
    /// Nobody here has the number.
    #[error("there is no interface with id {0}")]
    Id(u32),
    /// It has more rings than the port has queues, or fewer.
    #[error("{0}; give both ends the same number of queues")]
    Queues(String),
    /// A region is not what it should be.
    #[error("region {index}: {why}")]
    Region {
        /// Its number.
        index: u16,
        /// What is wrong with it.
        why: String,
    },
    /// A ring is not where it can be.
    #[error("ring {index} to the {to}: {why}")]
    Ring {
        /// Its number.
        index: u16,
        /// Whom it leads to.
        to: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

impl End {
    /// Whether it is the other end's fault: it is told why, and left alone for a while.
    pub(crate) fn is_refusal(&self) -> bool {
        !matches!(self, End::Gone | End::Said(_) | End::Closed)
    }
}
