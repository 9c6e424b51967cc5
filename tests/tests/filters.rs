//! Filters: which groups of a run are learned from and what becomes of short batches, and which rows
//! of a data set are kept before it.

#![allow(clippy::unwrap_used)] // Outside #[test] functions clippy sees no test.

mod common;

use burn_rl::{error::RlError, run_dir::RunDir, trainer::RunEnd};
use common::{Silent, demonstrated, tiny, train, try_start, write_bandit};
use serde_json::Value;
use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
};
use trainer::{
    Extensions,
    cmd::filter_difficulty::{self, Args},
};

/// Prompts of a rollout, completions of each, groups of an update, and of a mini-batch.
const PROMPTS: usize = 6;
const DRAWS: usize = 4;
const MINI_BATCH: usize = 2;
const STEPS: u64 = 4;

struct World {
    dir: tempfile::TempDir,
    model: PathBuf,
    data: PathBuf,
}

/// A model that answers one of four colours by chance, so that the pass rate of a group of four is
/// 0, 1/4, …, 1.
fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let model = demonstrated(dir.path()).canonicalize().unwrap();
    let data = write_bandit(&dir.path().join("asked"), 20, Some("green"));
    World { dir, model, data }
}

impl World {
    fn config(&self, algo: &str, filter: &str) -> String {
        format!(
            r#"
            model.path = "{model}"
            data.train = "{data}"
            rollout = {{ prompts_per_step = {PROMPTS}, samples_per_prompt = {DRAWS}, sampling = {{ max_new_tokens = 6 }} }}
            reward.parts = [{{ rule = "answer_exact" }}]
            algo = {{ name = "grpo", beta = 0, {algo} }}
            filter = {{ {filter} }}
            train = {{ steps = {STEPS}, mini_batches = {mini_batches} }}
            optim.lr = 1e-4
            checkpoint.every = 0
            "#,
            model = self.model.display(),
            data = self.data.display(),
            mini_batches = PROMPTS / MINI_BATCH,
        )
    }

    fn run(&self, name: &str, algo: &str, filter: &str) -> Vec<Value> {
        let run = self.dir.path().join(name);
        let config = self.config(algo, filter);
        assert_eq!(train(&config, &run, &mut Silent), RunEnd::Done);
        let metrics = tiny::reproducible_metrics(&run);
        assert_eq!(metrics.len() as u64, STEPS);
        metrics
    }

    /// Pass rates of the groups of a step, in the order in which they were sampled.
    fn pass_rates(&self, name: &str, step: u64) -> Vec<f64> {
        let run = RunDir::read(self.dir.path().join(name)).unwrap();
        let rows = tiny::read_rows(&run.rollouts(step));
        let rate = |group: &[Value]| {
            let right = group.iter().filter(|r| r["correct"] == true).count();
            right as f64 / DRAWS as f64
        };
        rows.chunks(DRAWS).map(rate).collect()
    }
}

fn number(line: &Value, key: &str) -> usize {
    line[key].as_f64().unwrap_or(0.0) as usize
}

fn is_kept(rate: &f64) -> bool {
    (0.25..=0.5).contains(rate)
}

const BAND: &str = "accuracy_low = 0.25, accuracy_high = 0.5";

