//! Numbers for names, stable from one snapshot to the next.

use std::{borrow::Borrow, collections::BTreeMap};

/// Names and their numbers.
#[derive(Clone, Debug)]
pub(super) struct Ids<K> {
    by_key: BTreeMap<K, u32>,
    by_id: Vec<Option<K>>,
    /// In the order in which the configuration names them.
    order: Vec<K>,
}

impl<K> Default for Ids<K> {
    fn default() -> Self {
        Ids { by_key: BTreeMap::new(), by_id: Vec::new(), order: Vec::new() }
    }
}

impl<K: Ord + Clone> Ids<K> {
    /// The number of a name.
    pub(super) fn id<Q: Ord + ?Sized>(&self, key: &Q) -> Option<u32>
    where
        K: Borrow<Q>,
    {
        self.by_key.get(key).copied()
    }

    /// The name with that number.
    pub(super) fn key(&self, id: usize) -> Option<&K> {
        self.by_id.get(id)?.as_ref()
    }

    /// All names, in the order in which they were given.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &K> {
        self.order.iter()
    }

    /// Numbers for `keys`: those that have one and mean the same still keep it; the others get the lowest that is free
    /// and was free before. Where all of the `limit` numbers are taken or just freed, one just freed has to do.
    pub(super) fn renew(
        &self,
        keys: impl Iterator<Item = K>,
        limit: usize,
        means_the_same: impl Fn(&K) -> bool,
    ) -> Ids<K> {
        let mut new = Ids { order: keys.collect(), ..Ids::default() };
        for key in &new.order {
            if let Some(id) = self.by_key.get(key).filter(|_| means_the_same(key)) {
                new.by_key.insert(key.clone(), *id);
                put(&mut new.by_id, *id as usize, key);
            }
        }
        let is_taken = |ids: &Vec<Option<K>>, id: usize| ids.get(id).is_some_and(Option::is_some);
        let mut next = 0;
        let mut may_reuse = false;
        for key in &new.order {
            if new.by_key.contains_key(key) {
                continue;
            }
            while is_taken(&new.by_id, next) || (!may_reuse && is_taken(&self.by_id, next)) {
                next += 1;
                if next >= limit && !may_reuse {
                    (next, may_reuse) = (0, true);
                }
            }
            new.by_key.insert(key.clone(), next as u32);
            put(&mut new.by_id, next, key);
        }
        new
    }
}

fn put<K: Clone>(by_id: &mut Vec<Option<K>>, id: usize, key: &K) {
    if by_id.len() <= id {
        by_id.resize(id + 1, None);
    }
    by_id[id] = Some(key.clone());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn renew(ids: &Ids<u8>, keys: &[u8], limit: usize) -> Ids<u8> {
        ids.renew(keys.iter().copied(), limit, |_| true)
    }

    #[test]
    fn an_id_just_freed_waits_for_one_snapshot() {
        let first = renew(&Ids::default(), &[1, 2, 3], 8);
        let second = renew(&first, &[1, 3, 4], 8);
        assert_eq!((second.id(&1), second.id(&3), second.id(&4), second.id(&2)), (Some(0), Some(2), Some(3), None));
        let third = renew(&second, &[1, 3, 4, 5], 8);
        assert_eq!(third.id(&5), Some(1));
    }

    #[test]
    fn when_there_are_no_others_an_id_just_freed_serves() {
        let first = renew(&Ids::default(), &[1, 2, 3, 4], 4);
        let second = renew(&first, &[5, 2, 6, 4], 4);
        assert_eq!((second.id(&5), second.id(&6)), (Some(0), Some(2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn ids_are_unique_stable_and_below_the_limit(steps in proptest::collection::vec(proptest::collection::btree_set(0..40u8, 0..16), 1..20)) {
            let mut ids = Ids::default();
            for step in steps {
                let keys: Vec<u8> = step.into_iter().collect();
                let new = renew(&ids, &keys, 16);
                for key in &keys {
                    let id = new.id(key).unwrap();
                    prop_assert!(id < 16);
                    prop_assert_eq!(new.key(id as usize), Some(key));
                    if let Some(old) = ids.id(key) {
                        prop_assert_eq!(id, old);
                    }
                }
                prop_assert_eq!(new.by_id.iter().flatten().count(), keys.len());
                ids = new;
            }
        }
    }
}
