//! Lives of hostile guests, each chosen by octets. The tests beside this have them from dice, `fuzz/` from libFuzzer.

mod choices;
pub(crate) mod device;
mod estate;
pub(crate) mod messages;
pub(crate) mod rings;
mod scribble;
mod script;
