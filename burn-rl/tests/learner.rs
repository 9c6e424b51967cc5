//! The learner: what its result may and may not depend on.

#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use burn_rl::{
    advantage::Constant,
    algo::find,
    config::{OptimConfig, TrainConfig},
    learner::{Learner, PolicyGradient, TrainBatch, TrainRow},
    loss::Nll,
    metrics::Metrics,
    recipe::Recipe,
    reduce::LossReduction,
    types::{Sample, ScoredBatch},
};
use burn_vlm::{
    EncodedPrompt, Vlm,
    tape::ActivationRecompute,
    weights::{TensorVisitor, for_each_tensor},
};
use std::{path::PathBuf, sync::Arc};

fn model() -> Vlm {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_5_vl");
    Vlm::from_dir(&dir, &Device::flex()).unwrap()
}

/// Two prompts with three responses each, of ragged lengths and different rewards.
fn batch(recipe: &Recipe, rewards: [f64; 6]) -> TrainBatch {
    let prompts: Vec<Arc<EncodedPrompt>> = [vec![5, 9, 200, 31], vec![77, 3]]
        .into_iter()
        .map(|tokens| {
            Arc::new(EncodedPrompt {
                tokens,
                images: vec![],
            })
        })
        .collect();
    let response = |i: usize| {
        (0..2 + (i * 3) % 7)
            .map(|t| ((i * 53 + t * 17) % 300) as u32)
            .collect()
    };
    let rows: Vec<TrainRow> = (0..6)
        .map(|i| TrainRow {
            prompt: prompts[i / 3].clone(),
            response: response(i),
        })
        .collect();
    let sample = |i: usize| Sample {
        reward: rewards[i],
        mask: (0..rows[i].response.len())
            .map(|t| (i + t) % 4 != 3)
            .collect(),
        ..Sample::default()
    };
    let groups: [Vec<Sample>; 2] = [(0..3).map(sample).collect(), (3..6).map(sample).collect()];
    let scored = ScoredBatch::from_groups(groups);
    let advantages = recipe.advantages(&scored).unwrap();
    TrainBatch {
        temperature: 1.0,
        features: vec![],
        rows,
        scored,
        advantages,
        mini_batch: None,
    }
}

fn grpo(beta: f64) -> Recipe {
    let options = toml::Table::from_iter([("beta".to_owned(), beta.into())]);
    (find("grpo").unwrap().build)(&options).unwrap()
}

const REWARDS: [f64; 6] = [0.0, 1.0, 0.5, 2.0, 2.0, 1.0];

fn train(recipe: Recipe, config: TrainConfig, rewards: [f64; 6]) -> (Vec<f32>, Metrics) {
    let optim = OptimConfig {
        lr: 1e-3,
        ..OptimConfig::default()
    };
    let mut batch = batch(&recipe, rewards);
    let mut learner = PolicyGradient::new(model(), Arc::new(recipe), config, optim, 0);
    learner.score(&mut batch).unwrap();
    let metrics = learner.update(&batch, 1).unwrap();
    (values(learner.model()), metrics)
}

fn values(model: &Vlm) -> Vec<f32> {
    struct All(Vec<f32>);
    impl TensorVisitor for All {
        fn visit<const D: usize>(
            &mut self,
            _: &str,
            _: burn::module::ParamId,
            tensor: burn::tensor::Tensor<D>,
        ) {
            self.0.extend(tensor.into_data().iter::<f32>());
        }
    }
    let mut all = All(vec![]);
    for_each_tensor(model, &mut all);
    all.0
}

fn config(micro_batch: usize, mini_batches: usize, epochs: usize) -> TrainConfig {
    TrainConfig {
        micro_batch,
        mini_batches,
        epochs,
        ..TrainConfig::default()
    }
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter()
        .zip(b)
        .fold(0.0, |worst, (x, y)| worst.max((x - y).abs()))
}

