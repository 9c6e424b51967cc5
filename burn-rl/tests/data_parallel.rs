//! Two replicas are one learner that accumulates over two micro-batches, whatever else it does; and
//! they are equal to the bit.

#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use burn_rl::{
    algo::find,
    config::{OptimConfig, TrainConfig},
    dist::{DataParallel, DeviceKind, DeviceSpec, Workers},
    learner::{Checksum, Critic, Learner, PolicyGradient, Replicate, TrainBatch, TrainRow},
    metrics::Metrics,
    recipe::{CriticSpec, Recipe},
    types::{Sample, ScoredBatch},
};
use burn_vlm::{
    EncodedPrompt, ValueHead, ValueInit, Vlm,
    freeze::freeze,
    lora::LoraConfig,
    weights::{TensorVisitor, for_each_tensor},
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Gradients of replicas are summed in another order than those of micro-batches.
const ROUNDING: f64 = 1e-5;

fn model_dir() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/qwen2_5_vl")
}

fn model() -> Vlm {
    Vlm::from_dir(&model_dir(), &Device::flex()).unwrap()
}

fn workers(n: usize) -> Arc<Workers> {
    let device = |i| DeviceSpec {
        name: format!("flex:{i}"),
        device: Device::flex(),
        kind: DeviceKind::Cpu,
    };
    Arc::new(Workers::new((0..n).map(device).collect()).unwrap())
}

/// Four groups of three responses, of ragged lengths, with rewards that vary in each.
fn batch() -> TrainBatch {
    let prompts: Vec<Arc<EncodedPrompt>> = (0..4)
        .map(|i| {
            Arc::new(EncodedPrompt {
                tokens: (0..2 + 3 * (i % 2)).map(|t| 5 + 31 * i + t).collect(),
                images: vec![],
            })
        })
        .collect();
    let response = |i: usize| {
        (0..2 + (i * 5) % 9)
            .map(|t| ((i * 53 + t * 17) % 300) as u32)
            .collect()
    };
    let rows: Vec<TrainRow> = (0..12)
        .map(|i| TrainRow {
            prompt: prompts[i / 3].clone(),
            response: response(i),
        })
        .collect();
    let sample = |i: usize| Sample {
        reward: ((i * 7) % 5) as f64 / 2.0,
        mask: (0..rows[i].response.len())
            .map(|t| (i + t) % 6 != 5)
            .collect(),
        // Of a policy that was a little surer of everything.
        behaviour_logp: vec![-4.0; rows[i].response.len()],
        ..Sample::default()
    };
    let groups = (0..4).map(|g| (3 * g..3 * g + 3).map(sample).collect::<Vec<_>>());
    TrainBatch {
        scored: ScoredBatch::from_groups(groups),
        rows,
        ..TrainBatch::default()
    }
}

fn optim() -> OptimConfig {
    OptimConfig {
        lr: 2e-3,
        // Adam moves a parameter whose gradient is next to nothing by its sign; not so with this.
        epsilon: 1e-2,
        max_grad_norm: 0.5,
        ..OptimConfig::default()
    }
}

fn algorithm(name: &str, options: &str) -> Recipe {
    (find(name).unwrap().build)(&toml::from_str(options).unwrap()).unwrap()
}

fn learner(model: Vlm, recipe: Recipe, train: TrainConfig) -> PolicyGradient {
    let train = TrainConfig {
        micro_batch: 6,
        steps: 10,
        ..train
    };
    PolicyGradient::new(model, Arc::new(recipe), train, optim(), 3)
}

fn critic() -> Critic {
    let device = Device::flex();
    let head = |d| ValueHead::new(d, true, ValueInit::Normal, 1, &device);
    let model = Vlm::critic_from_dir(
        &model_dir(),
        head,
        &burn_vlm::LoadOptions::default(),
        &device,
    )
    .unwrap();
    let spec = CriticSpec {
        value_clip: Some(0.2),
    };
    Critic::new(model, optim(), spec).unwrap()
}

