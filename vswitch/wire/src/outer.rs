//! The outer headers of a VXLAN packet: taken apart on receipt ([`parse_outer`]), put in front from a template when
//! sent ([`OuterTemplate`]).

mod plain;
mod receive;
mod template;

pub use plain::{OuterEnds, PlainOuter, parse_plain_outer};
pub use receive::{Outer, parse_outer};
pub use template::{Dscp, MixedFamilies, OUTER_IPV4_LEN, OUTER_IPV6_LEN, OuterParams, OuterTemplate};
