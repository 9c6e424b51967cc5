//! A loss of one's own, with nothing declared: the learner provides what it reads.

use burn::tensor::{Device, Tensor};
use burn_rl::{
    advantage::Constant,
    algo::find,
    config::{OptimConfig, TrainConfig},
    correction::{Correction, CorrectionLevel, RolloutCorrection},
    error::RlError,
    learner::{Learner, PolicyGradient, StepNumbers, TrainBatch, TrainRow},
    loss::{LossInput, PolicyLoss, PpoClip},
    metrics::Metrics,
    recipe::Recipe,
    reduce::LossReduction,
    types::{Sample, ScoredBatch},
};
use burn_vlm::{
    EncodedPrompt, Vlm,
    weights::{TensorVisitor, for_each_tensor},
};
use std::{path::PathBuf, sync::Arc};

fn model() -> Vlm {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_5_vl");
    Vlm::from_dir(&dir, &Device::flex()).unwrap()
}

/// Groups of three responses of these lengths.
fn batch(lengths: &[usize]) -> TrainBatch {
    let prompt = Arc::new(EncodedPrompt {
        tokens: vec![5, 9, 200, 31],
        images: vec![],
    });
    let response = |i: usize| {
        (0..lengths[i])
            .map(|t| ((i * 53 + t * 17) % 300) as u32)
            .collect()
    };
    let rows: Vec<TrainRow> = (0..lengths.len())
        .map(|i| TrainRow {
            prompt: prompt.clone(),
            response: response(i),
        })
        .collect();
    let sample = |i: usize| Sample {
        reward: ((i * 7) % 5) as f64 / 2.0,
        mask: vec![true; lengths[i]],
        ..Sample::default()
    };
    let groups = (0..lengths.len()).step_by(3);
    let groups = groups.map(|g| (g..g + 3).map(sample).collect::<Vec<_>>());
    TrainBatch {
        scored: ScoredBatch::from_groups(groups),
        rows,
        ..TrainBatch::default()
    }
}

fn run(recipe: Recipe, mut batch: TrainBatch, train: TrainConfig) -> (Vec<f32>, Metrics) {
    let optim = OptimConfig {
        lr: 1e-2,
        ..OptimConfig::default()
    };
    batch.advantages = recipe.advantages(&batch.scored).unwrap();
    let mut learner = PolicyGradient::new(model(), Arc::new(recipe), train, optim, 0);
    learner.score(&mut batch).unwrap();
    let metrics = learner.update(&batch, 1).unwrap();
    (weights(learner.model()), metrics)
}

fn weights(model: &Vlm) -> Vec<f32> {
    struct All(Vec<f32>);
    impl TensorVisitor for All {
        fn visit<const D: usize>(&mut self, _: &str, _: burn::module::ParamId, x: Tensor<D>) {
            self.0.extend(x.into_data().iter::<f32>());
        }
    }
    let mut all = All(vec![]);
    for_each_tensor(model, &mut all);
    all.0
}

fn with_loss(loss: impl PolicyLoss + 'static) -> Recipe {
    let recipe = Recipe::named("grpo").unwrap().loss(loss);
    recipe.reduction(LossReduction::TokenMean).build().unwrap()
}

#[test]
fn a_closure_that_is_ppos_clip_learns_the_same_bits() {
    let closure = |x: &LossInput| -> Result<Tensor<2>, RlError> {
        let (ratio, advantages) = (x.ratio()?, x.advantages());
        let clipped = ratio.clone().clamp(0.8, 1.2);
        Ok(-(ratio * advantages.clone()).min_pair(clipped * advantages))
    };
    let ppo = PpoClip {
        low: 0.2,
        high: 0.2,
        ..PpoClip::default()
    };
    let train = TrainConfig {
        epochs: 2,
        mini_batches: 2,
        micro_batch: 2,
        ..TrainConfig::default()
    };
    let lengths = [3, 7, 2, 5, 4, 6];
    let (own, own_metrics) = run(with_loss(closure), batch(&lengths), train.clone());
    let (named, named_metrics) = run(with_loss(ppo), batch(&lengths), train);
    assert!(own == named, "the same weights to the bit");
    for key in ["policy/loss", "optim/grad_norm", "policy/kl_old"] {
        assert_eq!(own_metrics.get(key), named_metrics.get(key), "{key}");
    }
    // The policy has moved and something was clipped: the ratio is one to the old policy.
    assert!(named_metrics.get("policy/kl_old").unwrap() > 1e-6);
    let clipped = ["policy/clip_high", "policy/clip_low"];
    let clipped: f64 = clipped.iter().filter_map(|k| named_metrics.get(k)).sum();
    assert!(clipped > 0.0, "{named_metrics:?}");
}

#[test]
fn an_empty_response_changes_nothing_for_the_others() {
    let recipe = || {
        let options = toml::from_str("beta = 0.04\nreduction = \"token_mean\"\nscale = \"none\"");
        let recipe = (find("grpo").unwrap().builder)(&options.unwrap()).unwrap();
        recipe.advantage(Constant(1.0)).build().unwrap()
    };
    for (micro_batch, epochs) in [(1, 2), (4, 1), (4, 2)] {
        let train = TrainConfig {
            epochs,
            micro_batch,
            ..TrainConfig::default()
        };
        // Tokens are what a mean over tokens counts: an empty response adds none.
        let mut with = batch(&[3, 7, 2, 0, 4, 6]);
        let mut without = with.clone();
        without.rows.remove(3);
        without.scored.samples.remove(3);
        without.scored.groups = vec![0..3, 3..5];
        with.scored.samples[3].reward = 9.0;
        let (with, metrics) = run(recipe(), with, train.clone());
        let (without, expected) = run(recipe(), without, train);
        assert!(with == without, "micro-batch {micro_batch}");
        assert_eq!(metrics, expected);
        assert!(metrics.iter().all(|(_, value)| value.is_finite()));
        if epochs == 2 {
            // The old policy is still the old one for the rows beside the empty one.
            assert!(metrics.get("policy/kl_old").unwrap() > 1e-9, "{metrics:?}");
            assert_ne!(metrics.get("policy/ratio_mean"), Some(1.0));
        }
    }
}

