//! The whole tool as an operator or a script uses it, against a switch made of canned lines.

mod apply;
mod connection;
mod doctor;
mod edit;
mod fake_switch;
mod manual;
mod schema;
mod show;
mod watch;
