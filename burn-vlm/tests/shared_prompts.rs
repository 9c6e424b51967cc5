//! Prompts that are run once for all of their responses, against every row in full and padded.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use burn_vlm::{
    EncodedPrompt, PromptRow, Row, Vlm, VlmInput,
    tape::{ActivationRecompute, Grads, Tape, Targets, Upstream},
    weights::{NamedShape, shapes},
};
use common::{Case, each_case};
use std::sync::Arc;

const BOTH: [ActivationRecompute; 2] = [ActivationRecompute::Block, ActivationRecompute::None];

/// Prompts and responses.
struct Rows(Vec<(Arc<EncodedPrompt>, Vec<u32>)>);

impl Rows {
    /// Three responses to the beginning of every row of a case: the rest of the row, one token, and
    /// others; and one response alone.
    fn of(case: &Case, model: &Vlm) -> Self {
        let image = model.config().image_token_id;
        let mut rows = vec![];
        for (i, (tokens, images)) in case.tokens.iter().zip(&case.images).enumerate() {
            let words = tokens.iter().rev().take_while(|t| Some(**t) != image);
            let count = words.count().min(tokens.len() / 2).max(1);
            let (prompt, rest) = tokens.split_at(tokens.len() - count);
            let prompt = Arc::new(EncodedPrompt {
                tokens: prompt.to_vec(),
                images: images.clone(),
            });
            let other = (0..count + 3).map(|t| ((7 * t + 31 * i) % 200) as u32);
            for response in [rest.to_vec(), vec![9 + i as u32], other.collect()] {
                rows.push((prompt.clone(), response));
            }
        }
        let alone = EncodedPrompt::clone(&rows[0].0);
        rows.push((Arc::new(alone), vec![3, 4, 5]));
        Self(rows)
    }

    fn counts(&self) -> Vec<usize> {
        self.0.iter().map(|(_, response)| response.len()).collect()
    }

    fn upstream(&self) -> Upstream {
        let (b, r) = (self.0.len(), self.counts().into_iter().max().unwrap());
        let padded = |offset: usize| {
            let value = |i: usize| (((i + offset) * 7919) % 13) as f32 / 6.0 - 1.0;
            let values: Vec<f32> = (0..b * r).map(value).collect();
            Tensor::from_data(TensorData::new(values, [b, r]), &Device::flex())
        };
        Upstream {
            logp: Some(padded(0)),
            entropy: Some(padded(100)),
            values: None,
        }
    }

    /// Log-probabilities, entropies and gradients, from padded rows.
    fn plain(&self, model: &Vlm) -> ([Vec<f32>; 2], Grads) {
        let whole = |(prompt, response): &(Arc<EncodedPrompt>, Vec<u32>)| {
            [&prompt.tokens[..], response].concat()
        };
        let tokens: Vec<Vec<u32>> = self.0.iter().map(whole).collect();
        let rows: Vec<Row<'_>> = tokens
            .iter()
            .zip(&self.0)
            .map(|(tokens, (prompt, _))| Row {
                tokens,
                images: &prompt.images,
            })
            .collect();
        let device = Device::flex();
        let input = VlmInput::new(&rows, model.config(), &device).unwrap();
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let targets = Targets::new(&tokens, &self.counts(), input.width, &device).unwrap();
        self.run(model, &input, &targets, BOTH[0])
    }

    /// The same from prompts once.
    fn shared(&self, model: &Vlm, recompute: ActivationRecompute) -> ([Vec<f32>; 2], Grads) {
        let rows: Vec<PromptRow<'_>> = self
            .0
            .iter()
            .map(|(prompt, response)| PromptRow { prompt, response })
            .collect();
        let device = Device::flex();
        let input = VlmInput::of_prompts(&rows, model.config(), &device).unwrap();
        let targets = Targets::of_prompts(&rows, &input, &device).unwrap();
        self.run(model, &input, &targets, recompute)
    }

    fn run(
        &self,
        model: &Vlm,
        input: &VlmInput,
        targets: &Targets,
        recompute: ActivationRecompute,
    ) -> ([Vec<f32>; 2], Grads) {
        let tape = Tape::record(model, input, targets, 0.7, recompute);
        let scores = tape.scores();
        let list = |x: Tensor<2>| x.into_data().iter::<f32>().collect::<Vec<_>>();
        let scores = [list(scores.logp), list(scores.entropy)];
        (scores, tape.backward(self.upstream()))
    }
}

fn gradient(grads: &Grads, param: &NamedShape) -> Vec<f32> {
    let data = match param.shape.len() {
        1 => grads.get::<1>(param.id).map(Tensor::into_data),
        2 => grads.get::<2>(param.id).map(Tensor::into_data),
        4 => grads.get::<4>(param.id).map(Tensor::into_data),
        _ => grads.get::<5>(param.id).map(Tensor::into_data),
    };
    data.map_or_else(Vec::new, |data| data.iter().collect())
}

/// The largest difference, as a share of the largest number.
fn off(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let scale = b.iter().fold(1e-6_f32, |m, x| m.max(x.abs()));
    let pairs = a.iter().zip(b);
    pairs.fold(0.0_f32, |m, (x, y)| m.max((x - y).abs())) / scale
}

#[test]
fn scores_and_gradients_are_those_of_plain_rows() {
    each_case(|model, case, at| {
        let rows = Rows::of(case, model);
        let (scores, grads) = rows.plain(model);
        for recompute in BOTH {
            let (found, taped) = rows.shared(model, recompute);
            for (found, expected) in found.iter().zip(&scores) {
                let off = off(found, expected);
                assert!(off < 5e-6, "{at} {recompute:?}: {off}");
            }
            for param in shapes(model) {
                let off = off(&gradient(&taped, &param), &gradient(&grads, &param));
                assert!(off <= 2e-5, "{at} {recompute:?} {}: {off}", param.path);
            }
        }
    });
}

#[test]
fn a_prompt_is_run_once() {
    each_case(|model, case, at| {
        let rows = Rows::of(case, model);
        let rows: Vec<PromptRow<'_>> = rows
            .0
            .iter()
            .map(|(prompt, response)| PromptRow { prompt, response })
            .collect();
        let input = VlmInput::of_prompts(&rows, model.config(), &Device::flex()).unwrap();
        let prompts = rows.chunk_by(|a, b| Arc::ptr_eq(a.prompt, b.prompt));
        let prompts: usize = prompts.map(|rows| rows[0].prompt.tokens.len()).sum();
        let responses: usize = rows.iter().map(|row| row.response.len() - 1).sum();
        // The long case's rotations depend on the length of its row.
        if at.ends_with("/long") {
            assert!(input.width > prompts + responses, "{at}");
        } else {
            assert_eq!(input.width, prompts + responses, "{at}");
        }
    });
}
