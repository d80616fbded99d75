//! A network in one thread, from one seed.
//!
//! - [`reference`]: the naive reference switch, obviously right and slow, which the pipeline must equal.
//! - [`plan`] and [`traffic`]: random configurations, and random frames biased to hit something in them.
//! - [`network`]: switches under their own control, hosts with a real TCP, and wires that lose, repeat and delay.
//! - [`rack`]: real workers over in-memory ports, stepped by hand, with the checks that hold after every run.
//!
//! Time is an argument and chance comes from one [`Dice`]: a failing seed fails again.

#![forbid(unsafe_code)]

pub mod craft;
mod dice;
mod gso;
pub mod network;
pub mod plan;
pub mod rack;
pub mod reference;
pub mod traffic;

pub use dice::{Dice, SeedNote, number_from_env, seeds};
