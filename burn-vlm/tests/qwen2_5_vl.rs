//! Qwen2.5-VL against the numbers transformers computes (`tests/golden/gen/make_tiny.py`).

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use burn_vlm::{
    EncodedPrompt, Row, Vlm, VlmInput,
    generate::{Generator, Request, SampleKey, Sampling},
    tape::{ActivationRecompute, Tape, Targets, Upstream},
    weights::shapes,
};
use common::{Case, assert_close, golden};
use std::sync::Arc;

const DIRS: [&str; 2] = ["qwen2_5_vl", "qwen2_5_vl_tied"];
const CASES: [&str; 2] = ["single", "batch"];

fn each_case(check: impl Fn(&Vlm, &Case, &str)) {
    for dir in DIRS {
        let model = Vlm::from_dir(&golden(dir), &Device::flex()).unwrap();
        for name in CASES {
            let case = Case::load(dir, name, model.config());
            check(&model, &case, &format!("{dir}/{name}"));
        }
    }
}

#[test]
fn image_features_and_logits() {
    each_case(|model, case, at| {
        let input = VlmInput::new(&case.rows(), model.config(), &model.device());
        let features = model.image_features(&input).unwrap();
        assert_close(&features.into_data(), case.f32("image_features"), 1e-4, at);

        let hidden = model.hidden(&input);
        let [b, t, d] = hidden.dims();
        let logits: Vec<f32> = model
            .logits(hidden.reshape([b * t, d]))
            .into_data()
            .iter()
            .collect();
        let vocab = model.config().text.vocab_size;
        let expected = case.f32("logits");
        for (row, tokens) in case.tokens.iter().enumerate() {
            let from = (row * t + t - tokens.len()) * vocab;
            let to = (row + 1) * t * vocab;
            let got = TensorData::new(logits[from..to].to_vec(), [to - from]);
            assert_close(&got, &expected[from..to], 1e-4, at);
        }
    });
}

#[test]
fn log_probabilities_and_entropies() {
    each_case(|model, case, at| {
        let input = VlmInput::new(&case.rows(), model.config(), &model.device());
        let counts: Vec<usize> = case.tokens.iter().map(|t| t.len() - 1).collect();
        let targets = case.targets(&counts, input.width);
        let tape = Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block);
        let scores = tape.scores();
        for (name, got) in [("logprobs", scores.logp), ("entropy", scores.entropy)] {
            let [_, r] = got.dims();
            let got: Vec<f32> = got.into_data().iter().collect();
            let expected = case.f32(name);
            for (row, count) in counts.iter().enumerate() {
                let got = TensorData::new(got[row * r..row * r + count].to_vec(), [*count]);
                let end = (row + 1) * (input.width - 1);
                assert_close(
                    &got,
                    &expected[end - count..end],
                    1e-4,
                    &format!("{at} {name}"),
                );
            }
        }
    });
}

#[test]
fn gradients() {
    for recompute in [ActivationRecompute::Block, ActivationRecompute::None] {
        each_case(|model, case, at| {
            let input = VlmInput::new(&case.rows(), model.config(), &model.device());
            // The loss of the fixture: the mean negative log-probability of the last six tokens.
            let counts = vec![6; case.tokens.len()];
            let targets = case.targets(&counts, input.width);
            let tape = Tape::record(model, &input, &targets, 1.0, recompute);
            let n = (6 * counts.len()) as f64;
            let d_logp = Tensor::full(targets.shape(), -1.0 / n, &model.device());
            let grads = tape.backward(Upstream {
                logp: Some(d_logp),
                ..Upstream::default()
            });
            let keys = model.keys();
            let mut compared = 0;
            for param in shapes(model) {
                let hub = keys.to_hub(&param.path);
                let norm: f64 = match param.shape.len() {
                    1 => grads
                        .get::<1>(param.id)
                        .map(|g| g.square().sum().into_scalar::<f32>()),
                    _ => grads
                        .get::<2>(param.id)
                        .map(|g| g.square().sum().into_scalar::<f32>()),
                }
                .map_or(0.0, |sum| f64::from(sum).sqrt());
                let expected = f64::from(case.grad(&format!("norm/{hub}")).unwrap()[0]);
                let error = (norm - expected).abs() / expected.max(1e-6);
                assert!(error < 1e-3, "{at} {hub}: {norm} vs {expected}");
                if let Some(full) = case.grad(&format!("grad/{hub}")) {
                    let got = match param.shape.len() {
                        1 => grads.get::<1>(param.id).unwrap().into_data(),
                        _ => grads.get::<2>(param.id).unwrap().into_data(),
                    };
                    assert_close(&got, full, 1e-4, &format!("{at} {hub}"));
                }
                compared += 1;
            }
            assert_eq!(
                compared,
                case.grad_norms(),
                "{at}: every parameter has a reference"
            );
        });
    }
}

#[test]
fn greedy_decoding_with_the_cache() {
    each_case(|model, case, at| {
        let requests: Vec<Request> = case
            .tokens
            .iter()
            .zip(&case.images)
            .map(|(tokens, images)| Request {
                prompt: Arc::new(EncodedPrompt {
                    tokens: tokens.clone(),
                    images: images.clone(),
                }),
                key: SampleKey {
                    seed: 0,
                    step: 0,
                    prompt: 0,
                    draw: 0,
                },
            })
            .collect();
        let generator = Generator {
            model,
            sampling: Sampling::greedy(16),
            stop: &[],
            max_batch: 8,
        };
        let done = generator.generate(&requests, &mut |_| ()).unwrap();
        let tokens: Vec<i64> = done
            .iter()
            .flat_map(|c| c.tokens.iter().map(|t| i64::from(*t)))
            .collect();
        assert_eq!(tokens, case.i64("generated"), "{at}");
        let logprobs: Vec<f32> = done.iter().flat_map(|c| c.logprobs.clone()).collect();
        let logprobs = TensorData::new(logprobs, [tokens.len()]);
        assert_close(&logprobs, case.f32("gen_logprobs"), 1e-4, at);

        // The same tokens scored by the trainer's path: the cached decode equals a full forward.
        let full: Vec<Vec<u32>> = case
            .tokens
            .iter()
            .zip(&done)
            .map(|(prompt, c)| prompt.iter().chain(&c.tokens).copied().collect())
            .collect();
        let rows: Vec<Row<'_>> = full
            .iter()
            .zip(&case.images)
            .map(|(tokens, images)| Row { tokens, images })
            .collect();
        let input = VlmInput::new(&rows, model.config(), &model.device());
        let slices: Vec<&[u32]> = full.iter().map(Vec::as_slice).collect();
        let targets = Targets::new(&slices, &vec![16; full.len()], input.width, &model.device());
        let scores =
            Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block).scores();
        assert_close(&scores.logp.into_data(), case.f32("gen_logprobs"), 1e-4, at);
    });
}

#[test]
fn both_forms_of_the_configuration_agree() {
    use burn_vlm::ModelConfig;
    for dir in DIRS {
        let read = |file| ModelConfig::from_file(&golden(dir).join(file)).unwrap();
        let (hub, nested) = (read("config.hub.json"), read("config.json"));
        assert_eq!(hub.text, nested.text);
        assert_eq!(hub.vision, nested.vision);
        assert_eq!(hub.tie_word_embeddings, nested.tie_word_embeddings);
    }
}