#[test]
fn the_three_behaviours_of_a_short_batch() {
    let world = world();

    // No refill: mini-batches of full size, as many as there are groups for.
    let metrics = world.run("fewer", BAND, r#"short_batch = "fewer_updates""#);
    let mut varied = vec![];
    for line in &metrics {
        let rates = world.pass_rates("fewer", line["step"].as_u64().unwrap());
        assert_eq!(rates.len(), PROMPTS);
        let kept = rates.iter().filter(|r| is_kept(r)).count();
        assert_eq!(
            number(line, "filter/kept"),
            kept - kept % MINI_BATCH,
            "{line}"
        );
        assert_eq!(
            number(line, "filter/dropped/incomplete"),
            kept % MINI_BATCH,
            "{line}"
        );
        assert_eq!(number(line, "optim/updates"), kept / MINI_BATCH, "{line}");
        let hard = rates.iter().filter(|r| **r < 0.25).count();
        assert_eq!(number(line, "filter/dropped/too_hard"), hard, "{line}");
        let easy = rates.iter().filter(|r| **r > 0.5).count();
        assert_eq!(number(line, "filter/dropped/too_easy"), easy, "{line}");
        varied.push(kept / MINI_BATCH);
    }
    assert!(
        varied.iter().any(|n| *n < PROMPTS / MINI_BATCH),
        "{varied:?}"
    );

    // Refill: the buffer of MM-Eureka, on the pass rates that the run has drawn.
    for (name, carries) in [("refill_carry", true), ("refill_discard", false)] {
        let metrics = world.run(name, BAND, &format!(r#"short_batch = "{name}""#));
        let mut buffer = VecDeque::new();
        let mut rounds = vec![];
        for line in &metrics {
            let rates = world.pass_rates(name, line["step"].as_u64().unwrap());
            let before = buffer.len();
            buffer.extend(rates.iter().copied().filter(is_kept));
            assert_eq!(
                number(line, "filter/rounds"),
                rates.len() / PROMPTS,
                "{line}"
            );
            // The last rollout was needed, and no other was.
            let kept_before_last = rates[..rates.len() - PROMPTS].iter().filter(|r| is_kept(r));
            assert!(before + kept_before_last.count() < PROMPTS, "{line}");
            assert!(buffer.len() >= PROMPTS, "{line}");
            buffer.drain(..PROMPTS);
            let surplus = buffer.len();
            if !carries {
                buffer.clear();
            }
            assert_eq!(number(line, "filter/kept"), PROMPTS, "{line}");
            assert_eq!(number(line, "filter/waiting"), buffer.len(), "{line}");
            let thrown_away = if carries { 0 } else { surplus };
            assert_eq!(
                number(line, "filter/dropped/surplus"),
                thrown_away,
                "{line}"
            );
            assert_eq!(
                number(line, "optim/updates"),
                PROMPTS / MINI_BATCH,
                "{line}"
            );
            rounds.push(rates.len() / PROMPTS);
        }
        assert!(rounds.iter().any(|n| *n > 1), "{name}: {rounds:?}");
    }

    // One rollout a step, trained on or not: MM-Eureka's own count of steps.
    let filter = r#"short_batch = "refill_carry", rounds_per_step = 1"#;
    let metrics = world.run("one_round", BAND, filter);
    let mut buffer = 0;
    for line in &metrics {
        let rates = world.pass_rates("one_round", line["step"].as_u64().unwrap());
        assert_eq!(rates.len(), PROMPTS);
        buffer += rates.iter().filter(|r| is_kept(r)).count();
        let updates = buffer >= PROMPTS;
        assert_eq!(line.get("policy/loss").is_some(), updates, "{line}");
        buffer -= if updates { PROMPTS } else { 0 };
        assert_eq!(number(line, "filter/waiting"), buffer, "{line}");
    }
}

#[test]
fn filters_act_from_the_step_after_the_freeze() {
    let world = world();
    let metrics = world.run("frozen", &format!("{BAND}, filter_after = 2"), "");
    for line in &metrics {
        let step = line["step"].as_u64().unwrap();
        let rates = world.pass_rates("frozen", step);
        let expected = match step {
            1 | 2 => PROMPTS,
            _ => rates.iter().filter(|r| is_kept(r)).count(),
        };
        assert_eq!(number(line, "filter/kept"), expected, "{line}");
    }
    let dropped = |line: &Value| number(line, "filter/dropped/too_hard");
    assert_eq!(dropped(&metrics[0]) + dropped(&metrics[1]), 0);
    assert!(dropped(&metrics[2]) + dropped(&metrics[3]) > 0);
}

#[test]
fn filters_that_empty_every_batch_end_the_run_and_say_so() {
    let world = world();
    // Nothing the model says is purple.
    let data = write_bandit(&world.dir.path().join("purple"), 20, Some("purple"));
    let world = World { data, ..world };
    let fails = |name: &str, filter: &str| -> String {
        let run = RunDir::create(world.dir.path().join(name)).unwrap();
        let config = world.config(BAND, filter);
        let error = try_start(&config, run, false, &mut Silent).unwrap_err();
        assert!(matches!(error, RlError::Training(_)), "{error}");
        error.to_string()
    };
    for (name, filter) in [
        ("a", r#"short_batch = "refill_carry", max_rounds = 3"#),
        ("b", r#"short_batch = "smaller", max_rounds = 3"#),
        (
            "c",
            r#"short_batch = "refill_discard", rounds_per_step = 1, max_rounds = 3"#,
        ),
    ] {
        let message = fails(name, filter);
        let expected = "no update in 3 rollouts in a row: the filters emptied every batch; 18 of \
                        18 groups were dropped (18 too_hard)";
        assert!(message.starts_with(expected), "{message}");
    }
    let steps = |name: &str| {
        let path = world.dir.path().join(name).join("metrics.jsonl");
        tiny::read_rows(Path::new(&path)).len()
    };
    // With refill that is all one step; else every step is one rollout.
    assert_eq!((steps("a"), steps("b"), steps("c")), (0, 2, 2));
}

/// Arguments of `trainer filter-difficulty`.
fn difficulty(config: &Path, out: &Path, max_batch: usize) -> Args {
    Args {
        configs: vec![config.into()],
        sets: vec![format!("rollout.max_batch={max_batch}")],
        out: out.into(),
        n: 8,
        lower: 0.25,
        upper: 0.5,
        part: "accuracy".into(),
        resume: false,
        device: "flex".into(),
    }
}

#[test]
fn rows_in_the_band_are_kept_with_their_rates() {
    let dir = tempfile::tempdir().unwrap();
    let model = demonstrated(dir.path()).canonicalize().unwrap();
    let data = write_bandit(&dir.path().join("asked"), 20, Some("green"));
    let config = dir.path().join("config.toml");
    let text = format!(
        r#"
        model.path = "{}"
        data.train = "{}"
        rollout.sampling.max_new_tokens = 6
        reward.parts = [{{ rule = "answer_exact" }}]
        "#,
        model.display(),
        data.display()
    );
    fs::write(&config, text).unwrap();
    let at = |name: &str| dir.path().join("asked").join(name);
    let beside = |out: &Path, name: &str| PathBuf::from(format!("{}.{name}", out.display()));

    let out = at("kept.jsonl");
    filter_difficulty::run(&difficulty(&config, &out, 64), &Extensions::default()).unwrap();
    let rates = tiny::read_rows(&beside(&out, "rates.jsonl"));
    assert_eq!(rates.len(), 21, "settings and 20 rows");
    let rate = |row: &Value| row["pass_rate"].as_f64().unwrap();
    let all: Vec<f64> = rates[1..].iter().map(rate).collect();
    assert!(all.iter().all(|r| (r * 8.0).fract() == 0.0), "{all:?}");
    // 160 answers, a quarter of them right: standard deviation 0.034.
    let mean = all.iter().sum::<f64>() / 20.0;
    assert!((0.12..0.38).contains(&mean), "{mean}");

    // Kept are the rows of the band, in the order of the file, as they stood there.
    let rows = tiny::read_rows(&data);
    let mut expected = vec![];
    for (row, rate) in rows.iter().zip(&all) {
        if (0.25..=0.5).contains(rate) {
            let mut row = row.clone();
            row["pass_rate"] = (*rate).into();
            expected.push(row);
        }
    }
    let count = |f: &dyn Fn(f64) -> bool| all.iter().filter(|r| f(**r)).count();
    assert!(!expected.is_empty() && expected.len() < 20, "{all:?}");
    assert_eq!(tiny::read_rows(&out), expected);
    let report: Value =
        serde_json::from_slice(&fs::read(beside(&out, "report.json")).unwrap()).unwrap();
    assert_eq!(report["rows"], 20);
    assert_eq!(report["kept"], expected.len());
    assert_eq!(report["too_hard"], count(&|r| r < 0.25));
    assert_eq!(report["too_easy"], count(&|r| r > 0.5));

    // Nothing is overwritten, not even the rates of a call that was interrupted.
    let refused = |args: &Args| {
        filter_difficulty::run(args, &Extensions::default())
            .unwrap_err()
            .to_string()
    };
    assert!(refused(&difficulty(&config, &out, 64)).contains("kept.jsonl: exists already"));
    let partial = at("partial.jsonl");
    let whole = fs::read_to_string(beside(&out, "rates.jsonl")).unwrap();
    let first: String = whole.split_inclusive('\n').take(8).collect();
    fs::write(beside(&partial, "rates.jsonl"), first + "{\"id\":").unwrap();
    assert!(refused(&difficulty(&config, &partial, 64)).contains("--resume continues it"));
    // Continued with other batches it ends with the same bytes.
    let resumed = Args {
        resume: true,
        ..difficulty(&config, &partial, 16)
    };
    filter_difficulty::run(&resumed, &Extensions::default()).unwrap();
    assert_eq!(
        fs::read_to_string(beside(&partial, "rates.jsonl")).unwrap(),
        whole
    );
    assert_eq!(fs::read(&partial).unwrap(), fs::read(&out).unwrap());

    // In another directory pictures are named so that they are found from there.
    let elsewhere = dir.path().join("elsewhere.jsonl");
    fs::write(beside(&elsewhere, "rates.jsonl"), whole).unwrap();
    let moved = Args {
        resume: true,
        ..difficulty(&config, &elsewhere, 64)
    };
    filter_difficulty::run(&moved, &Extensions::default()).unwrap();
    for row in tiny::read_rows(&elsewhere) {
        let picture = Path::new(row["image_urls"][0].as_str().unwrap());
        assert!(picture.is_absolute() && picture.is_file(), "{row}");
    }

    let unknown = Args {
        part: "acuracy".into(),
        ..difficulty(&config, &at("none.jsonl"), 64)
    };
    assert!(refused(&unknown).contains("expected one of: accuracy"));
}
