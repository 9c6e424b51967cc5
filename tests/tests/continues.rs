//! A run continues as what it was, or says why it cannot; nothing of it is lost.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

mod common;

use burn_rl::{
    RlError,
    observer::{Event, Observer},
    rollout::OtherRows,
    run_dir::RunDir,
    trainer::RunEnd,
};
use common::{Silent, demonstrated, tiny, train, write_bandit};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};
use trainer::{
    Extensions, config, devices,
    setup::{Start, build},
};

/// A model and eight rows in `dir`, and a recipe of `steps` steps over them.
struct World {
    dir: tempfile::TempDir,
    model: PathBuf,
    rows: PathBuf,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            model: demonstrated(dir.path()).canonicalize().unwrap(),
            rows: write_bandit(&dir.path().join("asked"), 8, Some("green")),
            dir,
        }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn recipe(&self, steps: u64, more: &str) -> String {
        format!(
            r#"
            seed = 3
            model.path = "{model}"
            data.train = "{data}"
            rollout.prompts_per_step = 2
            rollout.samples_per_prompt = 4
            rollout.sampling.max_new_tokens = 5
            algo.name = "grpo"
            train.steps = {steps}
            optim.lr = 2e-3
            checkpoint = {{ every = 1, keep = 3 }}
            {more}
            "#,
            model = self.model.display(),
            data = self.rows.display(),
        )
    }

    /// The rows changed by `change`.
    fn edit(&self, change: impl FnOnce(&mut Vec<serde_json::Value>)) {
        let mut rows = tiny::read_rows(&self.rows);
        change(&mut rows);
        tiny::write_rows(&self.rows, &rows);
    }
}

/// Continues the run in a directory; what the message says where it cannot be.
fn go_on(
    text: &str,
    dir: &Path,
    other_rows: OtherRows,
    watch: &mut dyn Observer,
) -> Result<RunEnd, String> {
    let extensions = Extensions::default();
    let resolved = config::resolve(Some(text), &[], &[], &extensions).unwrap();
    let run = RunDir::open(dir).unwrap();
    let devices = devices::parse("flex").unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let start = Start::Continued(run, None, other_rows);
    let built = build(&resolved.run, start, &devices, stop, &extensions);
    let mut trainer = built.map_err(|e| e.to_string())?;
    let outcome = trainer.run(watch).map_err(|e| e.to_string())?;
    Ok(outcome.end)
}

/// Keeps what it is warned of.
#[derive(Default)]
struct Warned(Vec<String>);

impl Observer for Warned {
    fn event(&mut self, event: Event<'_>) {
        if let Event::Warned(warning) = event {
            self.0.push(warning.finding.clone());
        }
    }
}

fn metric(run: &Path, step: u64, key: &str) -> Option<f64> {
    let lines = tiny::reproducible_metrics(run);
    let line = lines.iter().find(|line| line["step"] == step);
    line.unwrap()[key].as_f64()
}

/// The ids of the rows that were asked in a step.
fn asked(run: &Path, step: u64) -> BTreeSet<String> {
    let path = run.join(format!("rollouts/step_{step:06}.jsonl"));
    let rows = tiny::read_rows(&path);
    let id = |row: &serde_json::Value| row["prompt_id"].as_str().unwrap().to_owned();
    rows.iter().map(id).collect()
}

#[test]
fn other_rows_are_refused_unless_they_are_meant() {
    let world = World::new();
    let run = world.at("run");
    train(&world.recipe(2, ""), &run, &mut Silent);
    let before = fs::read(run.join("metrics.jsonl")).unwrap();
    let original = fs::read(&world.rows).unwrap();
    type Change = fn(&mut Vec<serde_json::Value>);
    let changes: [(&str, Change); 4] = [
        ("a row fewer", |rows| drop(rows.remove(3))),
        ("a row more", |rows| rows.push(rows[0].clone())),
        ("another order", |rows| rows.swap(1, 6)),
        ("another answer", |rows| rows[5]["answer"] = "blue".into()),
    ];
    for (what, change) in changes {
        world.edit(change);
        let refused = go_on(&world.recipe(3, ""), &run, OtherRows::Refuse, &mut Silent);
        let message = refused.unwrap_err();
        assert!(
            message.contains("rows.jsonl") && message.contains("--accept-changed-data"),
            "{what}: {message}"
        );
        fs::write(&world.rows, &original).unwrap();
    }
    let refused = go_on(
        &world.recipe(3, "data.shuffle = false"),
        &run,
        OtherRows::Refuse,
        &mut Silent,
    );
    assert!(
        refused
            .unwrap_err()
            .contains("data.shuffle was true, now it is false")
    );
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);

    world.edit(|rows| drop(rows.remove(3)));
    let mut warned = Warned::default();
    let end = go_on(&world.recipe(3, ""), &run, OtherRows::LeaveOut, &mut warned);
    assert_eq!(end, Ok(RunEnd::Done));
    assert!(
        warned.0[0].contains("8 rows") && warned.0[0].contains("7 rows"),
        "{:?}",
        warned.0
    );
    // From now on these are its rows.
    let end = go_on(&world.recipe(4, ""), &run, OtherRows::Refuse, &mut Silent);
    assert_eq!(end, Ok(RunEnd::Done));
}

