//! What the learner does beside a plain update, each against a hand calculation or an invariance.

#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use burn_rl::{
    advantage::Constant,
    config::{OptimConfig, TrainConfig},
    error::RlError,
    learner::{Critic, Learner, PolicyGradient, TrainBatch, TrainRow},
    loss::{Nll, PpoClip},
    metrics::Metrics,
    recipe::{CriticSpec, Recipe, RecipeBuilder},
    reduce::LossReduction,
    regularize::{Kl, KlControl, KlEstimator},
    types::{Advantages, Sample, ScoredBatch},
};
use burn_vlm::{
    EncodedPrompt, LoadOptions, ValueHead, ValueInit, Vlm,
    weights::{TensorVisitor, for_each_tensor},
};
use std::{path::PathBuf, sync::Arc};

fn model_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_5_vl")
}

fn model() -> Vlm {
    Vlm::from_dir(&model_dir(), &Device::flex()).unwrap()
}

/// Four responses of ragged lengths to two prompts; each token is worth the number of its sample.
fn batch() -> TrainBatch {
    let prompts = [vec![5, 9, 200, 31], vec![77, 3]].map(|tokens| {
        Arc::new(EncodedPrompt {
            tokens,
            images: vec![],
        })
    });
    let worth = [1.0_f32, -0.5, 0.75, -1.0];
    let lens = [3_usize, 7, 2, 5];
    let rows: Vec<TrainRow> = (0..4)
        .map(|i| TrainRow {
            prompt: prompts[i / 2].clone(),
            response: (0..lens[i])
                .map(|t| ((i * 53 + t * 17) % 300) as u32)
                .collect(),
        })
        .collect();
    let sample = |i: usize| Sample {
        mask: vec![true; lens[i]],
        ..Sample::default()
    };
    TrainBatch {
        scored: ScoredBatch::from_groups([
            (0..2).map(sample).collect(),
            (2..4).map(sample).collect::<Vec<_>>(),
        ]),
        advantages: Advantages {
            per_token: (0..4).map(|i| vec![worth[i]; lens[i]]).collect(),
            returns: (0..4).map(|i| vec![worth[i]; lens[i]]).collect(),
            ..Advantages::default()
        },
        rows,
        ..TrainBatch::default()
    }
}

fn clipped_parts() -> RecipeBuilder {
    let loss = PpoClip {
        low: 0.2,
        high: 0.2,
        ..PpoClip::default()
    };
    Recipe::builder(Constant(1.0), loss, LossReduction::TokenMean)
}

fn clipped() -> Recipe {
    clipped_parts().build().unwrap()
}

fn with_kl_parts() -> RecipeBuilder {
    clipped_parts().regularize(Kl {
        estimator: KlEstimator::K3,
        beta: 0.1,
    })
}

fn with_kl() -> Recipe {
    with_kl_parts().build().unwrap()
}

fn learner(recipe: Recipe, train: TrainConfig) -> PolicyGradient {
    let optim = OptimConfig {
        lr: 1e-3,
        ..OptimConfig::default()
    };
    PolicyGradient::new(model(), Arc::new(recipe), train, optim, 0)
}

