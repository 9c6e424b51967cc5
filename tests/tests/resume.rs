//! A run that was killed and resumed ends with the same bits as one that was not.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

mod common;

use burn::tensor::Device;
use burn_rl::{
    observer::{Event, Observer, Phase},
    run_dir::RunDir,
    trainer::RunEnd,
};
use burn_vlm::{Vlm, freeze::trainable, weights::WeightFiles};
use common::{Silent, demonstrated, start, tiny, train, try_start_on, write_bandit};
use run_log::metric_help;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
};

const STEPS: u64 = 5;

/// GRPO with everything that has a state: a reference model, moments, a schedule, several
/// mini-batches and epochs, evaluations and checkpoints, and data in an order that begins anew.
fn recipe(dir: &Path) -> String {
    let model = demonstrated(dir);
    let questions = write_bandit(&dir.join("asked"), 6, Some("green"));
    format!(
        r#"
        seed = 3
        model.path = "{model}"
        data.train = "{data}"
        rollout.prompts_per_step = 4
        rollout.samples_per_prompt = 4
        rollout.max_batch = 8
        rollout.sampling = {{ max_new_tokens = 5, temperature = 0.9, top_p = 0.98 }}
        algo = {{ name = "grpo", beta = 0.05 }}
        train = {{ steps = {STEPS}, epochs = 2, mini_batches = 2, micro_batch = 3 }}
        optim = {{ lr = 2e-3, warmup_steps = 1, schedule = "cosine", min_lr_ratio = 0.1, weight_decay = 0.01 }}
        eval = {{ data = "{data}", every = 2, samples = 4, max_new_tokens = 5 }}
        checkpoint = {{ every = 2, keep = 2 }}
        "#,
        model = model.canonicalize().unwrap().display(),
        data = questions.display(),
    )
}

/// Continues the run in a directory.
fn resume(text: &str, dir: &Path, watch: &mut dyn Observer) -> RunEnd {
    start(text, RunDir::open(dir).unwrap(), true, watch)
}