#[test]
fn the_update_does_not_depend_on_the_micro_batch() {
    for reduction in [LossReduction::SequenceMean, LossReduction::TokenMean] {
        let run = |micro_batch| {
            let recipe = grpo(0.04).into_builder().reduction(reduction);
            train(recipe.build().unwrap(), config(micro_batch, 1, 1), REWARDS)
        };
        let (whole, whole_metrics) = run(6);
        // Adam's first step is lr · sign(g) nearly everywhere: compare what it is made of too.
        let norm = |m: &Metrics| m.get("optim/grad_norm").unwrap();
        for micro_batch in [1, 2, 4] {
            let (parts, metrics) = run(micro_batch);
            let (a, b) = (norm(&metrics), norm(&whole_metrics));
            assert!(
                (a - b).abs() / b < 1e-5,
                "micro-batch {micro_batch}: norm {a} vs {b}"
            );
            for (name, value) in whole_metrics.iter() {
                let other = metrics.get(name).unwrap();
                assert!(
                    (value - other).abs() <= 1e-5 * value.abs().max(1e-2),
                    "{name}: {value} {other}"
                );
            }
            let moved = whole
                .iter()
                .zip(&parts)
                .filter(|(x, y)| (*x - *y).abs() > 1e-5)
                .count();
            assert!(
                moved * 1000 < whole.len(),
                "micro-batch {micro_batch}: {moved} parameters differ"
            );
        }
    }
}

#[test]
fn both_ways_of_keeping_activations_learn_the_same() {
    let run = |activation_recompute| {
        let config = TrainConfig {
            activation_recompute,
            ..config(3, 1, 1)
        };
        train(grpo(0.04), config, REWARDS).1
    };
    let (block, none) = (
        run(ActivationRecompute::Block),
        run(ActivationRecompute::None),
    );
    for (name, value) in block.iter() {
        let other = none.get(name).unwrap();
        assert!(
            (value - other).abs() <= 1e-5 * value.abs().max(1e-2),
            "{name}: {value} {other}"
        );
    }
}

#[test]
fn on_policy_the_ratio_is_one_and_nothing_is_clipped() {
    let (_, metrics) = train(grpo(0.04), config(2, 1, 1), REWARDS);
    assert_eq!(metrics.get("policy/ratio_mean"), Some(1.0));
    assert_eq!(metrics.get("policy/clip_high"), Some(0.0));
    assert_eq!(metrics.get("policy/clip_low"), Some(0.0));
    assert!(metrics.get("policy/kl_ref").unwrap().abs() < 1e-9);
    assert!(metrics.get("policy/entropy").unwrap() > 0.0);
}

#[test]
fn equal_rewards_move_nothing() {
    let before = values(&model());
    let (after, metrics) = train(grpo(0.0), config(6, 1, 1), [1.0; 6]);
    assert_eq!(metrics.get("optim/grad_norm"), Some(0.0));
    assert_eq!(furthest(&before, &after), 0.0);
}

#[test]
fn several_updates_leave_the_old_policy_behind() {
    let (_, metrics) = train(grpo(0.0), config(6, 2, 2), REWARDS);
    assert_ne!(metrics.get("policy/ratio_mean"), Some(1.0));
}

#[test]
fn demonstrations_become_likelier() {
    let recipe = || {
        let recipe = Recipe::builder(Constant(1.0), Nll, LossReduction::TokenMean);
        recipe.demonstrated().build().unwrap()
    };
    let optim = OptimConfig {
        lr: 1e-3,
        ..OptimConfig::default()
    };
    let batch = batch(&recipe(), [0.0; 6]);
    let mut learner = PolicyGradient::new(model(), Arc::new(recipe()), config(6, 1, 1), optim, 0);
    let mut loss = |step| {
        learner
            .update(&batch, step)
            .unwrap()
            .get("policy/loss")
            .unwrap()
    };
    let losses: Vec<f64> = (1..=5).map(&mut loss).collect();
    assert!(losses.windows(2).all(|w| w[1] < w[0]), "{losses:?}");
}
