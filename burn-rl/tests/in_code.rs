//! Runs that are assembled in code: the examples, and what the builder refuses.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

#[path = "../examples/train_in_code.rs"]
mod train_in_code;
#[path = "../examples/train_tabular.rs"]
mod train_tabular;

use burn::{
    module::Param,
    tensor::{Device, Tensor},
};
use burn_rl::{
    NoObserver, Policy, RlError, Trainer, TrainerBuilder,
    config::{EvalConfig, TrainConfig},
    trainer::RunEnd,
    types::Prompt,
};
use burn_vlm::{Processor, Vlm};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};
use train_tabular::{Host, Table};

fn demo_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/trainer/assets/demo")
}

#[test]
fn a_policy_that_is_no_language_model_learns() {
    let curve = train_tabular::train(40).unwrap();
    // 64 draws a step, a fifth of them right at first: standard deviation 0.05.
    assert!((0.05..0.4).contains(&curve[0]), "{curve:?}");
    assert!(curve[35..].iter().all(|share| *share > 0.9), "{curve:?}");
}

#[test]
fn a_model_directory_is_trained_in_code() {
    let history = train_in_code::train(&demo_model(), 2).unwrap();
    assert_eq!(history.get("reward/mean").len(), 2);
    let norms = history.get("optim/grad_norm");
    assert!(norms.iter().all(|(_, norm)| *norm > 0.0), "{norms:?}");
}

/// A bandit with everything it needs.
fn bandit() -> TrainerBuilder<Table> {
    let logits = Param::from_tensor(Tensor::zeros([4, 5], &Device::flex()));
    let states = (0..4).map(|s: u32| Prompt::of_tokens(s.to_string(), vec![s], s.to_string()));
    Trainer::of_policy(Table { logits }, Host::default())
        .prompts(states.collect::<Vec<_>>())
        .reward_fn(|x| f64::from(u8::from(x.response == x.answer)))
        .prompts_per_step(4)
        .learning_rate(0.1)
}

/// Everything a run has but a model: resumed in the middle it ends with the same bits.
#[test]
fn a_policy_of_ones_own_is_resumed_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let (straight, resumed) = (dir.path().join("straight"), dir.path().join("resumed"));
    let run = |steps| {
        let train = TrainConfig {
            steps,
            epochs: 2,
            average_decay: 0.5,
            reference_refresh_steps: 2,
            ..TrainConfig::default()
        };
        bandit().train(train)
    };
    let end = run(6)
        .run_dir(&straight)
        .build()
        .unwrap()
        .run(&mut NoObserver);
    assert_eq!(end.unwrap().end, RunEnd::Done);
    run(3)
        .run_dir(&resumed)
        .build()
        .unwrap()
        .run(&mut NoObserver)
        .unwrap();
    let mut second = run(6).resume(&resumed).build().unwrap();
    assert_eq!(second.done(), 3);
    let history = second.run(&mut NoObserver).unwrap().history;
    assert_eq!(history.get("reward/mean").first().unwrap().0, 4.0);
    for name in [
        "model.safetensors",
        "optimizer.safetensors",
        "learner_state.json",
        "average/model.safetensors",
        "reference/model.safetensors",
    ] {
        let bytes = |run: &Path| fs::read(run.join("checkpoints/step_000006").join(name)).unwrap();
        assert!(bytes(&straight) == bytes(&resumed), "{name}");
    }
}

#[test]
fn without_a_run_directory_nothing_is_written_and_a_stop_is_heard() {
    let stop = Arc::new(AtomicBool::new(true));
    let mut trainer = bandit().stop_flag(stop).build().unwrap();
    let outcome = trainer.run(&mut NoObserver).unwrap();
    assert_eq!(outcome.end, RunEnd::Interrupted);
    assert!(outcome.history.names().next().is_none());
    assert!(trainer.run_dir().is_none());
}

#[test]
fn several_sets_are_measured() {
    let set = |name: &str| EvalConfig {
        name: name.into(),
        ..EvalConfig::default()
    };
    let prompts = |n: u32| -> Vec<Prompt> {
        let prompt = |s: u32| Prompt::of_tokens(s.to_string(), vec![s], s.to_string());
        (0..n).map(prompt).collect()
    };
    let mut trainer = bandit()
        .evaluation(set("few"), prompts(2))
        .evaluation(set("all"), prompts(4))
        .steps(2)
        .build()
        .unwrap();
    let history = trainer.run(&mut NoObserver).unwrap().history;
    for set in ["few", "all"] {
        let curve = history.get(&format!("eval/{set}/pass@1"));
        let steps: Vec<f64> = curve.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, [0.0, 2.0], "{set}");
    }
}

#[track_caller]
fn refused<P: Policy>(builder: TrainerBuilder<P>, expected: &str) {
    let error: RlError = builder.build().err().unwrap();
    let message = error.to_string();
    assert!(message.contains(expected), "{message}");
    assert!(error.is_input(), "{message}");
}

#[test]
fn mistakes_are_refused_at_build_with_the_way_out() {
    let model = || {
        let dir = demo_model();
        let model = Vlm::from_dir(&dir, &Device::flex()).unwrap();
        Trainer::builder(model, Processor::from_dir(&dir).unwrap())
    };
    let asked = || model().prompts(vec![("2 + 2?", "4")]).reward_fn(|_| 0.0);
    refused(model(), ".prompts(");
    refused(model().prompts(vec![("2 + 2?", "4")]), ".reward_fn(");
    refused(asked().algorithm("grop"), "grpo");
    refused(
        asked().samples_per_prompt(1),
        "rollout.samples_per_prompt is 1",
    );
    refused(asked().prompts_per_step(0), "rollout.prompts_per_step is 0");
    refused(asked().learning_rate(-1.0), "optim.lr is -1");
    refused(asked().prompts("no/such/file.jsonl"), "no/such/file.jsonl");
    refused(
        asked().prompts(vec![("<image>What?", "x")]),
        "rows made in code:1",
    );
    refused(
        asked().prompts(Vec::<Prompt>::new()),
        "list of prompts is empty",
    );
    refused(asked().freeze(&["vissual"]), "vissual");
    refused(asked().stop_tokens(vec![u32::MAX]), "vocab_size");
    refused(bandit().prompts("rows.jsonl"), "no processor");
    refused(bandit().algorithm("ppo"), ".critic(model)");
}
