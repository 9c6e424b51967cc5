//! What a model computes on a device, brought to the host, and how far that is from the CPU's.

use super::cases::Case;
use anyhow::Result;
use burn::{
    module::ParamId,
    tensor::{Device, Tensor},
};
use burn_vlm::{
    Compute, EncodedPrompt, Vlm, VlmInput,
    generate::{Generator, Limits, Request, SampleKey, Sampling},
    tape::{ActivationRecompute, Grads, Tape, Targets, Upstream},
    weights::{TensorVisitor, for_each_tensor},
};
use std::sync::Arc;

/// Tokens that are decoded greedily after each row.
const GREEDY: usize = 16;

/// Everything that is compared, as plain numbers.
pub struct Numbers {
    /// Of every position that is no padding, `[…, V]`.
    logits: Vec<f32>,
    /// Of the state before every token but the first.
    values: Vec<f32>,
    /// Of a mean of log-probabilities, entropies and values, by all parameters.
    gradient: Vec<f32>,
    /// Tokens after each row.
    greedy: Vec<u32>,
}

/// How far the numbers of a device are from the CPU's.
pub struct Gap {
    /// Largest difference of a logit.
    pub logits: f32,
    /// The largest of the CPU's logits, whatever its sign.
    pub largest_logit: f32,
    /// Largest difference of a value.
    pub values: f32,
    /// Length of the difference of the gradients over the length of the gradient.
    pub gradient: f64,
    /// Greedy tokens that are the same up to the first that is not, and all of them.
    pub greedy: [usize; 2],
}

impl Numbers {
    /// Runs the case.
    ///
    /// # Errors
    /// A model that cannot be made.
    pub fn of(case: &Case, compute: Compute, device: &Device) -> Result<Self> {
        let model = case.model(compute, device)?;
        let input = VlmInput::new(&case.rows(), model.config(), device)?;
        let tokens: Vec<&[u32]> = case.tokens.iter().map(Vec::as_slice).collect();
        let counts: Vec<usize> = tokens.iter().map(|row| row.len() - 1).collect();
        let targets = Targets::new(&tokens, &counts, input.width, device)?;
        let tape = Tape::record(&model, &input, &targets, 1.0, ActivationRecompute::Block);
        let values = tape.values().map_or(vec![], |values| rows(values, &counts));
        let n = counts.iter().sum::<usize>() as f64;
        let all = |x: f64| Some(Tensor::full(targets.shape(), x / n, device));
        let grads = tape.backward(Upstream {
            logp: all(-1.0),
            entropy: all(0.1),
            values: all(0.5),
        });
        Ok(Self {
            logits: logits(&model, &input),
            values,
            gradient: gradient(&model, &grads),
            greedy: greedy(&model, case)?,
        })
    }

    /// The distance to the CPU's.
    pub fn gap(&self, cpu: &Self) -> Gap {
        let squares = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>();
        let pairs = self.gradient.iter().zip(&cpu.gradient);
        let mut differences = pairs.map(|(a, b)| f64::from(*a) - f64::from(*b));
        let mut lengths = cpu.gradient.iter().map(|x| f64::from(*x));
        let rows = self.greedy.chunks(GREEDY).zip(cpu.greedy.chunks(GREEDY));
        let same = rows.map(|(a, b)| a.iter().zip(b).take_while(|(a, b)| a == b).count());
        Gap {
            logits: largest_gap(&self.logits, &cpu.logits),
            largest_logit: cpu.logits.iter().fold(0.0, |most, x| most.max(x.abs())),
            values: largest_gap(&self.values, &cpu.values),
            gradient: (squares(&mut differences) / squares(&mut lengths)).sqrt(),
            greedy: [same.sum(), cpu.greedy.len()],
        }
    }
}

/// The largest difference, infinite where a number is none or lists differ in length.
pub fn largest_gap(a: &[f32], b: &[f32]) -> f32 {
    if a.len() != b.len() {
        return f32::INFINITY;
    }
    let gap = |(a, b): (&f32, &f32)| match (a - b).abs() {
        gap if gap.is_finite() => gap,
        _ => f32::INFINITY,
    };
    a.iter().zip(b).map(gap).fold(0.0, f32::max)
}

fn logits(model: &Vlm, input: &VlmInput) -> Vec<f32> {
    let hidden = model.hidden(input);
    let [b, t, d] = hidden.dims();
    let all = model.logits(hidden.reshape([b * t, d]));
    let vocab = all.dims()[1];
    let all: Vec<f32> = all.into_data().iter().collect();
    let rows = all.chunks(t * vocab).zip(&input.lens);
    rows.flat_map(|(row, len)| row[(t - len) * vocab..].to_vec())
        .collect()
}

/// The rows of `[B, R]` without what follows their targets.
fn rows(x: Tensor<2>, counts: &[usize]) -> Vec<f32> {
    let r = x.dims()[1].max(1);
    let all: Vec<f32> = x.into_data().iter().collect();
    let rows = all.chunks(r).zip(counts);
    rows.flat_map(|(row, count)| row[..*count].to_vec())
        .collect()
}

/// Gradients of all parameters, one after the other; nothing for those that have none.
fn gradient(model: &Vlm, grads: &Grads) -> Vec<f32> {
    struct Collect<'a> {
        grads: &'a Grads,
        found: Vec<f32>,
    }
    impl TensorVisitor for Collect<'_> {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, _: Tensor<D>) {
            if let Some(grad) = self.grads.get::<D>(id) {
                self.found.extend(grad.into_data().iter::<f32>());
            }
        }
    }
    let found = vec![];
    let mut collect = Collect { grads, found };
    for_each_tensor(model, &mut collect);
    collect.found
}

fn greedy(model: &Vlm, case: &Case) -> Result<Vec<u32>> {
    let requests: Vec<Request> = case
        .rows()
        .iter()
        .map(|row| Request {
            prompt: Arc::new(EncodedPrompt {
                tokens: row.tokens.to_vec(),
                images: row.images.to_vec(),
            }),
            key: SampleKey::default(),
        })
        .collect();
    let model = model.for_sampling();
    let generator = Generator {
        model: &model,
        sampling: Sampling::greedy(GREEDY),
        stop: &[],
        limits: Limits::rows(requests.len()),
        logprob_temperature: 1.0,
    };
    let done = generator.generate(&requests, &mut |_| ())?;
    Ok(done.into_iter().flat_map(|c| c.tokens).collect())
}
