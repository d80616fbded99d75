//! What the node's own host stack lost; a part of the answers of `show_drops` and `show_ledger`.

use serde::{Deserialize, Serialize};

/// One way in which frames from or for the node itself end outside the workers' books: a frame it made that no worker
/// got, or one it got (`punted` in the books) and could not use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoss {
    /// Its name: the same in JSON and documentation.
    pub reason: String,
    /// What it means, a sentence.
    pub text: String,
    /// How many frames, since the switch started.
    pub frames: u64,
}
