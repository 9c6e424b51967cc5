//! Which row comes when, as a function of seed and position.

use burn_vlm::rng::mix;
use serde::{Deserialize, Serialize};

/// Whether rows come by how hard they are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Curriculum {
    /// They do not.
    #[default]
    None,
    /// In every epoch the easy ones first.
    EasyFirst,
    /// In every epoch the hard ones first.
    HardFirst,
}

/// An endless walk over a data set, epoch after epoch.
#[derive(Debug, Clone)]
pub struct Order {
    rows: usize,
    shuffle: bool,
    seed: u64,
    /// What each epoch is sorted by, the smallest first; rows that are equal keep their order.
    rank: Option<Vec<f64>>,
    /// The epoch whose permutation is at hand.
    epoch: Option<(u64, Vec<usize>)>,
}

impl Order {
    /// A walk over `rows` rows, in a new order every epoch if `shuffle`.
    pub fn new(rows: usize, shuffle: bool, seed: u64) -> Self {
        Self {
            rows,
            shuffle,
            seed,
            rank: None,
            epoch: None,
        }
    }

    /// The same walk with every epoch sorted by `rank`, one number a row, the smallest first. Rows
    /// that are equal stay in the order they had.
    pub fn ranked(mut self, rank: Vec<f64>) -> Self {
        self.rank = Some(rank);
        self
    }

    /// The row at a position of the walk.
    /// Of a set without rows there is none; then it is 0.
    pub fn row(&mut self, position: u64) -> usize {
        let rows = self.rows.max(1) as u64;
        let (epoch, index) = (position / rows, (position % rows) as usize);
        if !self.shuffle && self.rank.is_none() {
            return index;
        }
        match &self.epoch {
            Some((current, permutation)) if *current == epoch => permutation[index],
            _ => {
                let mut permutation = match self.shuffle {
                    true => permutation(self.rows, mix(mix(0x0dde, self.seed), epoch)),
                    false => (0..self.rows).collect(),
                };
                if let Some(rank) = &self.rank {
                    permutation.sort_by(|a, b| rank[*a].total_cmp(&rank[*b]));
                }
                let row = permutation[index];
                self.epoch = Some((epoch, permutation));
                row
            }
        }
    }
}

/// Fisher and Yates' shuffle of `0..n`.
fn permutation(n: usize, key: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        let j = (u128::from(mix(key, i as u64)) * (i as u128 + 1)) >> 64;
        order.swap(i, j as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_visits_every_row_once_in_an_order_of_its_own() {
        let mut order = Order::new(20, true, 1);
        let epochs: Vec<Vec<usize>> = (0..3)
            .map(|e| (0..20).map(|i| order.row(e * 20 + i)).collect())
            .collect();
        for epoch in &epochs {
            let mut sorted = epoch.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..20).collect::<Vec<_>>());
        }
        assert!(epochs[0] != epochs[1] && epochs[1] != epochs[2]);
    }

    #[test]
    fn a_position_does_not_depend_on_what_was_asked_before() {
        let mut fresh = Order::new(7, true, 3);
        let mut used = Order::new(7, true, 3);
        (0..30).for_each(|i| {
            used.row(i);
        });
        assert_eq!(fresh.row(17), used.row(17));
        assert_ne!(
            (0..7).map(|i| fresh.row(i)).collect::<Vec<_>>(),
            (0..7)
                .map(|i| Order::new(7, true, 4).row(i))
                .collect::<Vec<_>>()
        );
    }

    #[test]
    fn a_ranked_epoch_is_sorted_and_still_shuffled_among_equals() {
        let rank: Vec<f64> = (0..30).map(|i| f64::from(i % 3)).collect();
        let mut order = Order::new(30, true, 5).ranked(rank.clone());
        let epochs: Vec<Vec<usize>> = (0..2)
            .map(|e| (0..30).map(|i| order.row(e * 30 + i)).collect())
            .collect();
        for epoch in &epochs {
            assert!(epoch.is_sorted_by(|a, b| rank[*a] <= rank[*b]));
        }
        assert_ne!(epochs[0], epochs[1]);
        let mut in_file_order = Order::new(30, false, 5).ranked(rank);
        let first: Vec<usize> = (0..10).map(|i| in_file_order.row(i)).collect();
        assert_eq!(first, (0..10).map(|i| 3 * i).collect::<Vec<_>>());
    }
}
