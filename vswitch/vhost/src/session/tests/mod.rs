//! Sessions with front ends of all kinds: honest, confused, hostile.

pub(crate) mod front_end;
mod honest;
mod hostile;
