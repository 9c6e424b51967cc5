//! Every algorithm through the whole of a tiny model: loss and norm of the gradient as torch has
//! them, at temperature 1 and at another.

use burn::tensor::Device;
use burn_rl::{
    algo::{ALGORITHMS, find},
    config::{OptimConfig, TrainConfig},
    learner::{Learner, PolicyGradient, TrainBatch, TrainRow},
    types::{CarriedState, Sample, ScoredBatch},
};
use burn_vlm::{EncodedPrompt, Vlm};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::PathBuf, sync::Arc};

/// Largest relative difference: f32 against torch's f64.
const TOLERANCE: f64 = 2e-5;

#[derive(Deserialize)]
struct Golden {
    /// What the logits are divided by.
    #[serde(default = "one")]
    temperature: f64,
    groups: Vec<GoldenGroup>,
    algorithms: BTreeMap<String, Expected>,
}

fn one() -> f64 {
    1.0
}

#[derive(Deserialize)]
struct GoldenGroup {
    greedy: f64,
    rollouts: Vec<GoldenRollout>,
}

#[derive(Deserialize)]
struct GoldenRollout {
    prompt: Vec<u32>,
    response: Vec<u32>,
    reward: f64,
    mask: Vec<bool>,
    old_logp: Vec<f32>,
    sample_logp: Vec<f32>,
    ref_logp: Vec<f32>,
    old_values: Vec<f32>,
}

#[derive(Deserialize)]
struct Expected {
    set: toml::Table,
    loss: f64,
    grad_norm: f64,
}

fn batch(golden: &Golden) -> TrainBatch {
    let rollouts = || golden.groups.iter().flat_map(|g| &g.rollouts);
    let row = |r: &GoldenRollout| TrainRow {
        prompt: Arc::new(EncodedPrompt {
            tokens: r.prompt.clone(),
            images: vec![],
        }),
        response: r.response.clone(),
    };
    let sample = |r: &GoldenRollout, greedy: f64| Sample {
        reward: r.reward,
        greedy_reward: Some(greedy),
        mask: r.mask.clone(),
        old_logp: r.old_logp.clone(),
        behaviour_logp: r.sample_logp.clone(),
        ref_logp: r.ref_logp.clone(),
        values: r.old_values.clone(),
        ..Sample::default()
    };
    let group = |g: &GoldenGroup| g.rollouts.iter().map(|r| sample(r, g.greedy)).collect();
    let mut scored = ScoredBatch::from_groups(golden.groups.iter().map(group));
    scored.carried = CarriedState {
        reward_average: Some(0.25),
        ..CarriedState::default()
    };
    TrainBatch {
        rows: rollouts().map(row).collect(),
        scored,
        temperature: golden.temperature,
        ..TrainBatch::default()
    }
}

#[test]
fn every_algorithm_through_the_model() {
    through_the_model("algos/model.json");
}

#[test]
fn every_algorithm_through_the_model_at_another_temperature() {
    assert_eq!(through_the_model("algos/temperature.json"), 0.7);
}

/// Holds every algorithm to the numbers of a file, and gives their temperature.
fn through_the_model(file: &str) -> f64 {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let golden: Golden = serde_json::from_slice(&fs::read(root.join(file)).unwrap()).unwrap();
    let model = Vlm::from_dir(&root.join("qwen2_5_vl"), &Device::flex()).unwrap();
    for entry in ALGORITHMS {
        let expected = &golden.algorithms[entry.name];
        let recipe = (find(entry.name).unwrap().build)(&expected.set).unwrap();
        let mut batch = batch(&golden);
        batch.advantages = recipe.advantages(&batch.scored).unwrap();
        // Nothing moves at a rate of 0, so both epochs are the same step; two of them make the
        // given log-probabilities those of an old policy.
        let train = TrainConfig {
            epochs: 2,
            micro_batch: 3,
            ..TrainConfig::default()
        };
        let optim = OptimConfig {
            lr: 0.0,
            ..OptimConfig::default()
        };
        let mut learner = PolicyGradient::new(model.clone(), Arc::new(recipe), train, optim, 0);
        let metrics = learner.update(&batch, 1).unwrap();
        for (key, expected) in [
            ("policy/loss", expected.loss),
            ("optim/grad_norm", expected.grad_norm),
        ] {
            let found = metrics.get(key).unwrap();
            let gap = (found - expected).abs() / expected.abs().max(0.1);
            assert!(
                gap < TOLERANCE,
                "{}: {key} is {found}, torch has {expected}",
                entry.name
            );
        }
    }
    golden.temperature
}
