//! Runs in this process, on a tiny model.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

#[path = "../../../apps/trainer/tests/common/tiny.rs"]
pub mod tiny;

use burn_rl::{
    error::RlError,
    observer::{Event, Observer},
    rollout::OtherRows,
    run_dir::RunDir,
    trainer::RunEnd,
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicBool},
};
use trainer::{
    Extensions, config,
    demo::{Split, materialise},
    devices,
    setup::{Start, build},
};

/// What the demonstrations answer, evenly.
pub const ANSWERS: [&str; 4] = ["red", "green", "blue", "yellow"];

/// Writes `rows.jsonl` into `dir`: `n` pictures, every one with the same question. With a `gold`
/// answer they are to be answered, without one they demonstrate each of [`ANSWERS`] in turn.
pub fn write_bandit(dir: &Path, n: u64, gold: Option<&str>) -> PathBuf {
    let questions = tiny::write_questions(dir, Split::Train, n);
    let mut rows = tiny::read_rows(&questions);
    for (i, row) in rows.iter_mut().enumerate() {
        let answer = gold.unwrap_or(ANSWERS[i % ANSWERS.len()]);
        let mut turns = vec![json!({ "role": "user", "content": "<image>What colour?" })];
        if gold.is_none() {
            let response = format!("<answer>{answer}</answer>");
            turns.push(json!({ "role": "assistant", "content": response }));
        }
        row["conversations"] = Value::Array(turns);
        row["answer"] = json!(answer);
    }
    let path = dir.join("rows.jsonl");
    tiny::write_rows(&path, &rows);
    path
}

/// A model that has learned to answer, one of [`ANSWERS`] by chance: `dir/checkpoints/latest`.
pub fn demonstrated(dir: &Path) -> PathBuf {
    tiny::write_model(&dir.join("model"), 0);
    let data = write_bandit(&dir.join("shown"), 16, None);
    let config = format!(
        r#"
        model.path = "{model}"
        data.train = "{data}"
        rollout.prompts_per_step = 16
        algo.name = "sft"
        train.steps = 60
        optim = {{ lr = 5e-3, warmup_steps = 5, schedule = "cosine", beta2 = 0.98 }}
        "#,
        model = dir.join("model").display(),
        data = data.display(),
    );
    let run = dir.join("demonstrated");
    assert_eq!(train(&config, &run, &mut Silent), RunEnd::Done);
    run.join("checkpoints/latest")
}

/// Watches nothing.
pub struct Silent;

impl Observer for Silent {
    fn event(&mut self, _: Event<'_>) {}
}

/// Runs a configuration in a new directory, to its end.
pub fn train(text: &str, dir: &Path, watch: &mut dyn Observer) -> RunEnd {
    start(text, RunDir::create(dir).unwrap(), false, watch)
}

/// Runs a configuration in a run directory, from its start or its last checkpoint to the end.
pub fn start(text: &str, run: RunDir, resumed: bool, watch: &mut dyn Observer) -> RunEnd {
    try_start(text, run, resumed, watch).unwrap()
}

/// The same for a run that may not get to its end.
pub fn try_start(
    text: &str,
    run: RunDir,
    resumed: bool,
    watch: &mut dyn Observer,
) -> Result<RunEnd, RlError> {
    try_start_on("flex", text, run, resumed, watch)
}

/// The same on these devices, as `--device` names them.
pub fn try_start_on(
    devices: &str,
    text: &str,
    run: RunDir,
    resumed: bool,
    watch: &mut dyn Observer,
) -> Result<RunEnd, RlError> {
    let extensions = Extensions::default();
    let mut resolved = config::resolve(Some(text), &[], &[], &extensions).unwrap();
    materialise(&mut resolved, &run).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let start = match resumed {
        true => Start::Continued(run, None, OtherRows::Refuse),
        false => Start::New(run),
    };
    let devices = devices::parse(devices).unwrap();
    let mut trainer = build(&resolved.run, start, &devices, stop, &extensions).unwrap();
    Ok(trainer.run(watch)?.end)
}
