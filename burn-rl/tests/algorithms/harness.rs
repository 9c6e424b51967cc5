//! An algorithm on plain numbers, laid out in any way a trainer might.

use burn::tensor::{Bool, Device, Tensor, TensorData};
use burn_rl::{
    learner::tape::{TapeInput, ValueInput, differentiate, differentiate_values},
    recipe::Recipe,
    select::StepScores,
    types::{Advantages, ScoredBatch},
};

/// One optimiser step: what the host knows, and the policy and the critic as they are now.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    pub batch: ScoredBatch,
    pub logp: Vec<Vec<f32>>,
    pub entropy: Vec<Vec<f32>>,
    pub values: Vec<Vec<f32>>,
}

/// How samples become tensors.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Samples that are differentiated together.
    pub micro_batch: usize,
    /// Whether short rows start with padding rather than end with it.
    pub left: bool,
    /// Padding beyond the longest row.
    pub extra: usize,
    /// What padding holds.
    pub filler: f32,
}

pub const PLAIN: Layout = Layout {
    micro_batch: usize::MAX,
    left: false,
    extra: 0,
    filler: 0.0,
};

/// What comes out, by sample.
#[derive(Debug, Clone, Default)]
pub struct Out {
    pub loss: f64,
    pub advantages: Advantages,
    pub d_logp: Vec<Vec<f32>>,
    pub d_entropy: Vec<Vec<f32>>,
    pub value_loss: f64,
    pub d_values: Vec<Vec<f32>>,
    /// Sums over tokens.
    pub stats: Vec<(String, f64)>,
}

pub fn run(recipe: &Recipe, x: &Numbers, layout: Layout) -> Out {
    let batch = &x.batch;
    let all: Vec<usize> = (0..batch.samples.len()).collect();
    let advantages = recipe.advantages(batch).unwrap();
    let scores = StepScores {
        samples: all.clone(),
        logp: x.logp.clone(),
        entropy: x.entropy.clone(),
    };
    let selected = recipe.select(batch, &advantages, &scores).unwrap();
    let mut weights = vec![0.0; all.len()];
    for (i, weight) in recipe.weights(batch, &batch.groups) {
        weights[i] = weight as f32;
    }
    let needs = recipe.needs();
    let mut out = Out {
        d_logp: vec![vec![]; all.len()],
        d_entropy: vec![vec![]; all.len()],
        d_values: vec![vec![]; all.len()],
        ..Out::default()
    };
    for part in all.chunks(layout.micro_batch.min(all.len())) {
        let rows = Rows::new(batch, part, layout);
        let own = |list: fn(&burn_rl::types::Sample) -> &Vec<f32>| {
            rows.floats(|i| list(&batch.samples[i]).as_slice())
        };
        let flags = |lists: &Vec<Vec<bool>>| rows.flags(|i| lists[i].as_slice());
        let spread: Vec<Vec<f32>> = all
            .iter()
            .map(|i| vec![weights[*i]; batch.samples[*i].len()])
            .collect();
        let mask = rows.flags(|i| batch.samples[i].mask.as_slice());
        let spread = rows.floats(|i| spread[i].as_slice());
        let found = differentiate(
            recipe,
            TapeInput {
                logp: rows.floats(|i| x.logp[i].as_slice()),
                entropy: rows.floats(|i| x.entropy[i].as_slice()),
                old_logp: needs.old_logp.then(|| own(|s| &s.old_logp)),
                behaviour_logp: needs.behaviour_logp.then(|| own(|s| &s.behaviour_logp)),
                ref_logp: needs.ref_logp.then(|| own(|s| &s.ref_logp)),
                advantages: rows.floats(|i| advantages.per_token[i].as_slice()),
                mask: mask.clone(),
                weights: spread.clone(),
                special_tokens: selected.special_tokens.as_ref().map(flags),
                trained_tokens: selected.trained_tokens.as_ref().map(flags),
                kl_coef: None,
            },
        )
        .unwrap();
        out.loss += scalar(found.loss);
        rows.scatter(found.d_logp, &mut out.d_logp);
        if let Some(d_entropy) = found.d_entropy {
            rows.scatter(d_entropy, &mut out.d_entropy);
        }
        for (name, stat) in found.stats {
            let sum = scalar(stat.sum());
            match out.stats.iter_mut().find(|(n, _)| *n == name) {
                Some((_, total)) => *total += sum,
                None => out.stats.push((name.into_owned(), sum)),
            }
        }
        if let Some(critic) = recipe.critic() {
            let (loss, d_values) = differentiate_values(
                &critic,
                ValueInput {
                    values: rows.floats(|i| x.values[i].as_slice()),
                    old_values: own(|s| &s.values),
                    returns: rows.floats(|i| advantages.returns[i].as_slice()),
                    mask,
                    weights: spread,
                },
            );
            out.value_loss += scalar(loss);
            rows.scatter(d_values, &mut out.d_values);
        }
    }
    out.advantages = advantages;
    out
}

fn scalar(x: Tensor<1>) -> f64 {
    f64::from(x.into_scalar::<f32>())
}

/// Some samples as the rows of tensors `[B, R]`.
struct Rows<'a> {
    samples: &'a [usize],
    lengths: Vec<usize>,
    width: usize,
    layout: Layout,
    device: Device,
}

impl<'a> Rows<'a> {
    fn new(batch: &ScoredBatch, samples: &'a [usize], layout: Layout) -> Self {
        let lengths: Vec<usize> = samples.iter().map(|i| batch.samples[*i].len()).collect();
        let width = lengths.iter().max().unwrap() + layout.extra;
        Self {
            samples,
            lengths,
            width,
            layout,
            device: Device::flex(),
        }
    }

    fn start(&self, row: usize) -> usize {
        row * self.width + usize::from(self.layout.left) * (self.width - self.lengths[row])
    }

    fn data<'b, T: burn::tensor::Element>(
        &self,
        list: impl Fn(usize) -> &'b [T],
        filler: T,
    ) -> TensorData {
        let mut values = vec![filler; self.samples.len() * self.width];
        for (row, i) in self.samples.iter().enumerate() {
            let start = self.start(row);
            values[start..start + self.lengths[row]].copy_from_slice(list(*i));
        }
        TensorData::new(values, [self.samples.len(), self.width])
    }

    fn floats<'b>(&self, list: impl Fn(usize) -> &'b [f32]) -> Tensor<2> {
        Tensor::from_data(self.data(list, self.layout.filler), &self.device)
    }

    fn flags<'b>(&self, list: impl Fn(usize) -> &'b [bool]) -> Tensor<2, Bool> {
        Tensor::from_data(self.data(list, false), &self.device)
    }

    /// Rows back to lists; what padding got must be nothing.
    fn scatter(&self, x: Tensor<2>, out: &mut [Vec<f32>]) {
        let values: Vec<f32> = x.into_data().iter().collect();
        for (row, i) in self.samples.iter().enumerate() {
            let start = self.start(row);
            let end = start + self.lengths[row];
            out[*i] = values[start..end].to_vec();
            let whole = row * self.width..(row + 1) * self.width;
            let padding = whole.filter(|at| !(start..end).contains(at));
            assert!(
                padding.into_iter().all(|at| values[at] == 0.0),
                "padding learns"
            );
        }
    }
}