#[test]
fn what_is_not_there_is_named() {
    let train = || TrainConfig {
        epochs: 2,
        ..TrainConfig::default()
    };
    let update = |recipe: Recipe, train: TrainConfig| {
        let mut batch = batch(&[3, 7, 2]);
        batch.advantages = recipe.advantages(&batch.scored).unwrap();
        let recipe = Arc::new(recipe);
        let mut learner = PolicyGradient::new(model(), recipe, train, OptimConfig::default(), 0);
        learner.update(&batch, 1).unwrap_err().to_string()
    };
    // A batch that was not scored.
    let ratio = |x: &LossInput| Ok::<_, RlError>(-(x.ratio()? * x.advantages()));
    let found = update(with_loss(ratio), train());
    assert!(found.contains("`old_logp`"), "{found}");
    let reference = |x: &LossInput| Ok::<_, RlError>(x.logp() - x.ref_logp()?);
    let found = update(with_loss(reference), TrainConfig::default());
    assert!(found.contains("`ref_logp`"), "{found}");
    // A sampler that reports no log-probabilities.
    let correction = RolloutCorrection {
        mode: Correction::Truncate,
        level: CorrectionLevel::Token,
        low: 0.0,
        high: 2.0,
    };
    let recipe = Recipe::builder(Constant(1.0), ratio, LossReduction::TokenMean);
    let recipe = recipe.correction(correction).build().unwrap();
    assert!(recipe.needs().behaviour_logp && recipe.needs().old_logp);
    let found = update(recipe, TrainConfig::default());
    assert!(found.contains("`behaviour_logp`"), "{found}");
    // A loss that did not ask when it was built, because its numbers were others.
    let moody = |x: &LossInput| {
        let first = x.advantages().into_data().iter::<f32>().next();
        match first == Some(1.0) {
            true => Ok(x.logp()),
            false => x.ref_logp(),
        }
    };
    let recipe = Recipe::builder(Constant(3.0), moody, LossReduction::TokenMean);
    let found = update(recipe.build().unwrap(), TrainConfig::default());
    assert!(found.contains("`ref_logp`"), "{found}");
}

#[test]
fn what_is_asked_is_what_is_needed() {
    let needs = |options: &str| {
        let recipe = (find("grpo").unwrap().build)(&toml::from_str(options).unwrap());
        recipe.unwrap().needs()
    };
    let plain = needs("beta = 0.0");
    assert!(plain.old_logp && !plain.ref_logp && !plain.behaviour_logp && !plain.entropy);
    assert!(needs("beta = 0.1").ref_logp);
    assert!(needs("entropy_bonus = 0.1").entropy);
    assert!(needs("ratio_anchor = \"sampler\"").behaviour_logp);
    assert!(needs("correction = \"mask\"").behaviour_logp);
    assert!(needs("beta = 0.1\nkl_in = \"reward\"").old_logp_on_host);
    assert!(!find("rloo").is_ok_and(|e| (e.build)(&toml::Table::new()).unwrap().needs().old_logp));
}

#[test]
fn a_loss_of_another_shape_is_refused() {
    let sums = |x: &LossInput| x.row_sum(x.logp());
    let recipe = Recipe::builder(Constant(1.0), sums, LossReduction::TokenMean).build();
    let message = recipe.map(|_| ()).unwrap_err().to_string();
    assert!(
        message.contains("[2, 1]") && message.contains("[2, 3]"),
        "{message}"
    );
}

#[test]
fn numbers_that_do_not_fit_together_are_refused() {
    let recipe = Recipe::named("grpo").unwrap().build().unwrap();
    let sample = |old: usize| Sample {
        mask: vec![true; 2],
        old_logp: vec![-1.0; old],
        ref_logp: vec![-1.0; 2],
        ..Sample::default()
    };
    let refused = |samples: Vec<Sample>, logp: Vec<Vec<f32>>| {
        let numbers = StepNumbers {
            batch: ScoredBatch::from_groups([samples]),
            logp,
            entropy: vec![],
        };
        recipe
            .apply(&numbers, &Device::flex())
            .map(|_| ())
            .unwrap_err()
            .to_string()
    };
    let two = || vec![vec![-1.0; 2], vec![-1.0; 2]];
    let found = refused(vec![sample(2), sample(3)], two());
    assert!(
        found.contains("sample 1 has 3 numbers in old_logp, expected 2"),
        "{found}"
    );
    let found = refused(vec![sample(2), sample(0)], two());
    assert!(found.contains("`old_logp`"), "{found}");
    let found = refused(vec![sample(2), sample(2)], vec![vec![-1.0; 2]]);
    assert!(found.contains("`logp`"), "{found}");
    let mut batch = ScoredBatch::from_groups([vec![sample(2)]]);
    batch.groups.push(1..3);
    let found = recipe.advantages(&batch).unwrap_err().to_string();
    assert!(found.contains("1..3"), "{found}");
}