/// Runs `training` until `dies` says so of an event, and drops everything there, as a process that
/// is killed does: whatever would have been written later is not.
fn killed(
    training: impl FnOnce(&mut dyn Observer) -> RunEnd,
    dies: impl FnMut(&Event<'_>) -> bool,
) {
    struct Killer<F>(F);
    struct Killed;
    impl<F: FnMut(&Event<'_>) -> bool> Observer for Killer<F> {
        fn event(&mut self, event: Event<'_>) {
            if (self.0)(&event) {
                resume_unwind(Box::new(Killed));
            }
        }
    }
    let mut killer = Killer(dies);
    let end = catch_unwind(AssertUnwindSafe(|| training(&mut killer)));
    assert!(
        end.is_err_and(|cause| cause.is::<Killed>()),
        "it was to be killed"
    );
}

/// Every file that must be the same, by its path in the run directory.
fn files(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut dirs = ["rollouts", "eval", "checkpoints"]
        .map(|name| run.join(name))
        .to_vec();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(run).unwrap().to_path_buf();
            if path.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, target.into_os_string().into_encoded_bytes());
            } else if path.is_dir() {
                dirs.push(path);
            } else {
                found.insert(name, fs::read(path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn assert_same(run: &Path, straight: &Path) {
    assert_eq!(
        tiny::reproducible_metrics(run),
        tiny::reproducible_metrics(straight)
    );
    let (found, expected) = (files(run), files(straight));
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (name, bytes) in &expected {
        assert!(found[name] == *bytes, "{} differs", name.display());
    }
}

#[test]
fn a_killed_and_resumed_run_is_one_that_was_not() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let recipe = recipe(dir.path());
    let straight = at("straight");
    assert_eq!(train(&recipe, &straight, &mut Silent), RunEnd::Done);

    // The comparison is worth something only if the steps learn something.
    let metrics = tiny::reproducible_metrics(&straight);
    assert_eq!(metrics.len() as u64, STEPS + 1);
    for line in &metrics[1..] {
        let positive = |key: &str| assert!(line[key].as_f64().unwrap() > 0.0, "{key}: {line}");
        ["reward/std", "optim/grad_norm", "optim/lr"]
            .iter()
            .copied()
            .for_each(positive);
    }
    assert!(metrics[3]["policy/kl_ref"].as_f64().unwrap() > 0.0);
    let expected = files(&straight);
    for name in [
        "step_000004/optimizer.safetensors",
        "step_000005/model.safetensors",
        "latest",
    ] {
        assert!(
            expected.contains_key(&Path::new("checkpoints").join(name)),
            "no {name}"
        );
    }

    // After the third step, whose numbers are written and whose checkpoint is not due.
    let run = at("after_a_step");
    let dies = |event: &Event<'_>| matches!(event, Event::Stepped(3, _));
    killed(|watch| train(&recipe, &run, watch), dies);
    assert_eq!(tiny::reproducible_metrics(&run).len(), 4);
    assert_eq!(resume(&recipe, &run, &mut Silent), RunEnd::Done);
    assert_same(&run, &straight);

    // In the middle of sampling, twice: before there is any checkpoint, and with two.
    let run = at("while_sampling");
    let dies_in = |n: u32| {
        let mut rollouts = 0;
        move |event: &Event<'_>| {
            rollouts += u32::from(matches!(event, Event::Progress(Phase::Rollout, 0, _)));
            rollouts == n && matches!(event, Event::Progress(Phase::Rollout, 1.., _))
        }
    };
    killed(|watch| train(&recipe, &run, watch), dies_in(2));
    killed(|watch| resume(&recipe, &run, watch), dies_in(5));
    assert_eq!(resume(&recipe, &run, &mut Silent), RunEnd::Done);
    assert_same(&run, &straight);

    // Between a step's numbers and its checkpoint, where the files of the step are whole.
    let run = at("before_a_checkpoint");
    let dies = |event: &Event<'_>| matches!(event, Event::Stepped(4, _));
    killed(|watch| train(&recipe, &run, watch), dies);
    assert_eq!(resume(&recipe, &run, &mut Silent), RunEnd::Done);
    assert_same(&run, &straight);
}

/// PPO with everything else that has a state: a critic and its moments, groups that wait for a
/// later update, a moving average, a renewed reference, a weight of the KL that is steered, and
/// demonstrations beside rewards.
fn stateful_recipe(dir: &Path) -> String {
    let model = demonstrated(dir);
    let questions = write_bandit(&dir.join("asked"), 7, Some("green"));
    let shown = write_bandit(&dir.join("more"), 5, None);
    format!(
        r#"
        seed = 5
        model.path = "{model}"
        data.train = "{data}"
        rollout = {{ prompts_per_step = 4, samples_per_prompt = 4, sampling = {{ max_new_tokens = 5 }} }}
        algo = {{ name = "ppo", beta = 0.02, kl_in = "loss", kl_target = 0.01, kl_horizon = 100, accuracy_low = 0.2, accuracy_high = 0.8 }}
        filter = {{ short_batch = "refill_carry", rounds_per_step = 2 }}
        train = {{ steps = {STEPS}, epochs = 2, mini_batches = 2, micro_batch_tokens = 200, freezing_actor_steps = 1, average_decay = 0.9, reference_refresh_steps = 2, demonstrations = {{ data = "{shown}", rows = 3 }} }}
        optim = {{ lr = 2e-3, schedule = "linear" }}
        critic.optim = {{ lr = 3e-3, warmup_steps = 2 }}
        eval = {{ data = "{data}", every = 2, samples = 3, draws = 2, temperature = 1.0, max_new_tokens = 5, weights = "average" }}
        checkpoint = {{ every = 1, keep = 9 }}
        "#,
        model = model.canonicalize().unwrap().display(),
        data = questions.display(),
        shown = shown.display(),
    )
}

#[test]
fn everything_with_a_state_is_resumed_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let recipe = stateful_recipe(dir.path());
    let straight = at("straight");
    assert_eq!(train(&recipe, &straight, &mut Silent), RunEnd::Done);

    // The comparison is worth something only if there is a state, and it changes.
    let metrics = tiny::reproducible_metrics(&straight);
    let numbers = |key: &str| -> Vec<f64> {
        let steps = metrics[1..].iter();
        steps.filter_map(|line| line[key].as_f64()).collect()
    };
    let waiting = numbers("filter/waiting");
    assert!(waiting[..4].iter().any(|n| *n > 0.0), "{waiting:?}");
    let coefficients = numbers("policy/kl_coef");
    assert!(
        coefficients.windows(2).all(|w| w[0] != w[1]),
        "{coefficients:?}"
    );
    for key in [
        "value/loss",
        "policy/demonstration_loss",
        "policy/kl_ref",
        "filter/rounds",
    ] {
        let found = numbers(key);
        assert!(
            found.len() >= 2 && found.iter().any(|n| *n != 0.0),
            "{key}: {found:?}"
        );
    }
    // Every number of a run is explained.
    for (key, _) in metrics.iter().flat_map(|line| line.as_object().unwrap()) {
        assert!(
            key == "step" || metric_help(key).is_some(),
            "{key} has no help"
        );
    }
    let expected = files(&straight);
    for name in [
        "critic/optimizer.safetensors",
        "critic/value_head.safetensors",
        "average/model.safetensors",
        "average/tokenizer.json",
        "reference/model.safetensors",
        "learner_state.json",
    ] {
        let path = Path::new("checkpoints/step_000004").join(name);
        assert!(expected.contains_key(&path), "no {name}");
    }

    // Killed after every step in turn, in one run that takes five attempts.
    let run = at("killed");
    let dies_after = |step: u64| {
        move |event: &Event<'_>| {
            matches!(event, Event::Saved(_)) && {
                let latest = fs::read_link(at("killed").join("checkpoints/latest"));
                latest.is_ok_and(|name| name == Path::new(&format!("step_{step:06}")))
            }
        }
    };
    killed(|watch| train(&recipe, &run, watch), dies_after(1));
    for step in 2..STEPS {
        killed(|watch| resume(&recipe, &run, watch), dies_after(step));
    }
    assert_eq!(resume(&recipe, &run, &mut Silent), RunEnd::Done);
    assert_same(&run, &straight);
}

