//! Which sabotages are committed together: as few groups as may be, of such as do not get in each other's way, drawn from a seed.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Draws; the one with the fewest groups is taken.
const DRAWS: usize = 64;

/// Where the draw begins: the same seed draws the same groups of the same sabotages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// Another one each time, of few digits: it is printed, and typed in to see a night again.
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Lots(now.as_nanos() as u64).next() % 1_000_000)
    }
}

impl Seed {
    /// Where `what` stands among others of its kind: whoever is the first of them is drawn.
    pub fn rank(self, what: impl Hash) -> u64 {
        // Without keys of its own: the same on every machine.
        let mut hasher = DefaultHasher::new();
        (self.0, what).hash(&mut hasher);
        hasher.finish()
    }
}

impl Default for Seed {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self).map_err(|_| "a seed is a whole number, as a proof prints it".to_owned())
    }
}

/// Sebastiano Vigna's SplitMix64: a night must be the same again with any version of any library.
struct Lots(u64);

impl Lots {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// The numbers up to `count` in groups in which no two are `apart`, each exactly once.
pub fn draw(count: usize, apart: impl Fn(usize, usize) -> bool, Seed(seed): Seed) -> Vec<Vec<usize>> {
    let mut lots = Lots(seed);
    let draws = (0..DRAWS).map(|_| draw_once(count, &apart, &mut lots));
    draws.min_by_key(Vec::len).unwrap_or_default()
}

fn draw_once(count: usize, apart: &impl Fn(usize, usize) -> bool, lots: &mut Lots) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, lots.below(last + 1));
    }
    // Those that get on with few find a place first; who gets on with everybody fits in anywhere.
    order.sort_by_key(|one| std::cmp::Reverse((0..count).filter(|other| other != one && apart(*one, *other)).count()));
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for one in order {
        let mut fitting: Vec<&mut Vec<usize>> =
            groups.iter_mut().filter(|group| !group.iter().any(|other| apart(one, *other))).collect();
        if fitting.is_empty() {
            groups.push(vec![one]);
        } else {
            // Not the first that fits: it would be the same company every night.
            fitting.swap_remove(lots.below(fitting.len())).push(one);
        }
    }
    for group in &mut groups {
        group.sort_unstable();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::range::Sabotage;
    use rstest::rstest;
    use std::collections::BTreeSet;

    #[rstest]
    #[case::all_get_on(6, &[], 1)]
    #[case::nobody_gets_on_with_the_first(4, &[(0, 1), (0, 2), (0, 3)], 2)]
    #[case::three_of_a_kind(6, &[(0, 1), (0, 2), (1, 2)], 3)]
    // Whoever takes them as they come needs three.
    #[case::a_chain(4, &[(0, 1), (1, 2), (2, 3)], 2)]
    #[case::nothing(0, &[], 0)]
    fn as_few_groups_as_may_be(#[case] count: usize, #[case] pairs: &[(usize, usize)], #[case] groups: usize) {
        let apart = |a, b| pairs.contains(&(a, b)) || pairs.contains(&(b, a));
        for seed in 0..20 {
            let drawn = draw(count, apart, Seed(seed));
            assert_eq!(drawn.len(), groups, "{drawn:?}");
        }
    }

    fn drawn(sabotages: &[Sabotage], seed: u64) -> Vec<Vec<usize>> {
        let apart = |a: usize, b: usize| sabotages[a].apart_from(&sabotages[b]).unwrap().is_some();
        let apart: Vec<Vec<bool>> =
            (0..sabotages.len()).map(|a| (0..sabotages.len()).map(|b| apart(a, b)).collect()).collect();
        draw(sabotages.len(), |a, b| apart[a][b], Seed(seed))
    }

    #[test]
    fn no_two_of_the_tree_in_one_group_get_in_each_others_way() {
        let sabotages = Sabotage::all().unwrap();
        let groups = drawn(&sabotages, 7);
        let mut all: Vec<usize> = groups.concat();
        all.sort_unstable();
        assert_eq!(all, Vec::from_iter(0..sabotages.len()));
        for group in &groups {
            let flips: Vec<&String> = group.iter().flat_map(|one| &sabotages[*one].flips).collect();
            assert_eq!(flips.iter().collect::<BTreeSet<_>>().len(), flips.len(), "{group:?}");
            assert!(group.len() == 1 || group.iter().all(|one| sabotages[*one].blind.is_none()), "{group:?}");
        }
        // That is what they are for.
        assert!(groups.len() * 3 <= sabotages.len(), "{} groups", groups.len());
    }

    #[test]
    fn a_seed_draws_the_same_groups_again_and_another_seed_others() {
        let sabotages = Sabotage::all().unwrap();
        assert_eq!(drawn(&sabotages, 7), drawn(&sabotages, 7));
        assert_ne!(drawn(&sabotages, 7), drawn(&sabotages, 8));
    }

    #[test]
    fn over_many_nights_everybody_has_been_with_and_without_everybody_he_gets_on_with() {
        let apart = |a: usize, b: usize| a / 3 == b / 3;
        let nights: Vec<Vec<Vec<usize>>> = (0..100).map(|seed| draw(12, apart, Seed(seed))).collect();
        for a in 0..12 {
            for b in (0..12).filter(|b| !apart(a, *b)) {
                let together =
                    |groups: &&Vec<Vec<usize>>| groups.iter().any(|group| group.contains(&a) && group.contains(&b));
                let nights = nights.iter().filter(together).count();
                assert!((1..100).contains(&nights), "{a} and {b}: {nights} nights");
            }
        }
    }
}