#[test]
fn a_row_that_is_left_out_moves_no_other() {
    let world = World::new();
    // A batch of four from rollouts of two: groups wait from step to step.
    let waits = "filter = { short_batch = \"refill_carry\", rounds_per_step = 1 }\n\
                 algo.drop_zero_variance = true\nrollout.samples_per_prompt = 3";
    let recipe = |steps, more: &str| {
        let text = world
            .recipe(steps, "")
            .replace("rollout.samples_per_prompt = 4", waits);
        let text = text.replace("prompts_per_step = 2", "prompts_per_step = 3");
        // Small steps, so that a group of another row would stand out.
        let text = text.replace("optim.lr = 2e-3", "optim.lr = 1e-5");
        format!("{text}\n{more}")
    };
    let (straight, run) = (world.at("straight"), world.at("run"));
    train(&recipe(4, ""), &straight, &mut Silent);
    // A row that comes late has a picture that is cut off.
    let early: BTreeSet<String> = (1..3).flat_map(|step| asked(&straight, step)).collect();
    let rows = tiny::read_rows(&world.rows);
    let late = rows
        .iter()
        .position(|row| !early.contains(row["id"].as_str().unwrap()));
    let late = late.unwrap();
    let picture = rows[late]["image_urls"][0].as_str().unwrap();
    let picture = world.rows.with_file_name(picture);
    let bytes = fs::read(&picture).unwrap();
    fs::write(&picture, &bytes[..bytes.len() / 2]).unwrap();
    let died = std::panic::catch_unwind(|| train(&recipe(4, ""), &run, &mut Silent));
    assert!(died.is_err(), "the broken picture ends the run");
    let end = go_on(
        &recipe(4, "data.on_error = \"skip\""),
        &run,
        OtherRows::Refuse,
        &mut Silent,
    );
    assert_eq!(end, Ok(RunEnd::Done));
    // What was sampled before is learned from as answers to the same rows.
    for step in 1..=4 {
        if let Some(kl) = metric(&run, step, "policy/kl_old") {
            assert!(kl < 1e-3, "step {step}: {kl}");
        }
        let gap = metric(&run, step, "policy/sampler_gap_max");
        assert!(gap.is_none_or(|gap| gap < 1e-3), "step {step}: {gap:?}");
    }
    let all: BTreeSet<String> = (1..=4).flat_map(|step| asked(&run, step)).collect();
    assert!(!all.contains(rows[late]["id"].as_str().unwrap()));
}

