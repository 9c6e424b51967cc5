//! The learning rate of a step.

use crate::config::{LrSchedule, OptimConfig};

/// The rate of `step`, counted from 1, in a run of `steps`.
///
/// It rises in equal parts over the warm-up and reaches its peak at the first step after it.
pub fn learning_rate(config: &OptimConfig, step: u64, steps: u64) -> f64 {
    let (done, warmup) = ((step - 1) as f64, config.warmup_steps as f64);
    if done < warmup {
        return config.lr * (done + 1.0) / (warmup + 1.0);
    }
    match config.schedule {
        LrSchedule::Constant => config.lr,
        LrSchedule::Cosine => {
            let span = (steps as f64 - 1.0 - warmup).max(1.0);
            let progress = ((done - warmup) / span).min(1.0);
            let height = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
            config.lr * (config.min_lr_ratio + (1.0 - config.min_lr_ratio) * height)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warms_up_and_falls_to_the_floor() {
        let config = OptimConfig {
            lr: 1.0,
            warmup_steps: 3,
            schedule: LrSchedule::Cosine,
            min_lr_ratio: 0.1,
            ..OptimConfig::default()
        };
        let rates: Vec<f64> = (1..=8)
            .map(|step| learning_rate(&config, step, 8))
            .collect();
        for (got, expected) in rates.iter().zip([0.25, 0.5, 0.75, 1.0]) {
            assert!((got - expected).abs() < 1e-12, "{rates:?}");
        }
        assert!(
            (rates[5] - 0.55).abs() < 1e-12 && (rates[7] - 0.1).abs() < 1e-12,
            "{rates:?}"
        );
        assert!((learning_rate(&config, 100, 8) - 0.1).abs() < 1e-12);
    }
}
