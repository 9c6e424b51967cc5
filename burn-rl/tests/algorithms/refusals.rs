//! Combinations that make no sense, each refused with the reason.

use burn_rl::{
    algo::{ALGORITHMS, find},
    error::RlError,
    recipe::Recipe,
    types::RunFacts,
};

fn build(name: &str, options: &str) -> Result<Recipe, RlError> {
    (find(name)?.build)(&toml::from_str(options).unwrap())
}

#[track_caller]
fn refused(name: &str, options: &str, words: &[&str]) {
    let error = build(name, options).map(|_| ()).unwrap_err();
    assert!(error.is_input(), "{error}");
    let message = error.to_string();
    for word in words {
        assert!(message.contains(word), "{name}: {message}");
    }
}

fn facts() -> RunFacts {
    RunFacts {
        samples_per_prompt: 8,
        max_new_tokens: 20480,
        reward_parts: vec!["accuracy".into(), "format".into()],
    }
}

#[track_caller]
fn refused_in_run(name: &str, options: &str, run: &RunFacts, words: &[&str]) {
    let recipe = build(name, options).unwrap();
    assert!(
        recipe.check_run(&facts()).is_ok(),
        "{name} fits an ordinary run"
    );
    let message = recipe.check_run(run).unwrap_err().to_string();
    for word in words {
        assert!(message.contains(word), "{name}: {message}");
    }
}

#[test]
fn group_estimators_of_one_completion() {
    let alone = RunFacts {
        samples_per_prompt: 1,
        ..facts()
    };
    let mut compared = 0;
    for entry in ALGORITHMS {
        let recipe = build(entry.name, "").unwrap();
        match recipe.needs().groups {
            true => {
                let message = recipe.check_run(&alone).unwrap_err().to_string();
                assert!(message.contains("samples_per_prompt is 1"), "{message}");
                compared += 1;
            }
            false => recipe.check_run(&alone).unwrap(),
        }
    }
    assert!(compared >= 18, "{compared}");
    assert!(!build("reinforce_pp", "").unwrap().needs().groups);
    assert!(!build("ppo", "").unwrap().needs().groups);
    assert!(
        !build("grpo", "baseline = \"moving_average\"\nscale = \"none\"")
            .unwrap()
            .needs()
            .groups
    );
}

#[test]
fn a_critic_that_is_missing_or_idle() {
    refused("ppo", "critic = false", &["algo.critic", "need a critic"]);
    refused(
        "grpo",
        "baseline = \"critic\"",
        &["algo.critic", "need a critic"],
    );
    refused("grpo", "critic = true", &["nothing would read its values"]);
    refused("ppo", "baseline = \"group_mean\"", &["algo.critic"]);
    assert!(
        build(
            "grpo",
            "baseline = \"critic\"\ncritic = true\nscale = \"none\""
        )
        .is_ok()
    );
}

#[test]
fn a_kl_without_a_reference() {
    refused(
        "dapo",
        "kl_target = 0.1",
        &["algo.kl_target", "reference", "algo.beta"],
    );
    refused("grpo", "beta = 0.0\nkl_target = 0.1", &["reference"]);
    assert!(!build("grpo", "beta = 0").unwrap().needs().ref_logp);
    assert!(build("grpo", "").unwrap().needs().ref_logp);
}

#[test]
fn an_overlong_penalty_that_cannot_be() {
    refused(
        "dapo",
        "overlong_horizon = 100",
        &["overlong_horizon is 100", "overlong_buffer", "4096"],
    );
    refused("dapo", "overlong_buffer = 0", &["overlong_buffer is 0"]);
    let short = RunFacts {
        max_new_tokens: 512,
        ..facts()
    };
    refused_in_run(
        "dapo",
        "",
        &short,
        &["max_new_tokens is 512", "overlong_horizon"],
    );
}

#[test]
fn bounds_of_tokens_for_ratios_of_sequences() {
    refused(
        "grpo",
        "ratio_level = \"sequence\"",
        &["ratio_level", "0.2", "those of a token"],
    );
    refused("gspo", "clip_high = 0.2", &["those of a token"]);
    assert!(
        build(
            "grpo",
            "ratio_level = \"sequence\"\nclip_low = 3e-4\nclip_high = 4e-4"
        )
        .is_ok()
    );
    refused("rloo", "ratio_level = \"sequence\"", &["takes no ratio"]);
    refused("sapo", "ratio_level = \"geometric\"", &["geometric"]);
}

#[test]
fn a_reward_part_that_nothing_produces() {
    let run = RunFacts {
        reward_parts: vec!["format".into()],
        ..facts()
    };
    refused_in_run(
        "mm_eureka",
        "",
        &run,
        &["accuracy_part is `accuracy`", "format"],
    );
}

#[test]
fn other_values() {
    refused(
        "grpo",
        "clip_low = -0.1",
        &["algo.clip_low is -0.1, expected 0 or more"],
    );
    refused(
        "grpo",
        "gamma = 1.5",
        &["algo.gamma is 1.5, expected 0 to 1"],
    );
    refused("grpo", "horizon = 10.0", &["sequence_sum"]);
    refused(
        "grpo",
        "clip_hihg = 0.3",
        &["unknown field `clip_hihg`", "`clip_high`"],
    );
    refused("grpo", "kl = \"k4\"", &["unknown variant `k4`", "`k3`"]);
    refused(
        "sft",
        "baseline = \"none\"",
        &["`baseline` does nothing in sft"],
    );
    refused("grpo", "refill_rounds = 3", &["no filter"]);
    refused(
        "grpo",
        "accuracy_low = 0.9\naccuracy_high = 0.1",
        &["accuracy_low"],
    );
    refused(
        "grpo",
        "correction = \"truncate\"\nratio_anchor = \"sampler\"",
        &["one of them"],
    );
    refused("cpgd", "clip_low = 1.0", &["algo.clip_low is 1"]);
    refused("clip_cov", "cov_low = 9.0", &["algo.cov_low"]);
    refused("kl_cov", "cov_share = 0.0", &["more than 0"]);
    let message = find("gpro").map(|_| ()).unwrap_err().to_string();
    assert!(
        message.contains("`gpro`") && message.contains("grpo"),
        "{message}"
    );
}

#[test]
fn names_as_people_spell_them() {
    for (spelled, name) in [
        ("GRPO", "grpo"),
        ("drgrpo", "dr_grpo"),
        ("dr-grpo", "dr_grpo"),
        ("Dr. GRPO", "dr_grpo"),
        ("reinforce++", "reinforce_pp"),
        ("reinforce_plus_plus", "reinforce_pp"),
        ("REINFORCE++-baseline", "reinforce_pp_baseline"),
        ("reinforce_plus_plus_baseline", "reinforce_pp_baseline"),
        ("clip-cov", "clip_cov"),
        ("klcov", "kl_cov"),
        ("liteppo", "lite_ppo"),
        ("maxrl", "max_rl"),
        ("mm-eureka", "mm_eureka"),
        ("opd", "on_policy_distillation"),
        ("on-policy-distillation", "on_policy_distillation"),
    ] {
        assert_eq!(find(spelled).unwrap().name, name);
    }
    let mut spellings: Vec<String> = ALGORITHMS
        .iter()
        .flat_map(|e| {
            e.aliases
                .iter()
                .chain([&e.name])
                .map(|n| n.replace('_', ""))
        })
        .collect();
    let all = spellings.len();
    spellings.sort();
    spellings.dedup();
    assert_eq!(spellings.len(), all, "two algorithms share a spelling");
}