fn step(learner: &mut PolicyGradient, step: u64) -> Result<Metrics, RlError> {
    let mut batch = batch();
    learner.score(&mut batch).unwrap();
    learner.update(&batch, step)
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

#[test]
fn the_update_does_not_depend_on_the_token_limit() {
    let run = |micro_batch_tokens| {
        let train = TrainConfig {
            micro_batch_tokens,
            ..TrainConfig::default()
        };
        step(&mut learner(with_kl(), train), 1).unwrap()
    };
    let whole = run(0);
    for tokens in [1, 9, 20] {
        let parts = run(tokens);
        for (name, value) in whole.iter() {
            let other = parts.get(name).unwrap();
            let close = (value - other).abs() <= 1e-5 * value.abs().max(1e-2);
            assert!(close, "{tokens} tokens, {name}: {value} {other}");
        }
    }
}

#[test]
fn the_average_follows_the_weights() {
    let train = TrainConfig {
        average_decay: 0.75,
        ..TrainConfig::default()
    };
    let mut learner = learner(clipped(), train);
    let mut expected: Vec<f64> = values(learner.model())
        .iter()
        .map(|v| f64::from(*v))
        .collect();
    for i in 1..=3 {
        step(&mut learner, i).unwrap();
        for (mean, now) in expected.iter_mut().zip(values(learner.model())) {
            *mean = 0.75 * *mean + 0.25 * f64::from(now);
        }
    }
    let found = values(learner.average().unwrap());
    assert_ne!(found, values(learner.model()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (f64::from(*found) - expected).abs() < 1e-6,
            "{found} {expected}"
        );
    }
}

#[test]
fn a_renewed_reference_is_the_policy() {
    let kl = |mix: f64| -> Vec<f64> {
        let train = TrainConfig {
            reference_refresh_steps: 2,
            reference_mix: mix,
            ..TrainConfig::default()
        };
        let mut learner = learner(with_kl(), train);
        let mut kl = |i| step(&mut learner, i).unwrap().get("policy/kl_ref").unwrap();
        (1..=5).map(&mut kl).collect()
    };
    let whole = kl(1.0);
    // Steps 1, 3 and 5 begin with the policy that the reference was just made of.
    for i in [0, 2, 4] {
        assert!(whole[i].abs() < 1e-9, "{whole:?}");
    }
    assert!(whole[1] > 1e-6 && whole[3] > 1e-6, "{whole:?}");
    // With half of it, the reference is between the two policies.
    let half = kl(0.5);
    assert_eq!(half[..2], whole[..2]);
    assert!(half[2] > 1e-7, "{half:?}");
}

#[test]
fn updates_end_before_the_policy_is_too_far() {
    let run = |target_kl| {
        let train = TrainConfig {
            epochs: 4,
            target_kl,
            ..TrainConfig::default()
        };
        step(&mut learner(clipped(), train), 1).unwrap()
    };
    let far = run(1e3);
    assert_eq!(far.get("optim/updates"), Some(4.0));
    assert_eq!(far.get("policy/stopped_early"), Some(0.0));
    let near = run(1e-7);
    // The first update finds the policy where it was, the second does not.
    assert_eq!(near.get("optim/updates"), Some(1.0));
    assert_eq!(near.get("policy/stopped_early"), Some(1.0));
    assert_eq!(near.get("policy/kl_old"), Some(0.0));
    assert_eq!(run(0.0).get("policy/stopped_early"), None);
}

#[test]
fn gradients_that_are_not_finite_move_nothing_and_are_counted() {
    let train = TrainConfig {
        max_skipped_updates: 3,
        ..TrainConfig::default()
    };
    let mut learner = learner(clipped(), train);
    let before = values(learner.model());
    let mut broken = batch();
    broken.advantages.per_token[2][1] = f32::NAN;
    for i in 1..=2 {
        let metrics = learner.update(&broken, i).unwrap();
        assert_eq!(metrics.get("optim/skipped_updates"), Some(1.0));
        assert!(values(learner.model()) == before);
    }
    // A sound update in between, and the count begins anew.
    step(&mut learner, 3).unwrap();
    assert!(values(learner.model()) != before);
    learner.update(&broken, 4).unwrap();
    learner.update(&broken, 5).unwrap();
    let error = learner.update(&broken, 6).unwrap_err().to_string();
    assert!(error.contains("3 updates in a row"), "{error}");
}

#[test]
fn the_weight_of_the_kl_follows_the_kl() {
    let control = KlControl {
        target: 0.05,
        horizon: 40.0,
    };
    let recipe = with_kl_parts().kl_control(0.1, control).build();
    let mut learner = learner(recipe.unwrap(), TrainConfig::default());
    let first = step(&mut learner, 1).unwrap();
    assert_eq!(first.get("policy/kl_coef"), Some(0.1));
    assert!(first.get("policy/kl_ref").unwrap() < 1e-9);
    // Four completions, a KL of 0: 0.1 · (1 − 0.2 · 4 / 40).
    let second = step(&mut learner, 2).unwrap();
    let found = second.get("policy/kl_coef").unwrap();
    assert!((found - 0.098).abs() < 1e-12, "{found}");
    // A step whose KL is at its target would leave it: this one's is what it is.
    let kl = second.get("policy/kl_ref").unwrap();
    let error = (kl / 0.05 - 1.0).clamp(-0.2, 0.2);
    let third = step(&mut learner, 3)
        .unwrap()
        .get("policy/kl_coef")
        .unwrap();
    assert!(
        (third - found * (1.0 + error * 0.1)).abs() < 1e-12,
        "{third}"
    );
}

#[test]
fn log_probabilities_of_carried_groups_stay_what_they_were() {
    let learner = learner(clipped(), TrainConfig::default());
    let mut carried = batch();
    learner.fill_old_logprobs(&mut carried).unwrap();
    let before: Vec<Vec<f32>> = carried
        .scored
        .samples
        .iter()
        .map(|s| s.old_logp.clone())
        .collect();
    assert!(before.iter().all(|logp| logp.iter().all(|l| *l < 0.0)));

    // The first group comes from an older policy under which every token was e times less likely.
    for sample in &mut carried.scored.samples[..2] {
        sample.old_logp.iter_mut().for_each(|l| *l -= 1.0);
    }
    for sample in &mut carried.scored.samples[2..] {
        sample.old_logp.clear();
    }
    learner.score(&mut carried).unwrap();
    for (i, sample) in carried.scored.samples.iter().enumerate() {
        let shift = if i < 2 { 1.0 } else { 0.0 };
        for (found, now) in sample.old_logp.iter().zip(&before[i]) {
            assert!((found - (now - shift)).abs() < 1e-5, "sample {i}");
        }
    }
    // 10 tokens of ratio e, 7 of ratio 1.
    let mut learner = learner;
    let ratio = learner.update(&carried, 1).unwrap();
    let ratio = ratio.get("policy/ratio_mean").unwrap();
    let expected = (10.0 * 1_f64.exp() + 7.0) / 17.0;
    assert!((ratio - expected).abs() < 1e-4, "{ratio} {expected}");
}

fn critic(init: ValueInit) -> Critic {
    let device = Device::flex();
    let head = |d| ValueHead::new(d, false, init, 1, &device);
    let model = Vlm::critic_from_dir(&model_dir(), head, &LoadOptions::default(), &device).unwrap();
    let optim = OptimConfig {
        lr: 3e-3,
        ..OptimConfig::default()
    };
    Critic::new(model, optim, CriticSpec { value_clip: None }).unwrap()
}

#[test]
fn the_critic_learns_returns_while_the_policy_is_frozen() {
    let train = TrainConfig {
        freezing_actor_steps: 8,
        ..TrainConfig::default()
    };
    let recipe = Recipe::builder(Constant(1.0), Nll, LossReduction::TokenMean)
        .critic(CriticSpec { value_clip: None })
        .build();
    let mut learner = learner(recipe.unwrap(), train).with_critic(critic(ValueInit::Zero));
    let before = values(learner.model());
    let steps: Vec<Metrics> = (1..=8).map(|i| step(&mut learner, i).unwrap()).collect();
    assert!(values(learner.model()) == before);
    assert!(steps.iter().all(|m| m.get("policy/loss").is_none()));
    // Values are 0 at first: ½ · (3 · 1² + 7 · 0.5² + 2 · 0.75² + 5 · 1²) / 17 = 0.319853.
    let loss = |m: &Metrics| m.get("value/loss").unwrap();
    assert!(
        (loss(&steps[0]) - 10.875 / 34.0).abs() < 1e-6,
        "{}",
        loss(&steps[0])
    );
    assert_eq!(steps[0].get("value/mean"), Some(0.0));
    assert!(
        loss(&steps[7]) < 0.5 * loss(&steps[0]),
        "{}",
        loss(&steps[7])
    );
    let explained = steps[7].get("value/explained_variance").unwrap();
    assert!(explained > 0.3, "{explained}");
    // Then the policy moves too.
    let after = step(&mut learner, 9).unwrap();
    assert!(after.get("policy/loss").is_some());
    assert!(values(learner.model()) != before);
}

#[test]
fn the_critics_update_does_not_depend_on_the_micro_batch() {
    let run = |micro_batch| {
        let train = TrainConfig {
            micro_batch,
            ..TrainConfig::default()
        };
        let recipe = clipped_parts().critic(CriticSpec { value_clip: None });
        let mut learner =
            learner(recipe.build().unwrap(), train).with_critic(critic(ValueInit::Normal));
        step(&mut learner, 1).unwrap()
    };
    let whole = run(4);
    for micro_batch in [1, 3] {
        let parts = run(micro_batch);
        for name in ["value/loss", "value/grad_norm", "value/mean"] {
            let (a, b) = (whole.get(name).unwrap(), parts.get(name).unwrap());
            assert!((a - b).abs() <= 1e-5 * a.abs(), "{name}: {a} {b}");
        }
    }
}

#[test]
fn another_model_may_be_the_reference() {
    let teacher = || Vlm::random(model().config().clone(), 3, &Device::flex());
    let train = TrainConfig::default();
    let mut own = learner(with_kl(), train.clone());
    assert!(
        step(&mut own, 1)
            .unwrap()
            .get("policy/kl_ref")
            .unwrap()
            .abs()
            < 1e-9
    );
    let mut needs_teacher = learner(with_kl(), train).with_reference(teacher());
    // k3 of the tokens of the batch, from the log-probabilities of both models.
    let scored = |model: Vlm| {
        let recipe = Arc::new(clipped());
        let learner = PolicyGradient::new(
            model,
            recipe,
            TrainConfig::default(),
            OptimConfig::default(),
            0,
        );
        let mut batch = batch();
        learner.fill_old_logprobs(&mut batch).unwrap();
        let samples = batch.scored.samples.into_iter();
        samples
            .flat_map(|s| s.old_logp)
            .map(f64::from)
            .collect::<Vec<_>>()
    };
    let pairs: Vec<(f64, f64)> = scored(model()).into_iter().zip(scored(teacher())).collect();
    let k3 = |(p, q): &(f64, f64)| (q - p).exp() - 1.0 - (q - p);
    let expected = pairs.iter().map(k3).sum::<f64>() / pairs.len() as f64;
    let found = step(&mut needs_teacher, 1)
        .unwrap()
        .get("policy/kl_ref")
        .unwrap();
    assert!(expected > 0.01, "{expected}");
    assert!(
        (found - expected).abs() < 1e-4 * expected,
        "{found} {expected}"
    );
}
