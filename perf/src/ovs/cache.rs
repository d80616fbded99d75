//! Where OVS looks first.

/// The exact-match cache holds 8,192 flows; beyond some thousands inserting costs more than it gives.
const CACHED_FLOWS: u32 = 4096;

/// What it remembers verdicts in, before the table of all that it has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cache {
    /// By the hash of the five-tuple.
    Exact,
    /// Nothing.
    Nothing,
    /// Signatures of flows.
    Signatures,
}

impl Cache {
    /// The best for a load of so many flows, behind an access list or not.
    pub(super) fn best_for(flows: u32, by_rules: bool) -> Cache {
        match (flows <= CACHED_FLOWS, by_rules) {
            (true, _) => Cache::Exact,
            (false, false) => Cache::Nothing,
            (false, true) => Cache::Signatures,
        }
    }

    /// As words for `ovs-vsctl`.
    pub(super) fn settings(self) -> &'static str {
        match self {
            Cache::Exact => "",
            Cache::Nothing => "other_config:emc-insert-inv-prob=0",
            Cache::Signatures => "other_config:emc-insert-inv-prob=0 other_config:smc-enable=true",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_flows_are_matched_exactly_and_many_behind_a_list_by_signatures() {
        assert_eq!((Cache::best_for(1000, false), Cache::best_for(1000, true)), (Cache::Exact, Cache::Exact));
        assert_eq!(Cache::best_for(100_000, false).settings(), "other_config:emc-insert-inv-prob=0");
        assert!(Cache::best_for(100_000, true).settings().contains("smc-enable=true"));
    }
}
