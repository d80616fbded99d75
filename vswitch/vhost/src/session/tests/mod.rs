//! Sessions with front ends of all kinds: honest, confused, hostile.

mod front_end;
mod honest;
mod hostile;
