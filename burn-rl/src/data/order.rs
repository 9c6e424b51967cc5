//! Which row comes when, as a function of seed and position.

use burn_vlm::generate::rng::mix;

/// An endless walk over a data set, epoch after epoch.
#[derive(Debug, Clone)]
pub struct Order {
    rows: usize,
    shuffle: bool,
    seed: u64,
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
            epoch: None,
        }
    }

    /// The row at a position of the walk.
    ///
    /// # Panics
    /// If there are no rows.
    pub fn row(&mut self, position: u64) -> usize {
        let rows = self.rows as u64;
        let (epoch, place) = (position / rows, (position % rows) as usize);
        if !self.shuffle {
            return place;
        }
        match &self.epoch {
            Some((current, permutation)) if *current == epoch => permutation[place],
            _ => {
                let permutation = permutation(self.rows, mix(mix(0x0dde, self.seed), epoch));
                let row = permutation[place];
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
}
