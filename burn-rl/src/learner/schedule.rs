//! The learning rate of a step.

use crate::config::{LrSchedule, OptimConfig};

/// The rate of `step`, counted from 1, in a run of `steps`; a step 0 has that of the first.
///
/// It rises in equal parts over the warm-up and reaches its peak at the first step after it. What
/// falls from there would reach its floor at the step after the last one, as transformers' and
/// OpenRLHF's schedules do: so a fall to 0 has no step that learns nothing, at either end.
pub fn learning_rate(config: &OptimConfig, step: u64, steps: u64) -> f64 {
    let (done, warmup) = (
        step.saturating_sub(1) as f64,
        warmup_steps(config, steps) as f64,
    );
    if done < warmup {
        return config.lr * (done + 1.0) / (warmup + 1.0);
    }
    let progress = ((done - warmup) / (steps as f64 - warmup).max(1.0)).min(1.0);
    let height = match config.schedule {
        LrSchedule::Constant => return config.lr,
        LrSchedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * progress).cos()),
        LrSchedule::Linear => 1.0 - progress,
    };
    config.lr * (config.min_lr_ratio + (1.0 - config.min_lr_ratio) * height)
}

fn warmup_steps(config: &OptimConfig, steps: u64) -> u64 {
    match config.warmup_ratio > 0.0 {
        true => (config.warmup_ratio * steps as f64).ceil() as u64,
        false => config.warmup_steps,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: LrSchedule, min_lr_ratio: f64, warmup_steps: u64, steps: u64) -> Vec<f64> {
        let config = OptimConfig {
            lr: 1.0,
            warmup_steps,
            schedule,
            min_lr_ratio,
            ..OptimConfig::default()
        };
        (1..=steps)
            .map(|step| learning_rate(&config, step, steps))
            .collect()
    }

    #[track_caller]
    fn assert_close(found: &[f64], expected: &[f64]) {
        let near = |(a, b): (&f64, &f64)| (a - b).abs() < 1e-12;
        assert!(
            found.len() == expected.len() && found.iter().zip(expected).all(near),
            "{found:?} {expected:?}"
        );
    }

    #[test]
    fn by_hand() {
        let cosine = rates(LrSchedule::Cosine, 0.1, 3, 7);
        // After the warm-up: 0.1 + 0.9 · (1 + cos(π·k/4)) / 2 for k = 0..4.
        let half = std::f64::consts::FRAC_1_SQRT_2;
        let expected = [
            0.25,
            0.5,
            0.75,
            1.0,
            0.1 + 0.45 * (1.0 + half),
            0.55,
            0.1 + 0.45 * (1.0 - half),
        ];
        assert_close(&cosine, &expected);
        let linear = rates(LrSchedule::Linear, 0.2, 1, 5);
        assert_close(&linear, &[0.5, 1.0, 0.8, 0.6, 0.4]);
        assert_close(&rates(LrSchedule::Constant, 0.0, 1, 3), &[0.5, 1.0, 1.0]);
    }

    #[test]
    fn no_step_is_wasted_and_none_is_below_the_floor() {
        for schedule in [LrSchedule::Cosine, LrSchedule::Linear] {
            for warmup in [0, 1, 4] {
                let rates = rates(schedule, 0.0, warmup, 4);
                assert!(rates.iter().all(|r| *r > 0.0), "{schedule:?} {rates:?}");
            }
            let config = OptimConfig {
                schedule,
                lr: 1.0,
                min_lr_ratio: 0.1,
                ..OptimConfig::default()
            };
            assert!((learning_rate(&config, 100, 8) - 0.1).abs() < 1e-12);
        }
    }

    #[test]
    fn a_share_of_all_steps_is_rounded_up() {
        let config = OptimConfig {
            lr: 1.0,
            warmup_ratio: 0.03,
            ..OptimConfig::default()
        };
        // ⌈0.03 · 40⌉ = 2 steps of warm-up.
        let rates: Vec<f64> = (1..=3).map(|s| learning_rate(&config, s, 40)).collect();
        assert_close(&rates, &[1.0 / 3.0, 2.0 / 3.0, 1.0]);
    }
}
