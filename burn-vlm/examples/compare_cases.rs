//! How far checkpoints are from the numbers that transformers computed for them.
//!
//! `cargo run --release -p burn-vlm --example compare_cases --features flex -- DIR …`
//!
//! A DIR is what `tests/golden/gen/make_tiny.py` writes: a checkpoint and its cases, and in
//! `original` the same weights in a family's own layout. Prints for every case the largest difference
//! of image features, logits, log-probabilities, entropies and gradient norms (relative), of rows in
//! a batch from rows alone, of decoding with the cache and in one pass, and how many tokens of greedy
//! decoding (with the repetition penalty of `generation_config.json`, where there is one, up to where
//! the model ends) differ. Ends with 1 where something is further off than the tests allow.

#![allow(clippy::unwrap_used)] // Of the tests' cases.

#[path = "../tests/common/mod.rs"]
mod common;

use burn::tensor::{Device, Tensor};
use burn_vlm::{
    EncodedPrompt, Row, Vlm, VlmInput,
    generate::{Generator, Limits, Request, SampleKey, Sampling},
    tape::{ActivationRecompute, Tape, Targets, Upstream},
};
use common::{Case, gradients};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
};

const NEW_TOKENS: usize = 16;

/// What is measured, and how much of it is allowed.
const COLUMNS: [(&str, f64); 8] = [
    ("features", 1e-4),
    ("logits", 1e-4),
    ("logprobs", 1e-4),
    ("entropy", 1e-4),
    ("grads", 1e-3),
    ("alone", 2e-5),
    ("cached", 1e-4),
    ("tokens", 0.0),
];

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let dirs = std::env::args().skip(1).map(std::path::absolute);
    let dirs = dirs.collect::<Result<Vec<PathBuf>, _>>()?;
    if dirs.is_empty() {
        return Err("expected directories of cases".into());
    }
    let names: String = COLUMNS
        .iter()
        .map(|(name, _)| format!("{name:>9}"))
        .collect();
    println!("{:36}{names}", "");
    let mut good = true;
    for dir in &dirs {
        let name = dir.file_name().unwrap_or_default().to_string_lossy();
        for (model_dir, name) in [
            (dir.clone(), name.to_string()),
            (dir.join("original"), format!("{name}/original")),
        ] {
            if !model_dir.exists() {
                continue;
            }
            let model = Vlm::from_dir(&model_dir, &Device::flex())?;
            for case in ["single", "batch", "short", "long"] {
                if dir.join(format!("case_{case}.safetensors")).exists() {
                    let found = compare(&model, dir, case);
                    let cells: String = found.iter().map(|x| format!("{x:>9.1e}")).collect();
                    println!("{:36}{cells}", format!("{name}, {case}"));
                    good &= found.iter().zip(COLUMNS).all(|(x, (_, most))| *x <= most);
                }
            }
        }
    }
    Ok(ExitCode::from(u8::from(!good)))
}

/// One number a column; 0 for what the case does not have.
fn compare(model: &Vlm, dir: &Path, case: &str) -> [f64; 8] {
    let dir_name = dir.to_string_lossy();
    let case = Case::load(&dir_name, case, model.config());
    let device = Device::flex();
    let rows = case.rows();
    let input = VlmInput::new(&rows, model.config(), &device).expect("a case fits its model");
    let features = model.image_features(&input).map(|found| {
        let found: Vec<f32> = found.tokens.into_data().iter().collect();
        furthest(&found, case.f32("image_features"))
    });

    let hidden = model.hidden(&input);
    let [b, t, d] = hidden.dims();
    let logits = model.logits(hidden.reshape([b * t, d]));
    let logits: Vec<f32> = logits.into_data().iter().collect();
    let vocab = model.config().text.vocab_size;
    let expected = case.f32("logits");
    let held = expected.len() / (b * vocab);
    let of_row = |(row, tokens): (usize, &Vec<u32>)| {
        let n = held.min(tokens.len()) * vocab;
        let (ours, theirs) = ((row + 1) * t * vocab, (row + 1) * held * vocab);
        furthest(&logits[ours - n..ours], &expected[theirs - n..theirs])
    };
    let logits = largest(case.tokens.iter().enumerate().map(of_row));

    let all: Vec<usize> = case.tokens.iter().map(|row| row.len() - 1).collect();
    let [logprobs, entropy] = scores(model, &rows, &all);
    let of_case = |name: &str, found: &[Vec<f32>]| {
        let expected = case.f32(name).chunks(input.width - 1);
        let pairs = found.iter().zip(expected);
        largest(pairs.map(|(row, padded)| furthest(row, &padded[padded.len() - row.len()..])))
    };
    let alone = largest(rows.iter().zip(&logprobs).map(|(row, together)| {
        let [alone, _] = scores(model, std::slice::from_ref(row), &[row.tokens.len() - 1]);
        furthest(together, &alone[0])
    }));

    let [cached, tokens] = decoded(model, dir, &case);
    [
        features.unwrap_or(0.0),
        logits,
        of_case("logprobs", &logprobs),
        of_case("entropy", &entropy),
        gradient_norms(model, &case, &input),
        alone,
        cached,
        tokens,
    ]
}

