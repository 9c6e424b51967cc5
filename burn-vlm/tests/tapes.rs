//! The two tapes against one plain autodiff graph.

#![allow(clippy::unwrap_used)]

mod common;

use burn::{
    module::Module,
    optim::GradientsParams,
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};
use burn_vlm::{
    Vlm, VlmInput,
    tape::{ActivationRecompute, Grads, TILE_ROWS, Tape, Upstream},
    weights::shapes,
};
use common::{Case, golden};

const TEMPERATURE: f64 = 0.7;

/// Some number for the `i`-th token, of either sign.
fn weight(i: usize) -> f32 {
    ((i * 7919) % 13) as f32 / 6.0 - 1.0
}

struct Setup {
    model: Vlm,
    case: Case,
    counts: Vec<usize>,
    input: VlmInput,
}

fn setup(dir: &str) -> Setup {
    let device = Device::flex();
    let model = Vlm::from_dir(&golden(dir), &device).unwrap();
    let case = Case::load(dir, "batch", model.config());
    let counts = case.tokens.iter().map(|t| t.len() / 2).collect();
    let input = VlmInput::new(&case.rows(), model.config(), &device).unwrap();
    Setup {
        model,
        case,
        counts,
        input,
    }
}

/// `Σ w log p + Σ v H` differentiated by Burn alone: every logit exists at once.
fn one_graph(s: &Setup) -> GradientsParams {
    let device = Device::flex();
    let tracked = s.model.clone().train();
    let hidden = tracked.hidden(&s.input);
    let [b, t, d] = hidden.dims();
    let (mut places, mut ids) = (vec![], vec![]);
    for (row, (tokens, count)) in s.case.tokens.iter().zip(&s.counts).enumerate() {
        for i in 0..*count {
            places.push((row * t + t - count + i - 1) as i64);
            ids.push(i64::from(tokens[tokens.len() - count + i]));
        }
    }
    let n = ids.len();
    let places = Tensor::<1, Int>::from_data(TensorData::new(places, [n]), &device).autodiff();
    let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [n, 1]), &device).autodiff();
    let logits = tracked.logits(hidden.reshape([b * t, d]).select(0, places));
    let logp = log_softmax(logits.div_scalar(TEMPERATURE), 1);
    let entropy = (logp.clone().exp() * logp.clone()).sum_dim(1).neg();
    let weights = |offset: usize| {
        let values: Vec<f32> = (0..n).map(|i| weight(i + offset)).collect();
        Tensor::<2>::from_data(TensorData::new(values, [n, 1]), &device).autodiff()
    };
    let loss = (logp.gather(1, ids) * weights(0)).sum() + (entropy * weights(100)).sum();
    GradientsParams::from_module(&mut loss.backward(), &tracked)
}

fn two_tapes(s: &Setup, recompute: ActivationRecompute) -> Grads {
    let targets = s.case.targets(&s.counts, s.input.width);
    let tape = Tape::record(&s.model, &s.input, &targets, TEMPERATURE, recompute);
    let [b, r] = targets.shape();
    let padded = |offset: usize| {
        let mut values = vec![9.0; b * r];
        let mut n = 0;
        for (row, count) in s.counts.iter().enumerate() {
            for i in 0..*count {
                values[row * r + i] = weight(n + offset);
                n += 1;
            }
        }
        Tensor::<2>::from_data(TensorData::new(values, [b, r]), &Device::flex())
    };
    tape.backward(Upstream {
        logp: Some(padded(0)),
        entropy: Some(padded(100)),
        values: None,
    })
}

#[test]
fn gradients_equal_one_autodiff_graph() {
    for dir in ["qwen2_5_vl", "qwen2_5_vl_tied", "qwen3_vl", "smolvlm2"] {
        let s = setup(dir);
        let plain = one_graph(&s);
        for recompute in [ActivationRecompute::Block, ActivationRecompute::None] {
            let taped = two_tapes(&s, recompute);
            for param in shapes(&s.model) {
                let (a, b): (Vec<f32>, Vec<f32>) = match param.shape.len() {
                    1 => (
                        plain
                            .get::<1>(param.id)
                            .unwrap()
                            .into_data()
                            .iter()
                            .collect(),
                        taped
                            .get::<1>(param.id)
                            .unwrap()
                            .into_data()
                            .iter()
                            .collect(),
                    ),
                    _ => (
                        plain
                            .get::<2>(param.id)
                            .unwrap()
                            .into_data()
                            .iter()
                            .collect(),
                        taped
                            .get::<2>(param.id)
                            .unwrap()
                            .into_data()
                            .iter()
                            .collect(),
                    ),
                };
                let scale = a.iter().fold(0.0_f32, |m, x| m.max(x.abs()));
                let worst = a
                    .iter()
                    .zip(&b)
                    .fold(0.0_f32, |m, (x, y)| m.max((x - y).abs()));
                assert!(scale > 0.0, "{dir} {}: no gradient", param.path);
                assert!(
                    worst <= 2e-5 * scale,
                    "{dir} {recompute:?} {}: {worst} of {scale}",
                    param.path
                );
            }
        }
    }
}

#[test]
fn the_head_in_chunks_equals_the_head_at_once() {
    // More targets than one chunk holds: the same row many times over must score the same.
    let s = setup("qwen2_5_vl");
    let copies = TILE_ROWS / (s.case.tokens[1].len() - 1) + 2;
    let rows: Vec<_> = (0..copies).map(|_| s.case.rows()[1].clone()).collect();
    let input = VlmInput::new(&rows, s.model.config(), &Device::flex()).unwrap();
    let tokens: Vec<&[u32]> = rows.iter().map(|r| r.tokens).collect();
    let counts = vec![tokens[0].len() - 1; copies];
    assert!(counts.iter().sum::<usize>() > TILE_ROWS);
    let targets =
        burn_vlm::tape::Targets::new(&tokens, &counts, input.width, &Device::flex()).unwrap();
    let tape = Tape::record(&s.model, &input, &targets, 1.0, ActivationRecompute::Block);
    let logp: Vec<f32> = tape.scores().logp.into_data().iter().collect();
    let (first, rest) = logp.split_at(counts[0]);
    for row in rest.chunks(counts[0]) {
        for (a, b) in row.iter().zip(first) {
            assert!((a - b).abs() < 1e-5);
        }
    }
}
