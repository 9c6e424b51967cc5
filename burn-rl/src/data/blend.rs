//! Several data sets as one endless walk.

use burn_vlm::rng::{mix, uniform};

/// Which set comes when, as a function of seed and position: a set is drawn for every position
/// with its probability, and each set is walked through in its own order.
#[derive(Debug, Clone)]
pub struct Blend {
    /// Running sums of the probabilities.
    bounds: Vec<f64>,
    seed: u64,
    /// The position that is asked for next, and how often each set came before it.
    at: u64,
    counts: Vec<u64>,
}

impl Blend {
    /// A blend of sets by weights that need not sum to one.
    pub fn new(weights: &[f64], seed: u64) -> Self {
        let total: f64 = weights.iter().sum();
        let mut sum = 0.0;
        let bound = |weight: &f64| {
            sum += weight / total;
            sum
        };
        Self {
            bounds: weights.iter().map(bound).collect(),
            seed,
            at: 0,
            counts: vec![0; weights.len()],
        }
    }

    /// The set at a position, and how many positions before it had the same.
    pub fn at(&mut self, position: u64) -> (usize, u64) {
        if position < self.at {
            self.at = 0;
            self.counts.fill(0);
        }
        while self.at < position {
            let set = self.draw(self.at);
            self.counts[set] += 1;
            self.at += 1;
        }
        let set = self.draw(position);
        (set, self.counts[set])
    }

    fn draw(&self, position: u64) -> usize {
        let u = uniform(mix(mix(0xb1e4d, self.seed), position));
        let last = self.bounds.len().saturating_sub(1);
        self.bounds[..last]
            .iter()
            .position(|b| u < *b)
            .unwrap_or(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_weights_and_each_set_is_walked_without_gaps() {
        let mut blend = Blend::new(&[3.0, 1.0], 7);
        let mut next = [0, 0];
        for position in 0..4000 {
            let (set, index) = blend.at(position);
            assert_eq!(index, next[set]);
            next[set] += 1;
        }
        // Four standard deviations of a binomial of 4,000 draws with p = 3/4.
        assert!(
            (next[0] as f64 - 3000.0).abs() < 4.0 * 750_f64.sqrt(),
            "{next:?}"
        );
    }

    #[test]
    fn a_position_does_not_depend_on_what_was_asked_before() {
        let mut used = Blend::new(&[1.0, 1.0, 2.0], 3);
        let walked: Vec<_> = (0..200).map(|i| used.at(i)).collect();
        assert_eq!(used.at(17), walked[17]);
        assert_eq!(Blend::new(&[1.0, 1.0, 2.0], 3).at(150), walked[150]);
    }

    #[test]
    fn one_set_is_itself() {
        let mut blend = Blend::new(&[0.2], 1);
        assert!((0..50).all(|i| blend.at(i) == (0, i)));
    }
}