fn step(learner: &mut dyn Learner<Policy = Vlm>, recipe: &Recipe, step: u64) -> Metrics {
    let mut batch = batch();
    learner.score(&mut batch).unwrap();
    batch.advantages = recipe.advantages(&batch.scored).unwrap();
    learner.update(&batch, step).unwrap()
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

/// A learner in all its parts, and the recipe it follows.
type Case = (&'static str, fn() -> (PolicyGradient, Recipe));

fn with(
    recipe: impl Fn() -> Recipe,
    build: impl Fn(Recipe) -> PolicyGradient,
) -> (PolicyGradient, Recipe) {
    (build(recipe()), recipe())
}

const CASES: &[Case] = &[
    ("GRPO with a reference", || {
        with(
            || algorithm("grpo", "beta = 0.1"),
            |recipe| learner(model(), recipe, TrainConfig::default()),
        )
    }),
    ("several updates a step, token mean, an average", || {
        let train = TrainConfig {
            epochs: 2,
            mini_batches: 2,
            average_decay: 0.5,
            ..TrainConfig::default()
        };
        with(
            || algorithm("dapo", ""),
            |recipe| learner(model(), recipe, train.clone()),
        )
    }),
    ("PPO with a critic that learns alone at first", || {
        let train = TrainConfig {
            freezing_actor_steps: 1,
            mini_batches: 2,
            ..TrainConfig::default()
        };
        with(
            || algorithm("ppo", "beta = 0.05"),
            |recipe| learner(model(), recipe, train.clone()).with_critic(critic()),
        )
    }),
    ("sequence ratios, a renewed reference", || {
        let train = TrainConfig {
            reference_refresh_steps: 2,
            reference_mix: 0.5,
            mini_batches: 4,
            ..TrainConfig::default()
        };
        with(
            || algorithm("gspo", "beta = 0.1"),
            |recipe| learner(model(), recipe, train.clone()),
        )
    }),
    ("tokens chosen among all of an update", || {
        with(
            || algorithm("kl_cov", "cov_share = 0.1"),
            |recipe| learner(model(), recipe, TrainConfig::default()),
        )
    }),
    ("an end to updates that go too far", || {
        let train = TrainConfig {
            epochs: 3,
            target_kl: 1e-4,
            ..TrainConfig::default()
        };
        with(
            || algorithm("grpo", ""),
            |recipe| learner(model(), recipe, train.clone()),
        )
    }),
    ("an adapter with dropout", || {
        let lora = LoraConfig {
            rank: 4,
            dropout: 0.1,
            ..LoraConfig::default()
        };
        with(
            || algorithm("grpo", "beta = 0.1"),
            |recipe| {
                let model = model().with_lora(&lora, 5).unwrap();
                learner(model, recipe, TrainConfig::default())
            },
        )
    }),
    ("a part that is frozen", || {
        let frozen = || {
            let (model, names) = (model(), ["model.layers.0".into(), "lm_head".into()]);
            let keys = model.keys();
            freeze(model, &names, &keys, "model.freeze").unwrap()
        };
        with(
            || algorithm("grpo", "beta = 0.1"),
            |recipe| learner(frozen(), recipe, TrainConfig::default()),
        )
    }),
];

#[test]
fn two_replicas_are_one_learner_that_accumulates() {
    for (name, build) in CASES {
        let (mut alone, recipe) = build();
        let (first, _) = build();
        let mut both = DataParallel::new(first, workers(2), 1).unwrap();
        for i in 1..=3 {
            let expected = step(&mut alone, &recipe, i);
            let found = step(&mut both, &recipe, i);
            let names = |m: &Metrics| m.iter().map(|(n, _)| n.to_owned()).collect::<Vec<_>>();
            assert_eq!(names(&found), names(&expected), "{name}");
            for (metric, expected) in expected.iter() {
                let found = found.get(metric).unwrap();
                let close = (found - expected).abs() <= ROUNDING * expected.abs().max(0.1);
                assert!(close, "{name}, step {i}, {metric}: {found} {expected}");
            }
        }
        let before = values(build().0.model());
        let (found, expected) = (values(both.model()), values(alone.model()));
        assert_ne!(expected, before, "{name}");
        for (found, expected) in found.iter().zip(&expected) {
            let close = f64::from((found - expected).abs()) < ROUNDING;
            assert!(close, "{name}: {found} {expected}");
        }
        let replicas = both.replicas();
        assert_eq!(replicas.len(), 2);
        assert!(values(replicas[1]) == found, "{name}: replicas differ");
        let averages = (both.average(), alone.average());
        if let (Some(found), Some(expected)) = averages {
            for (found, expected) in values(found).iter().zip(values(expected)) {
                assert!(f64::from((found - expected).abs()) < ROUNDING, "{name}");
            }
        }
        assert_eq!(averages.0.is_some(), averages.1.is_some());
    }
}

#[test]
fn more_replicas_than_samples_are_no_trouble() {
    let recipe = || algorithm("grpo", "");
    let train = TrainConfig {
        mini_batches: 4,
        ..TrainConfig::default()
    };
    let mut alone = learner(model(), recipe(), train.clone());
    let first = learner(model(), recipe(), train);
    // A mini-batch has three samples.
    let mut many = DataParallel::new(first, workers(5), 1).unwrap();
    let expected = step(&mut alone, &recipe(), 1);
    let found = step(&mut many, &recipe(), 1);
    let norm = |m: &Metrics| m.get("optim/grad_norm").unwrap();
    let (a, b) = (norm(&found), norm(&expected));
    assert!((a - b).abs() < ROUNDING * b, "{a} {b}");
    let first = values(many.model());
    for other in many.replicas() {
        assert!(values(other) == first);
    }
}

#[test]
fn what_is_not_finite_on_one_replica_is_skipped_by_all() {
    let recipe = || algorithm("grpo", "");
    let train = TrainConfig {
        max_skipped_updates: 3,
        ..TrainConfig::default()
    };
    let first = learner(model(), recipe(), train);
    let mut both = DataParallel::new(first, workers(2), 1).unwrap();
    let before = values(both.model());
    let mut broken = batch();
    both.score(&mut broken).unwrap();
    broken.advantages = recipe().advantages(&broken.scored).unwrap();
    // The last sample is in the share of the last replica; its first token takes no part.
    broken.advantages.per_token[11][1] = f32::NAN;
    for i in 1..=2 {
        let metrics = both.update(&broken, i).unwrap();
        assert_eq!(metrics.get("optim/skipped_updates"), Some(1.0));
        for replica in both.replicas() {
            assert!(values(replica) == before);
        }
    }
    let error = both.update(&broken, 3).unwrap_err();
    assert!(error.to_string().contains("3 updates in a row"), "{error}");
    assert!(!error.is_input());
}

#[test]
fn a_restored_learner_is_the_same_on_every_device() {
    let recipe = || algorithm("ppo", "beta = 0.05");
    let train = || TrainConfig {
        mini_batches: 2,
        average_decay: 0.9,
        ..TrainConfig::default()
    };
    let new = || {
        let first = learner(model(), recipe(), train()).with_critic(critic());
        DataParallel::new(first, workers(2), 1).unwrap()
    };
    let save = |learner: &dyn Learner<Policy = Vlm>, dir: &Path| {
        let dtype = burn_vlm::weights::ExportDtype::F32;
        learner.model().save(dir, dtype).unwrap();
        learner.save(dir).unwrap();
    };
    let dir = tempfile::tempdir().unwrap();
    let mut straight = new();
    step(&mut straight, &recipe(), 1);
    step(&mut straight, &recipe(), 2);
    save(&straight, dir.path());
    step(&mut straight, &recipe(), 3);

    let mut resumed = new();
    let model = resumed.model().reload(dir.path()).unwrap();
    resumed.restore(model, dir.path()).unwrap();
    step(&mut resumed, &recipe(), 3);
    let expected = values(straight.model());
    for replica in resumed.replicas() {
        assert!(values(replica) == expected);
    }
    let average = |learner: &DataParallel<PolicyGradient>| values(learner.average().unwrap());
    assert!(average(&resumed) == average(&straight));
}

#[test]
fn the_checksum_covers_every_weight_that_is_trained_and_no_other() {
    let recipe = || algorithm("ppo", "");
    let build = |model| learner(model, recipe(), TrainConfig::default()).with_critic(critic());
    let sums = build(model()).checksums();
    let names: Vec<&str> = sums.iter().map(|sum| sum.name.as_str()).collect();
    assert!(names.contains(&"policy.model.norm.weight"), "{names:?}");
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("critic.value_head."))
    );

    let mut moved = model();
    let norm = &mut moved.model.norm.weight;
    let mut data = norm.val().into_data();
    let last = data.as_mut_slice::<f32>().unwrap().last_mut().unwrap();
    *last = f32::from_bits(last.to_bits() + 1);
    *norm = burn::module::Param::initialized(
        norm.id,
        burn::tensor::Tensor::from_data(data, &Device::flex()),
    )
    .set_require_grad(true);
    let differing = |a: &[Checksum], b: &[Checksum]| -> Vec<String> {
        let pairs = a.iter().zip(b).filter(|(a, b)| a != b);
        pairs.map(|(a, _)| a.name.clone()).collect()
    };
    assert_eq!(
        differing(&sums, &build(moved).checksums()),
        ["policy.model.norm.weight"]
    );

    let model = model();
    let keys = model.keys();
    let frozen = freeze(model, &["model.norm".into()], &keys, "model.freeze").unwrap();
    let sums = build(frozen).checksums();
    assert!(
        sums.iter()
            .all(|sum| sum.name != "policy.model.norm.weight")
    );
}
