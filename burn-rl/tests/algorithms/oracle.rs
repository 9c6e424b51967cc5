//! Values and derivatives against an oracle in float64 (`tests/golden/gen/make_algos.py`).

use super::harness::{Layout, Numbers, run};
use burn_rl::{
    algo::{ALGORITHMS, find},
    types::{Sample, ScoredBatch},
};
use safetensors::SafeTensors;
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::PathBuf};

/// Largest difference, relative to the largest number of its batch and kind.
const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
pub struct Case {
    pub algo: String,
    pub set: toml::Table,
    every: usize,
    token_rewards: bool,
}

/// The golden file.
pub struct Oracle {
    bytes: Vec<u8>,
    pub cases: BTreeMap<String, Case>,
}

impl Oracle {
    pub fn open() -> Self {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../tests/golden/algos/oracle.safetensors");
        let bytes = fs::read(path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let cases = header.metadata().as_ref().unwrap()["cases"].clone();
        let cases = serde_json::from_str(&cases).unwrap();
        Self { bytes, cases }
    }

    fn list<T, const N: usize>(&self, name: &str, read: fn([u8; N]) -> T) -> Option<Vec<T>> {
        let file = SafeTensors::deserialize(&self.bytes).unwrap();
        let view = file.tensor(name).ok()?;
        let chunks = view.data().chunks_exact(N);
        Some(chunks.map(|b| read(b.try_into().unwrap())).collect())
    }

    fn f32(&self, name: &str) -> Vec<f32> {
        self.list(name, f32::from_le_bytes).unwrap()
    }

    fn f64(&self, name: &str) -> Vec<f64> {
        self.list(name, f64::from_le_bytes).unwrap()
    }

    fn counts(&self, name: &str) -> Vec<usize> {
        let list = self.list(name, i32::from_le_bytes).unwrap();
        list.into_iter().map(|n| n as usize).collect()
    }

    /// All batches; `token_rewards` says whether single tokens have rewards too.
    pub fn batches(&self, token_rewards: bool) -> Vec<Numbers> {
        let (groups, lengths) = (self.counts("groups"), self.counts("lengths"));
        let (reward, accuracy) = (self.f64("reward"), self.f64("accuracy"));
        let (greedy, average) = (self.f64("greedy"), self.f64("average"));
        let bytes = |name| self.list(name, |[b]: [u8; 1]| b != 0).unwrap();
        let (truncated, mask) = (bytes("truncated"), bytes("mask"));
        let per_token = self.f64("token_rewards");
        let names = [
            "logp",
            "old_logp",
            "sample_logp",
            "ref_logp",
            "entropy",
            "values",
            "old_values",
        ];
        let lists = names.map(|name| self.f32(name));
        let (mut sample, mut token, mut group) = (0, 0, 0);
        let mut out = vec![];
        for (b, count) in self.counts("batch_groups").into_iter().enumerate() {
            let mut numbers = Numbers::default();
            let mut all = vec![];
            for _ in 0..count {
                let mut members = vec![];
                for _ in 0..groups[group] {
                    let tokens = token..token + lengths[sample];
                    let list = |i: usize| lists[i][tokens.clone()].to_vec();
                    numbers.logp.push(list(0));
                    numbers.entropy.push(list(4));
                    numbers.values.push(list(5));
                    members.push(Sample {
                        reward: reward[sample],
                        parts: [("accuracy".to_owned(), accuracy[sample])].into(),
                        token_rewards: match token_rewards {
                            true => per_token[tokens.clone()].to_vec(),
                            false => vec![],
                        },
                        greedy_reward: Some(greedy[group]),
                        truncated: truncated[sample],
                        mask: mask[tokens.clone()].to_vec(),
                        old_logp: list(1),
                        sampler_logp: vec![],
                        behaviour_logp: list(2),
                        ref_logp: list(3),
                        values: list(6),
                    });
                    token = tokens.end;
                    sample += 1;
                }
                all.push(members);
                group += 1;
            }
            numbers.batch = ScoredBatch::from_groups(all);
            numbers.batch.carried.reward_average = Some(average[b]).filter(|a| a.is_finite());
            out.push(numbers);
        }
        out
    }
}

/// Compares the tokens that take part; returns the largest difference relative to the batch's
/// largest number.
fn gap(expected: &[f32], found: &[Vec<f32>], batch: &ScoredBatch) -> f64 {
    let found = found
        .iter()
        .flatten()
        .zip(batch.samples.iter().flat_map(|s| &s.mask));
    let scale = expected.iter().fold(0.0f32, |m, x| m.max(x.abs()));
    let mut worst = 0.0f64;
    for (e, (f, mask)) in expected.iter().zip(found) {
        if *mask {
            worst = worst.max(f64::from((e - f).abs()));
        }
    }
    worst / f64::from(scale.max(1e-3))
}

fn check(oracle: &Oracle, name: &str, case: &Case) -> (usize, f64) {
    let recipe = (find(&case.algo).unwrap().build)(&case.set).unwrap();
    let batches = oracle.batches(case.token_rewards);
    let losses = oracle.f64(&format!("{name}/loss"));
    let lists: BTreeMap<&str, Vec<f32>> =
        ["advantages", "d_logp", "d_entropy", "returns", "d_values"]
            .into_iter()
            .filter_map(|key| {
                Some((
                    key,
                    oracle.list(&format!("{name}/{key}"), f32::from_le_bytes)?,
                ))
            })
            .collect();
    let value_losses = oracle.list(&format!("{name}/value_loss"), f64::from_le_bytes);
    let (mut start, mut compared, mut worst) = (0, 0, 0.0f64);
    for (b, numbers) in batches.iter().step_by(case.every).enumerate() {
        let tokens: usize = numbers.logp.iter().map(Vec::len).sum();
        let range = start..start + tokens;
        start = range.end;
        if losses[b].is_nan() {
            continue;
        }
        // Micro-batches of two and padding of either kind, so that nothing depends on them.
        let layout = Layout {
            micro_batch: 2,
            left: b % 2 == 1,
            extra: b % 3,
            filler: 0.0,
        };
        let out = run(&recipe, numbers, layout);
        let mut close = |key: &str, gap: f64| {
            assert!(
                gap <= TOLERANCE,
                "{name}, batch {b}: {key} is off by {gap:e}"
            );
            worst = worst.max(gap);
        };
        let relative =
            |found: f64, expected: f64| (found - expected).abs() / expected.abs().max(1.0);
        close("loss", relative(out.loss, losses[b]));
        if let Some(expected) = &value_losses {
            close("value_loss", relative(out.value_loss, expected[b]));
        }
        let found = [
            ("advantages", &out.advantages.per_token),
            ("d_logp", &out.d_logp),
            ("d_entropy", &out.d_entropy),
            ("returns", &out.advantages.returns),
            ("d_values", &out.d_values),
        ];
        for (key, found) in found {
            if let Some(expected) = lists.get(key) {
                close(key, gap(&expected[range.clone()], found, &numbers.batch));
            }
        }
        compared += 1;
    }
    (compared, worst)
}

#[test]
fn every_algorithm_is_its_formula() {
    let oracle = Oracle::open();
    for entry in ALGORITHMS {
        let case = oracle.cases.get(entry.name).unwrap_or_else(|| {
            panic!(
                "{} is not in the oracle: write its formula and the paper's settings into \
                     tests/golden/gen/make_algos.py, independently of the Rust code, and run it",
                entry.name
            )
        });
        assert!(case.set.is_empty() && case.algo == entry.name);
        let (compared, worst) = check(&oracle, entry.name, case);
        assert!(compared >= 100, "{}: {compared} batches", entry.name);
        println!(
            "{:<24} {compared} batches, largest difference {worst:.1e}",
            entry.name
        );
    }
}

#[test]
fn every_setting_is_its_formula() {
    let oracle = Oracle::open();
    let mut seen = 0;
    for (name, case) in oracle.cases.iter().filter(|(name, _)| name.contains('/')) {
        let (compared, _) = check(&oracle, name, case);
        assert!(compared >= 25, "{name}: {compared} batches");
        seen += 1;
    }
    assert!(seen >= 40, "{seen} cases");
}

#[test]
fn the_oracle_has_the_awkward_batches() {
    let batches = Oracle::open().batches(false);
    let any = |test: &dyn Fn(&Numbers) -> bool| batches.iter().filter(|n| test(n)).count();
    let groups = |n: &Numbers| -> Vec<Vec<Sample>> {
        let batch = &n.batch;
        batch
            .groups
            .iter()
            .map(|g| batch.samples[g.clone()].to_vec())
            .collect()
    };
    assert!(batches.len() >= 100);
    assert!(
        any(&|n| n.batch.samples.iter().any(|s| s.active() == 0)) > 10,
        "all masked"
    );
    assert!(
        any(&|n| groups(n).iter().any(|g| g.len() == 1)) > 10,
        "groups of one"
    );
    let equal = |g: &Vec<Sample>| g.len() > 1 && g.iter().all(|s| s.reward == g[0].reward);
    assert!(any(&|n| groups(n).iter().any(equal)) > 10, "equal rewards");
    assert!(
        any(&|n| n.logp.windows(2).any(|w| w[0].len() != w[1].len())) > 50,
        "ragged"
    );
}