/// What was said in a run, by file, and what became of it: everything that is no measurement.
fn said(run: &Path) -> BTreeMap<PathBuf, Vec<Vec<serde_json::Value>>> {
    let fields = [
        "prompt_id",
        "draw",
        "response",
        "finish_reason",
        "reward",
        "kept",
    ];
    let logs = files(run)
        .into_keys()
        .filter(|name| name.extension().is_some_and(|e| e == "jsonl"));
    let rows = |name: &Path| {
        let rows = tiny::read_rows(&run.join(name)).into_iter();
        rows.map(|row| fields.map(|field| row[field].clone()).to_vec())
            .collect()
    };
    logs.map(|name| (name.clone(), rows(&name))).collect()
}

/// Numbers of two runs that differ in the order of sums alone.
#[track_caller]
fn assert_close(run: &Path, other: &Path) {
    let (found, expected) = (
        tiny::reproducible_metrics(run),
        tiny::reproducible_metrics(other),
    );
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(&expected) {
        let (found, expected) = (found.as_object().unwrap(), expected.as_object().unwrap());
        assert!(found.keys().eq(expected.keys()));
        for (key, expected) in expected {
            let (a, b) = (found[key].as_f64().unwrap(), expected.as_f64().unwrap());
            // Updates carry what is rounded from step to step.
            let close = (a - b).abs() <= 2e-3 * b.abs().max(1e-2);
            assert!(close, "step {}, {key}: {a} {b}", found["step"]);
        }
    }
}

#[test]
fn two_replicas_are_one_learner_and_are_resumed_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let recipe = stateful_recipe(dir.path());
    let one = at("one");
    assert_eq!(train(&recipe, &one, &mut Silent), RunEnd::Done);
    let on_two = |run: RunDir, resumed: bool, watch: &mut dyn Observer| {
        try_start_on("flex,flex", &recipe, run, resumed, watch).unwrap()
    };
    let two = at("two");
    let run = RunDir::create(&two).unwrap();
    assert_eq!(on_two(run, false, &mut Silent), RunEnd::Done);
    assert_eq!(said(&two), said(&one));
    assert_close(&two, &one);

    let killed_run = at("killed");
    let run = RunDir::create(&killed_run).unwrap();
    let dies = |event: &Event<'_>| matches!(event, Event::Stepped(3, _));
    killed(|watch| on_two(run, false, watch), dies);
    let run = RunDir::open(&killed_run).unwrap();
    assert_eq!(on_two(run, true, &mut Silent), RunEnd::Done);
    assert_same(&killed_run, &two);
}

