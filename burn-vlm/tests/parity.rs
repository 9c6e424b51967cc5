//! Every family against the numbers transformers computes (`tests/golden/gen/make_tiny.py`).

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Tensor, TensorData};
use burn_vlm::{
    ModelConfig, Row, VlmInput,
    generate::{Generator, Limits, Sampling},
    tape::{ActivationRecompute, Tape, Targets, Upstream},
};
use common::{assert_close, each_case, golden};

#[test]
fn image_features_and_logits() {
    each_case(|model, case, at| {
        let input = VlmInput::new(&case.rows(), model.config(), &model.device()).unwrap();
        let features = model.image_features(&input);
        assert_eq!(features.is_some(), model.visual.is_some(), "{at}");
        if let Some(features) = features {
            assert_close(
                &features.tokens.into_data(),
                case.f32("image_features"),
                1e-4,
                at,
            );
        }

        let hidden = model.hidden(&input);
        let [b, t, d] = hidden.dims();
        let logits: Vec<f32> = model
            .logits(hidden.reshape([b * t, d]))
            .into_data()
            .iter()
            .collect();
        let vocab = model.config().text.vocab_size;
        let expected = case.f32("logits");
        // The reference holds the last positions of each row, or all of them.
        let held = expected.len() / (b * vocab);
        for (row, tokens) in case.tokens.iter().enumerate() {
            let n = held.min(tokens.len()) * vocab;
            let got = &logits[((row + 1) * t * vocab - n)..(row + 1) * t * vocab];
            let end = (row + 1) * held * vocab;
            let got = TensorData::new(got.to_vec(), [n]);
            assert_close(&got, &expected[end - n..end], 1e-4, at);
        }
    });
}

#[test]
fn log_probabilities_and_entropies() {
    each_case(|model, case, at| {
        let input = VlmInput::new(&case.rows(), model.config(), &model.device()).unwrap();
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
            let input = VlmInput::new(&case.rows(), model.config(), &model.device()).unwrap();
            // The loss of the fixture: the mean negative log-probability of the last six tokens.
            let counts: Vec<usize> = case.tokens.iter().map(|t| 6.min(t.len() - 1)).collect();
            let targets = case.targets(&counts, input.width);
            let tape = Tape::record(model, &input, &targets, 1.0, recompute);
            let n = counts.iter().sum::<usize>() as f64;
            let d_logp = Tensor::full(targets.shape(), -1.0 / n, &model.device());
            let grads = tape.backward(Upstream {
                logp: Some(d_logp),
                ..Upstream::default()
            });
            let mut compared = 0;
            for (name, got) in common::gradients(&grads, model, &case.native_keys) {
                let at = format!("{at} {name}");
                let norm = got.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>();
                let norm = norm.sqrt();
                let expected = case.grad(&format!("norm/{name}"));
                let expected = f64::from(expected.unwrap_or_else(|| panic!("{at}"))[0]);
                // A key's bias moves no softmax where nothing rotates: its gradient is rounding.
                let error = (norm - expected).abs() / expected.max(1e-4);
                assert!(error < 1e-3, "{at}: {norm} vs {expected}");
                if let Some(full) = case.grad(&format!("grad/{name}")) {
                    let n = got.len();
                    assert_close(&TensorData::new(got, [n]), full, 1e-4, &at);
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
        let generator = Generator {
            model,
            sampling: Sampling::greedy(16),
            stop: &[],
            limits: Limits::rows(8),
            logprob_temperature: 1.0,
        };
        let done = generator.generate(&case.requests(), &mut |_| ()).unwrap();
        let tokens: Vec<i64> = done
            .iter()
            .flat_map(|c| c.tokens.iter().map(|t| i64::from(*t)))
            .collect();
        assert_eq!(tokens, case.i64("generated"), "{at}");
        let logprobs: Vec<f32> = done.iter().flat_map(|c| c.logprobs.clone()).collect();
        let logprobs = TensorData::new(logprobs, [tokens.len()]);
        assert_close(&logprobs, case.f32("gen_logprobs"), 1e-4, at);

        // The same tokens scored by the trainer's path: the cached decode equals a full forward.
        // Not beyond the positions the model was trained on: dynamic NTK leaves cached keys the
        // rotation they had, in the reference too.
        let full: Vec<Vec<u32>> = case
            .tokens
            .iter()
            .zip(&done)
            .map(|(prompt, c)| prompt.iter().chain(&c.tokens).copied().collect())
            .collect();
        if full
            .iter()
            .any(|row| row.len() > model.config().max_position_embeddings)
        {
            return;
        }
        let rows: Vec<Row<'_>> = full
            .iter()
            .zip(&case.images)
            .map(|(tokens, images)| Row { tokens, images })
            .collect();
        let input = VlmInput::new(&rows, model.config(), &model.device()).unwrap();
        let slices: Vec<&[u32]> = full.iter().map(Vec::as_slice).collect();
        let targets =
            Targets::new(&slices, &vec![16; full.len()], input.width, &model.device()).unwrap();
        let scores =
            Tape::record(model, &input, &targets, 1.0, ActivationRecompute::Block).scores();
        assert_close(&scores.logp.into_data(), case.f32("gen_logprobs"), 1e-4, at);
    });
}

#[test]
fn both_forms_of_the_configuration_agree() {
    let pairs = [
        ("qwen2_tied/config.hub.json", "qwen2_tied/config.json"),
        ("qwen2_sharded/config.hub.json", "qwen2_sharded/config.json"),
        ("qwen3/config.hub.json", "qwen3/config.json"),
        ("qwen3_tied/config.hub.json", "qwen3_tied/config.json"),
        ("qwen3_vl/config.hub.json", "qwen3_vl/config.json"),
        ("qwen3_vl_tied/config.hub.json", "qwen3_vl_tied/config.json"),
        ("qwen2_vl/config.hub.json", "qwen2_vl/config.json"),
        ("qwen2_5_vl/config.hub.json", "qwen2_5_vl/config.json"),
        (
            "qwen2_5_vl_tied/config.hub.json",
            "qwen2_5_vl_tied/config.json",
        ),
        ("internvl3/original/config.json", "internvl3/config.json"),
        (
            "internvl3_5/original/config.json",
            "internvl3_5/config.json",
        ),
        ("smolvlm2/config.hub.json", "smolvlm2/config.json"),
        (
            "smolvlm_idefics3/config.hub.json",
            "smolvlm_idefics3/config.json",
        ),
        ("internlm2/original/config.json", "internlm2/config.json"),
        (
            "internvl_internlm2/original/config.json",
            "internvl_internlm2/config.json",
        ),
        (
            "internvl_qwen2_rms/original/config.json",
            "internvl_qwen2_rms/config.json",
        ),
    ];
    for (hub, nested) in pairs {
        let read = |file| ModelConfig::from_file(&golden(file)).unwrap();
        let (hub, nested) = (read(hub), read(nested));
        assert_eq!(hub.text, nested.text);
        let described = |config: &ModelConfig| format!("{:?}", config.vision);
        assert_eq!(described(&hub), described(&nested));
        assert_eq!(hub.tie_word_embeddings, nested.tie_word_embeddings);
        assert_eq!(hub.max_positions(), nested.max_positions());
    }
}
