//! Advantages of a whole batch brought to mean 0 and variance 1.

use crate::types::ScoredBatch;
use serde::{Deserialize, Serialize};

/// Smallest variance that is divided by, as in OpenRLHF's replay buffer
/// (<https://github.com/OpenRLHF/OpenRLHF>).
const MIN_VARIANCE: f64 = 1e-8;

/// What is done to the advantages of a batch together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whiten {
    /// Nothing.
    #[default]
    None,
    /// Their mean over tokens is subtracted.
    Mean,
    /// Their mean over tokens is subtracted and they are divided by their standard deviation.
    Full,
}

/// Whitens by mean and variance of the tokens that take part; the variance divides by `n − ddof`.
pub fn whiten(batch: &ScoredBatch, advantages: &mut [Vec<f64>], mode: Whiten, ddof: u8) {
    if mode == Whiten::None {
        return;
    }
    let active = || {
        let rows = batch.samples.iter().zip(advantages.iter());
        rows.flat_map(|(s, row)| s.mask.iter().zip(row).filter(|(m, _)| **m))
            .map(|(_, a)| *a)
    };
    let n = active().count() as f64;
    if n == 0.0 {
        return;
    }
    let mean = active().sum::<f64>() / n;
    let free = (n - f64::from(ddof)).max(1.0);
    let variance = active().map(|a| (a - mean).powi(2)).sum::<f64>() / free;
    let divisor = match mode {
        Whiten::Full => variance.max(MIN_VARIANCE).sqrt(),
        _ => 1.0,
    };
    for a in advantages.iter_mut().flatten() {
        *a = (*a - mean) / divisor;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Sample;

    #[test]
    fn by_hand() {
        let sample = |mask: &[bool]| Sample {
            mask: mask.to_vec(),
            ..Sample::default()
        };
        let batch = ScoredBatch::from_groups([vec![sample(&[true, false]), sample(&[true])]]);
        let run = |mode, ddof| {
            let mut advantages = vec![vec![1.0, 9.0], vec![5.0]];
            whiten(&batch, &mut advantages, mode, ddof);
            advantages
        };
        assert_eq!(run(Whiten::None, 0), [vec![1.0, 9.0], vec![5.0]]);
        assert_eq!(run(Whiten::Mean, 0), [vec![-2.0, 6.0], vec![2.0]]);
        assert_eq!(run(Whiten::Full, 0), [vec![-1.0, 3.0], vec![1.0]]);
        let unbiased = run(Whiten::Full, 1);
        assert!(
            (unbiased[1][0] - 0.5f64.sqrt()).abs() < 1e-12,
            "{unbiased:?}"
        );
    }
}