#[test]
fn two_replicas_share_what_is_frozen_and_sample_from_its_adapter() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(dir.path());
    let adapter = "lora = { rank = 4, alpha = 8.0, dropout = 0.1 }";
    let frozen = r#"model.freeze = ["visual", "model.embed_tokens"]"#;
    for (name, more) in [("adapter", adapter), ("frozen", frozen)] {
        let recipe = format!("{recipe}\n{more}");
        let at = |devices: &str| dir.path().join(format!("{name}_{devices}"));
        for devices in ["flex", "flex,flex"] {
            let run = RunDir::create(at(devices)).unwrap();
            let outcome = try_start_on(devices, &recipe, run, false, &mut Silent).unwrap();
            assert_eq!(outcome, RunEnd::Done);
        }
        let (one, two) = (at("flex"), at("flex,flex"));
        assert_eq!(said(&two), said(&one), "{name}");
        assert_close(&two, &one);
        let gap = |line: &serde_json::Value| line["policy/sampler_gap_max"].as_f64();
        for line in &tiny::reproducible_metrics(&two)[1..] {
            assert!(
                gap(line).unwrap() < 1e-4,
                "{name}: sampled from other weights: {line}"
            );
        }
    }
}

/// Names of the parameters that the optimiser has moments of.
fn moments(checkpoint: &Path) -> BTreeSet<String> {
    let file = WeightFiles::open_file(&checkpoint.join("optimizer.safetensors")).unwrap();
    let names = file.tensors().map(|(name, ..)| name.to_owned());
    names
        .filter_map(|name| name.strip_prefix("exp_avg.").map(str::to_owned))
        .collect()
}

#[test]
fn an_adapter_or_a_model_half_frozen_is_resumed_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let recipe = recipe(dir.path());
    let base = WeightFiles::open(&dir.path().join("demonstrated/checkpoints/latest")).unwrap();
    let adapter = "lora = { rank = 4, alpha = 8.0, dropout = 0.1, merge_rollouts = false }";
    let frozen = r#"model.freeze = ["visual", "model.embed_tokens"]"#;
    let half = format!("{frozen}\nmodel.dtype = \"bf16\"");
    for (name, more) in [("adapter", adapter), ("frozen", frozen), ("bf16", &half)] {
        let recipe = format!("{recipe}\n{more}");
        let straight = dir.path().join(format!("{name}_straight"));
        assert_eq!(train(&recipe, &straight, &mut Silent), RunEnd::Done);
        for line in &tiny::reproducible_metrics(&straight)[1..] {
            assert!(line["optim/grad_norm"].as_f64().unwrap() > 0.0, "{line}");
            let gap = line["policy/sampler_gap_max"].as_f64().unwrap();
            let limit = if name == "bf16" { 0.1 } else { 1e-4 };
            assert!(gap < limit, "{name}: sampled from other weights: {gap}");
        }
        let run = dir.path().join(format!("{name}_killed"));
        let dies = |event: &Event<'_>| matches!(event, Event::Stepped(3, _));
        killed(|watch| train(&recipe, &run, watch), dies);
        assert_eq!(resume(&recipe, &run, &mut Silent), RunEnd::Done);
        assert_same(&run, &straight);

        let checkpoint = run.join("checkpoints/step_000005");
        let moved = moments(&checkpoint);
        if name == "adapter" {
            assert!(moved.iter().all(|p| p.contains(".lora.")), "{moved:?}");
            assert!(!checkpoint.join("model.safetensors").exists());
            let model = Vlm::from_dir(&checkpoint, &Device::flex()).unwrap();
            assert_eq!(trainable(&model).len(), moved.len());
            continue;
        }
        assert!(moved.contains("model.layers.0.mlp.up_proj.weight"));
        let after = WeightFiles::open(&checkpoint).unwrap();
        for (tensor, ..) in after.tensors() {
            let is_frozen = tensor.starts_with("visual.") || tensor == "model.embed_tokens.weight";
            assert_ne!(moved.contains(tensor), is_frozen, "{tensor}");
            let same = after.bytes(tensor) == base.bytes(tensor);
            assert_eq!(same, is_frozen, "{tensor}");
        }
    }
}
