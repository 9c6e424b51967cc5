//! The loop learns: of four answers that are equally likely at first, the rewarded one takes over.

#![allow(clippy::unwrap_used)]

mod common;

use burn_rl::trainer::RunEnd;
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
        assert_eq!(train(&config, &run, &mut Silent), RunEnd::Done);
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

/// Demonstrations beside rewards are the loss of supervised fine-tuning, times their weight.
#[test]
fn a_term_of_demonstrations_is_fine_tuning_times_its_weight() {
    let dir = tempfile::tempdir().unwrap();
    let model = dir.path().join("model");
    tiny::write_model(&model, 0);
    let shown = write_bandit(&dir.path().join("shown"), 12, None);
    let asked = write_bandit(&dir.path().join("asked"), 4, Some("green"));
    let run = |name: &str, rest: &str| {
        let config = format!(
            r#"
            model.path = "{model}"
            seed = 2
            checkpoint.every = 0
            optim = {{ lr = 1e-3, max_grad_norm = 0 }}
            {rest}
            "#,
            model = model.display(),
        );
        let run = dir.path().join(name);
        assert_eq!(train(&config, &run, &mut Silent), RunEnd::Done);
        tiny::reproducible_metrics(&run).remove(0)
    };
    let shown = shown.display();
    let tuned = run(
        "tuned",
        &format!(
            r#"
            algo.name = "sft"
            data.train = "{shown}"
            rollout.prompts_per_step = 8
            train = {{ steps = 1, micro_batch = 3 }}
            "#
        ),
    );
    // Rewards of weight 0 are all alike: the policy loss has no gradient.
    let mixed = run(
        "mixed",
        &format!(
            r#"
            algo = {{ name = "grpo", beta = 0 }}
            reward.parts = [{{ rule = "answer_exact", weight = 0 }}]
            data.train = "{asked}"
            rollout = {{ prompts_per_step = 2, samples_per_prompt = 2, sampling = {{ max_new_tokens = 4 }} }}
            train = {{ steps = 1, demonstrations = {{ data = "{shown}", coefficient = 0.25, rows = 8 }} }}
            "#,
            asked = asked.display(),
        ),
    );
    let number = |line: &serde_json::Value, key: &str| line[key].as_f64().unwrap();
    let (loss, found) = (
        number(&tuned, "policy/loss"),
        number(&mixed, "policy/demonstration_loss"),
    );
    assert!((loss - found).abs() < 1e-5 * loss, "{loss} {found}");
    let (norm, found) = (
        number(&tuned, "optim/grad_norm"),
        number(&mixed, "optim/grad_norm"),
    );
    assert!((0.25 * norm - found).abs() < 1e-4 * norm, "{norm} {found}");
    assert_eq!(number(&mixed, "policy/loss"), 0.0);
}

/// What ReMax subtracts is the reward of the policy's own greedy completion: that of the evaluation
/// just before.
#[test]
fn the_greedy_baseline_is_the_greedy_reward() {
    let dir = tempfile::tempdir().unwrap();
    let model = demonstrated(dir.path()).canonicalize().unwrap();
    let data = write_bandit(&dir.path().join("asked"), 6, Some(ANSWERS[1]));
    let config = format!(
        r#"
        model.path = "{model}"
        data.train = "{data}"
        rollout = {{ prompts_per_step = 6, samples_per_prompt = 2, sampling = {{ max_new_tokens = 6 }} }}
        reward.parts = [{{ rule = "answer_exact" }}, {{ rule = "answer_format" }}]
        algo.name = "remax"
        train.steps = 1
        eval = {{ data = "{data}", name = "same", max_new_tokens = 6 }}
        "#,
        model = model.display(),
        data = data.display(),
    );
    let run = dir.path().join("run");
    assert_eq!(train(&config, &run, &mut Silent), RunEnd::Done);
    let metrics = tiny::reproducible_metrics(&run);
    let greedy = metrics[1]["reward/greedy"].as_f64().unwrap();
    let evaluated = metrics[0]["eval/same/reward"].as_f64().unwrap();
    assert!((greedy - evaluated).abs() < 1e-12, "{greedy} {evaluated}");
    // Advantages are rewards over that of the prompt's own greedy completion.
    let rewards = tiny::read_rows(&run.join("eval/same/step_000000.jsonl"));
    for row in tiny::read_rows(&run.join("rollouts/step_000001.jsonl")) {
        let own = rewards
            .iter()
            .find(|r| r["prompt_id"] == row["prompt_id"])
            .unwrap();
        let number = |row: &serde_json::Value, key: &str| row[key].as_f64().unwrap();
        let expected = number(&row, "reward") - number(own, "reward");
        assert!((number(&row, "advantage") - expected).abs() < 1e-6, "{row}");
    }
}
