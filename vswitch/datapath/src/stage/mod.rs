//! The verbs, one file each: the loop and the match. What an arm does is in `feature/`.

pub(crate) mod admit;
pub(crate) mod decide;
pub(crate) mod dispatch;
pub(crate) mod lookup;
pub(crate) mod parse;
pub(crate) mod rewrite;
pub(crate) mod steer;
pub(crate) mod track;
