//! A whole step of GRPO on a tiny model of every family that reads pictures: drawn, rewarded,
//! learned from.

#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor};
use burn_rl::{
    algo::find,
    config::{OptimConfig, TrainConfig},
    learner::{Learner, PolicyGradient, TrainBatch, TrainRow},
    types::{Sample, ScoredBatch},
};
use burn_vlm::{
    EncodedPrompt, PromptRow, Vlm, VlmInput,
    generate::{Generator, Limits, Request, SampleKey, Sampling},
    image::ImagePatches,
    tape::{ActivationRecompute, Tape, Targets},
    weights::{TensorVisitor, for_each_tensor},
};
use std::{path::PathBuf, sync::Arc};

/// Completions of a prompt.
const GROUP: usize = 8;

fn picture(model: &Vlm, seed: f32) -> ImagePatches {
    let vision = model.config().vision.as_ref().unwrap();
    let (sizes, merge) = (vision.sizes(), vision.sizes().merge_size);
    let grid = match vision.tile() {
        Some([_, h, w]) => [2, h, w],
        None => [1, 2 * merge, 3 * merge],
    };
    let n = grid.iter().product::<usize>() * sizes.patch_len;
    let patches = (0..n).map(|i| (seed + i as f32 * 0.37).sin());
    ImagePatches {
        patches: patches.collect(),
        grid,
    }
}

/// A question about a picture, and one without.
fn prompts(model: &Vlm) -> [Arc<EncodedPrompt>; 2] {
    let image = model.config().image_token_id.unwrap();
    let shown = picture(model, 0.5);
    let count = model.config().image_tokens(shown.grid);
    let question = [&[5, 9][..], &vec![image; count], &[31, 7]].concat();
    let prompt = |tokens, images| Arc::new(EncodedPrompt { tokens, images });
    [
        prompt(question, vec![Arc::new(shown)]),
        prompt(vec![77, 3, 12], vec![]),
    ]
}

/// The norm of every parameter that `of` chooses by its path.
fn sum(model: &Vlm, of: &dyn Fn(&str) -> bool) -> f64 {
    struct Sum<'a>(f64, &'a dyn Fn(&str) -> bool);
    impl TensorVisitor for Sum<'_> {
        fn visit<const D: usize>(&mut self, path: &str, _: burn::module::ParamId, x: Tensor<D>) {
            if (self.1)(path) {
                let values = x.into_data();
                self.0 += values
                    .iter::<f32>()
                    .map(|v| f64::from(v).powi(2))
                    .sum::<f64>();
            }
        }
    }
    let mut sum = Sum(0.0, of);
    for_each_tensor(model, &mut sum);
    sum.0
}

/// The log-probability of each row's response.
fn logprobs(model: &Vlm, rows: &[TrainRow]) -> Vec<f64> {
    let rows: Vec<PromptRow<'_>> = rows
        .iter()
        .map(|row| PromptRow {
            prompt: &row.prompt,
            response: &row.response,
        })
        .collect();
    let device = Device::flex();
    let input = VlmInput::of_prompts(&rows, model.config(), &device).unwrap();
    let targets = Targets::of_prompts(&rows, &input, &device).unwrap();
    let tape = Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block);
    let logp: Vec<f32> = tape.scores().logp.into_data().iter().collect();
    let width = logp.len() / rows.len();
    let own = |(i, row): (usize, &PromptRow<'_>)| {
        let own = &logp[i * width..i * width + row.response.len()];
        own.iter().map(|p| f64::from(*p)).sum()
    };
    rows.iter().enumerate().map(own).collect()
}

#[track_caller]
fn learns(dir: &str) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/golden");
    let model = Vlm::from_dir(&golden.join(dir), &Device::flex()).unwrap();
    let prompts = prompts(&model);
    let requests: Vec<Request> = (0..2 * GROUP)
        .map(|i| Request {
            prompt: prompts[i / GROUP].clone(),
            key: SampleKey {
                draw: i as u64,
                ..SampleKey::default()
            },
        })
        .collect();
    let drawn = Generator {
        model: &model,
        sampling: Sampling {
            max_new_tokens: 6,
            ..Sampling::default()
        },
        stop: &[],
        limits: Limits::rows(16),
        logprob_temperature: 1.0,
    };
    let drawn = drawn.generate(&requests, &mut |_| ()).unwrap();
    let rows: Vec<TrainRow> = requests
        .iter()
        .zip(&drawn)
        .map(|(request, completion)| TrainRow {
            prompt: request.prompt.clone(),
            response: completion.tokens.clone(),
        })
        .collect();
    // Even ids are what is wanted.
    let sample = |row: &TrainRow| Sample {
        reward: row.response.iter().filter(|t| **t % 2 == 0).count() as f64,
        mask: vec![true; row.response.len()],
        ..Sample::default()
    };
    let groups = rows.chunks(GROUP);
    let scored = ScoredBatch::from_groups(groups.map(|group| group.iter().map(sample).collect()));
    let options = toml::Table::from_iter([("beta".to_owned(), 0.0.into())]);
    let recipe = (find("grpo").unwrap().build)(&options).unwrap();
    let advantages = recipe.advantages(&scored).unwrap();
    let rewards: Vec<f64> = rows.iter().map(|row| sample(row).reward).collect();
    let mut batch = TrainBatch {
        temperature: 1.0,
        features: vec![],
        rows: rows.clone(),
        scored,
        advantages,
        mini_batch: None,
    };
    let optim = OptimConfig {
        lr: 1e-3,
        ..OptimConfig::default()
    };
    let config = TrainConfig {
        micro_batch: 4,
        ..TrainConfig::default()
    };
    let before = model.clone();
    let mut learner = PolicyGradient::new(model, Arc::new(recipe), config, optim, 0);
    learner.score(&mut batch).unwrap();
    let metrics = learner.update(&batch, 1).unwrap();
    assert!(metrics.get("optim/grad_norm").unwrap() > 0.0, "{dir}");
    // What was better than its group is likelier than before, what was worse is less likely.
    let after = learner.model();
    let moved = logprobs(after, &rows)
        .into_iter()
        .zip(logprobs(&before, &rows));
    let moved: Vec<f64> = moved.map(|(after, before)| after - before).collect();
    for (group, rewards) in moved.chunks(GROUP).zip(rewards.chunks(GROUP)) {
        let mean = rewards.iter().sum::<f64>() / GROUP as f64;
        let pairs = group.iter().zip(rewards);
        let gained: f64 = pairs.map(|(moved, reward)| moved * (reward - mean)).sum();
        assert!(gained > 0.1, "{dir}: {gained}, {rewards:?}");
    }
    let parts: [&dyn Fn(&str) -> bool; 3] = [
        &|path| path.starts_with("visual.blocks.0."),
        &|path| path.starts_with("visual.") && !path.starts_with("visual.blocks."),
        &|path| path.starts_with("model.layers."),
    ];
    for part in parts {
        assert!(sum(after, part) != sum(&before, part), "{dir}");
    }
}

#[test]
fn qwen2_vl_learns() {
    learns("qwen2_vl");
    learns("qwen2_5_vl");
}

#[test]
fn qwen3_vl_learns() {
    learns("qwen3_vl");
}

#[test]
fn internvl_learns() {
    learns("internvl_internlm2");
    learns("internvl3");
    learns("internvl3_5/original");
}

#[test]
fn smolvlm_learns() {
    learns("smolvlm2");
    learns("smolvlm_idefics3");
}
