//! Configurations that make no sense are refused before anything is loaded, with the key, what was
//! found and what was expected.

#![allow(clippy::unwrap_used)]

use burn_rl::{algo::Registry, config::RunConfig};

fn refusal(text: &str) -> String {
    let base = "model.path = \"m\"\ndata.train = \"d\"\n";
    let config: RunConfig = toml::from_str(&format!("{base}{text}")).unwrap();
    match config.check(&Registry::builtin(), &burn_rewards::Registry::builtin()) {
        Ok(()) => "accepted".into(),
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    let found = refusal(text);
    for part in expected {
        assert!(found.contains(part), "no `{part}` in: {found}");
    }
}

#[test]
fn what_makes_sense_is_accepted() {
    for text in [
        "",
        "train = { freezing_actor_steps = 3 }\nalgo.name = \"ppo\"",
        "train = { reference_refresh_steps = 5 }\nalgo = { name = \"grpo\", beta = 0.1 }",
        "train = { reference = \"teacher\" }\nalgo.name = \"on_policy_distillation\"",
        "eval = { draws = 4, temperature = 0.8 }",
        "optim = { schedule = \"linear\", warmup_ratio = 0.03 }",
    ] {
        assert_eq!(refusal(text), "accepted", "{text}");
    }
}

#[test]
fn training() {
    refused(
        "train.freezing_actor_steps = 2",
        &["train.freezing_actor_steps", "no critic", "expected 0"],
    );
    let no_reference = ["no part of this algorithm reads one"];
    let algo = "algo = { name = \"grpo\", beta = 0 }";
    refused(
        &format!("{algo}\ntrain.reference_refresh_steps = 2"),
        &no_reference,
    );
    refused(&format!("{algo}\ntrain.reference = \"t\""), &no_reference);
    refused(
        "algo.name = \"on_policy_distillation\"",
        &["train.reference is empty", "expected a teacher's directory"],
    );
    refused(
        "train = { reference_refresh_steps = 2, reference = \"t\" }",
        &["expected only one of them"],
    );
    refused(
        "train.average_decay = 1.0",
        &["train.average_decay is 1, expected 0 to 0.999999"],
    );
    refused(
        "train.target_kl = -0.1",
        &["train.target_kl is -0.1, expected 0 or more"],
    );
    refused(
        "train.max_skipped_updates = 0",
        &["train.max_skipped_updates is 0"],
    );
    refused(
        "train.demonstrations.rows = 0",
        &["train.demonstrations.rows is 0"],
    );
}

#[test]
fn optimisers() {
    refused(
        "optim = { warmup_steps = 2, warmup_ratio = 0.1 }",
        &[
            "optim.warmup_steps is 2",
            "optim.warmup_ratio is 0.1",
            "only one",
        ],
    );
    refused(
        "critic.optim.lr = -1.0",
        &["critic.optim.lr is -1, expected 0 to 1000"],
    );
    for epsilon in ["0.0", "-1.0", "1e-50", "nan"] {
        let message = &["optim.epsilon is", "expected more than 0 and at most 1"];
        refused(&format!("optim.epsilon = {epsilon}"), message);
    }
    refused("optim.lr = 1e39", &["optim.lr is 1"]);
    refused("optim.beta1 = 1.0", &["optim.beta1 is 1"]);
}

#[test]
fn evaluation() {
    refused("eval.draws = 0", &["eval.draws is 0, expected at least 1"]);
    refused(
        "eval.draws = 4",
        &["eval.draws is 4", "temperature above 0"],
    );
    refused(
        "eval.weights = \"average\"",
        &["eval.weights is `average`", "train.average_decay is 0"],
    );
    refused(
        "eval = { top_p = 0.0, temperature = 1.0 }",
        &["eval.top_p is 0"],
    );
}

#[test]
fn rewards_and_groups() {
    refused(
        "algo = { name = \"grpo\", accuracy_low = 0.1, accuracy_part = \"acuracy\" }",
        &["acuracy", "expected one of: accuracy, format"],
    );
    refused(
        "rollout.samples_per_prompt = 1",
        &["rollout.samples_per_prompt is 1", "at least 2"],
    );
}