/// Log-probabilities and entropies of the last tokens of each row.
fn scores(model: &Vlm, rows: &[Row<'_>], counts: &[usize]) -> [Vec<Vec<f32>>; 2] {
    let device = Device::flex();
    let input = VlmInput::new(rows, model.config(), &device).expect("a case fits its model");
    let tokens: Vec<&[u32]> = rows.iter().map(|row| row.tokens).collect();
    let targets =
        Targets::new(&tokens, counts, input.width, &device).expect("a case fits its model");
    let tape = Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block);
    let found = tape.scores();
    [found.logp, found.entropy].map(|found| {
        let r = found.dims()[1];
        let flat: Vec<f32> = found.into_data().iter().collect();
        let rows = counts.iter().enumerate();
        rows.map(|(b, n)| flat[b * r..b * r + n].to_vec()).collect()
    })
}

/// The loss of the cases is the mean negative log-probability of each row's last six tokens.
fn gradient_norms(model: &Vlm, case: &Case, input: &VlmInput) -> f64 {
    let counts: Vec<usize> = case.tokens.iter().map(|t| 6.min(t.len() - 1)).collect();
    let targets = case.targets(&counts, input.width);
    let tape = Tape::record(model, input, &targets, 1.0, ActivationRecompute::Block);
    let n = counts.iter().sum::<usize>() as f64;
    let grads = tape.backward(Upstream {
        logp: Some(Tensor::full(targets.shape(), -1.0 / n, &model.device())),
        ..Upstream::default()
    });
    let names = gradients(&grads, model, &case.native_keys).into_iter();
    largest(names.map(|(name, values)| {
        let norm = values
            .iter()
            .map(|g| f64::from(*g).powi(2))
            .sum::<f64>()
            .sqrt();
        let expected = case
            .grad(&format!("norm/{name}"))
            .map(|norm| f64::from(norm[0]));
        let expected = expected.unwrap_or(f64::NAN);
        (norm - expected).abs() / expected.max(1e-4)
    }))
}

/// How far cached decoding and one pass over the same tokens are from the case's log-probabilities,
/// and how many of its tokens greedy decoding does not give.
fn decoded(model: &Vlm, dir: &Path, case: &Case) -> [f64; 2] {
    let config = std::fs::read(dir.join("generation_config.json")).unwrap_or_default();
    let config: serde_json::Value = serde_json::from_slice(&config).unwrap_or_default();
    let ends: Vec<u32> = serde_json::from_value(config["eos_token_id"].clone()).unwrap_or_default();
    let generator = Generator {
        model,
        sampling: Sampling {
            repetition_penalty: config["repetition_penalty"].as_f64().unwrap_or(1.0),
            ..Sampling::greedy(NEW_TOKENS)
        },
        stop: &ends,
        limits: Limits::rows(8),
        logprob_temperature: 1.0,
    };
    let prompts = case.tokens.iter().zip(&case.images);
    let request = |(tokens, images): (&Vec<u32>, &Vec<_>)| Request {
        prompt: Arc::new(EncodedPrompt {
            tokens: tokens.clone(),
            images: images.clone(),
        }),
        key: SampleKey::default(),
    };
    let requests: Vec<Request> = prompts.map(request).collect();
    let Ok(done) = generator.generate(&requests, &mut |_| ()) else {
        return [f64::NAN; 2];
    };
    let generated = case.i64("generated").chunks(NEW_TOKENS);
    let generated: Vec<Vec<u32>> = generated
        .map(|row| row.iter().map(|id| *id as u32).collect())
        .collect();
    let expected: Vec<&[f32]> = case.f32("gen_logprobs").chunks(NEW_TOKENS).collect();
    let (mut other, mut off) = (0, 0.0);
    for ((row, tokens), logprobs) in done.iter().zip(&generated).zip(&expected) {
        // The cases go on where the model would end.
        let end = row.tokens.iter().position(|id| ends.contains(id));
        let n = end.unwrap_or(row.tokens.len());
        let pairs = row.tokens[..n].iter().zip(tokens);
        other += pairs.filter(|(a, b)| a != b).count();
        off = largest([off, furthest(&row.logprobs[..n], &logprobs[..n])]);
    }
    // Beyond the positions it was trained on, dynamic NTK leaves cached keys the rotation they had,
    // in the reference too: one pass over all tokens is another function there.
    let full: Vec<Vec<u32>> = case
        .tokens
        .iter()
        .zip(&generated)
        .map(|(prompt, tokens)| [prompt.as_slice(), tokens].concat())
        .collect();
    let limit = model.config().max_position_embeddings;
    if full.iter().all(|row| row.len() <= limit) {
        let rows: Vec<Row<'_>> = full
            .iter()
            .zip(&case.images)
            .map(|(tokens, images)| Row { tokens, images })
            .collect();
        let [once, _] = scores(model, &rows, &vec![NEW_TOKENS; rows.len()]);
        let gaps = once
            .iter()
            .zip(&expected)
            .map(|(row, expected)| furthest(row, expected));
        off = largest(gaps.chain([off]));
    }
    [off, other as f64]
}

fn furthest(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len(), "number of values");
    largest(
        found
            .iter()
            .zip(expected)
            .map(|(a, b)| f64::from((a - b).abs())),
    )
}

/// NaN where any is.
fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    values
        .into_iter()
        .fold(0.0, |a, b| if a.is_nan() || b <= a { a } else { b })
}