#[test]
fn an_adapter_is_its_own_reference() {
    let world = World::new();
    let first = world.at("first");
    let lora = "lora = { rank = 2, alpha = 8.0 }";
    train(&world.recipe(3, lora), &first, &mut Silent);
    let adapter = first.join("checkpoints/latest").canonicalize().unwrap();
    let on = |more: &str| {
        let text = world.recipe(1, &format!("algo.beta = 0.1\n{more}"));
        let own = format!("model.path = \"{}\"", world.model.display());
        text.replace(&own, &format!("model.path = \"{}\"", adapter.display()))
    };
    let run = world.at("on");
    train(&on(""), &run, &mut Silent);
    assert_eq!(metric(&run, 1, "policy/kl_ref"), Some(0.0));
    // What the adapter's directory fixes is not set again.
    for (more, part) in [
        (
            "lora.alpha = 4.0",
            "lora.alpha is 4.0, but model.path is an adapter",
        ),
        ("lora.dropout = 0.5", "lora.dropout is 0.5"),
    ] {
        let refused = go_on(&on(more), &world.at("on"), OtherRows::Refuse, &mut Silent);
        let message = refused.unwrap_err();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_flipped_bit_costs_the_steps_since_the_checkpoint_before() {
    let world = World::new();
    let (straight, run) = (world.at("straight"), world.at("run"));
    train(&world.recipe(5, ""), &straight, &mut Silent);
    train(&world.recipe(3, ""), &run, &mut Silent);
    let broken = run.join("checkpoints/step_000003/optimizer.safetensors");
    let mut bytes = fs::read(&broken).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&broken, bytes).unwrap();
    let mut warned = Warned::default();
    let end = go_on(&world.recipe(5, ""), &run, OtherRows::Refuse, &mut warned);
    assert_eq!(end, Ok(RunEnd::Done));
    assert!(
        warned.0[0].contains("step_000003: optimizer.safetensors has checksum"),
        "{:?}",
        warned.0
    );
    let weights = "checkpoints/step_000005/model.safetensors";
    assert!(fs::read(run.join(weights)).unwrap() == fs::read(straight.join(weights)).unwrap());
    assert_eq!(
        tiny::reproducible_metrics(&run),
        tiny::reproducible_metrics(&straight)
    );

    // With nothing whole left it is refused, and nothing is touched.
    for step in 3..=5 {
        let file = run.join(format!("checkpoints/step_{step:06}/trainer_state.json"));
        fs::write(file, "{}").unwrap();
    }
    let refused = go_on(&world.recipe(6, ""), &run, OtherRows::Refuse, &mut Silent);
    let message = refused.unwrap_err();
    assert!(message.contains("no other checkpoint"), "{message}");
    assert_eq!(tiny::reproducible_metrics(&run).len(), 5);
}

#[test]
fn checkpoints_that_are_gone_are_not_begun_anew() {
    let world = World::new();
    let run = world.at("run");
    train(&world.recipe(2, ""), &run, &mut Silent);
    fs::rename(run.join("checkpoints"), world.at("disk")).unwrap();
    let before = fs::read(run.join("metrics.jsonl")).unwrap();
    let refused = go_on(&world.recipe(3, ""), &run, OtherRows::Refuse, &mut Silent);
    let message = refused.unwrap_err();
    assert!(message.contains("step 2 was saved"), "{message}");
    assert_eq!(fs::read(run.join("metrics.jsonl")).unwrap(), before);
    assert_eq!(asked(&run, 2).len(), 2);
    fs::rename(world.at("disk"), run.join("checkpoints")).unwrap();
    let end = go_on(&world.recipe(3, ""), &run, OtherRows::Refuse, &mut Silent);
    assert_eq!(end, Ok(RunEnd::Done));
}

#[test]
fn another_kind_of_run_is_refused_by_the_setting_that_makes_it_one() {
    let world = World::new();
    let run = world.at("run");
    train(&world.recipe(1, ""), &run, &mut Silent);
    for (more, part) in [
        (
            "lora.rank = 4",
            "lora.rank is 4, but the run was saved with 0",
        ),
        (
            "model.freeze = [\"visual\"]",
            "model.freeze is [\"visual\"]",
        ),
        ("train.average_decay = 0.9", "train.average_decay"),
    ] {
        let refused = go_on(&world.recipe(2, more), &run, OtherRows::Refuse, &mut Silent);
        let message = refused.unwrap_err();
        assert!(message.contains(part), "{message}");
    }
    let ppo = world.recipe(2, "").replace("\"grpo\"", "\"ppo\"");
    let refused = go_on(&ppo, &run, OtherRows::Refuse, &mut Silent);
    let message = refused.unwrap_err();
    assert!(
        message.contains("a critic (algo.name) is there, but the run was saved without"),
        "{message}"
    );
}

#[test]
fn a_stop_is_seen_while_rows_are_looked_at() {
    let world = World::new();
    let extensions = Extensions::default();
    let resolved = config::resolve(Some(&world.recipe(1, "")), &[], &[], &extensions).unwrap();
    let devices = devices::parse("flex").unwrap();
    let run = RunDir::create(world.at("run")).unwrap();
    let stop = Arc::new(AtomicBool::new(true));
    let built = build(&resolved.run, Start::New(run), &devices, stop, &extensions);
    let error = built.map(|_| ()).unwrap_err();
    assert!(
        error.downcast_ref().is_some_and(RlError::is_stopped),
        "{error:#}"
    );
}
