//! The loop learns: of four answers that are equally likely at first, the rewarded one takes over.

#![allow(clippy::unwrap_used)]

mod common;

use burn_rl::trainer::Outcome;
use common::{ANSWERS, Silent, demonstrated, tiny, train, write_bandit};

#[test]
fn reward_rises_and_falls_with_the_sign_of_the_weight() {
    let dir = tempfile::tempdir().unwrap();
    let model = demonstrated(dir.path()).canonicalize().unwrap();
    let data = write_bandit(&dir.path().join("asked"), 8, Some(ANSWERS[2]));
    // The share of right answers, step after step.
    let accuracy = |name: &str, weight: f64| -> Vec<f64> {
        let config = format!(
            r#"
            model.path = "{model}"
            data.train = "{data}"
            rollout.prompts_per_step = 8
            rollout.samples_per_prompt = 8
            rollout.sampling.max_new_tokens = 6
            reward.parts = [{{ rule = "answer_exact", weight = {weight} }}]
            algo = {{ name = "grpo", beta = 0 }}
            train = {{ steps = 12, mini_batches = 2 }}
            optim.lr = 3e-3
            checkpoint.every = 0
            "#,
            model = model.display(),
            data = data.display(),
        );
        let run = dir.path().join(name);
        assert_eq!(train(&config, &run, &mut Silent), Outcome::Done);
        let metrics = tiny::reproducible_metrics(&run);
        metrics
            .iter()
            .map(|line| line["reward/accuracy"].as_f64().unwrap())
            .collect()
    };
    // 64 completions a step, a quarter of them right at first: standard deviation 0.05.
    let rewarded = accuracy("rewarded", 1.0);
    assert!((0.1..0.45).contains(&rewarded[0]), "{rewarded:?}");
    assert!(rewarded[11] > 0.7, "{rewarded:?}");
    let punished = accuracy("punished", -1.0);
    assert_eq!(punished[0], rewarded[0]);
    assert!(punished[11] < 0.1, "{punished:?}");
}
