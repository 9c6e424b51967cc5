//! The head in chunks of rows, forward and in closed form backward.
//!
//! With `z` the logits over the temperature, `p = softmax(z)` and `H = −Σ p log p`:
//! `∂L/∂z = ∂L/∂log p(y) · (onehot(y) − p) − ∂L/∂H · p · (log p + H)`.

use burn::tensor::{DType, IndexingUpdateOp, Int, Tensor, activation::log_softmax};

/// Rows of logits that exist at a time.
pub const HEAD_ROWS: usize = 512;

/// Log-probability of each target and entropy of the distribution it was drawn from, in nats.
#[derive(Debug, Clone)]
pub struct TokenScores {
    /// `[B, R]`
    pub logp: Tensor<2>,
    /// `[B, R]`
    pub entropy: Tensor<2>,
}

pub(super) struct FlatScores {
    /// `[N]`
    pub logp: Tensor<1>,
    /// `[N]`
    pub entropy: Tensor<1>,
}

pub(super) struct HeadGrads {
    /// `[N, D]`
    pub hidden: Tensor<2>,
    /// `[V, D]`, in f32, if it was asked for
    pub weight: Option<Tensor<2>>,
}

pub(super) struct HeadUpstream {
    /// `[N]`
    pub logp: Tensor<1>,
    /// `[N]`
    pub entropy: Option<Tensor<1>>,
}

fn chunks(n: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..n)
        .step_by(HEAD_ROWS)
        .map(move |start| (start, HEAD_ROWS.min(n - start)))
}

/// `[rows, V]`, in f32, of a weight in the precision of the hidden states.
fn log_probs(hidden: Tensor<2>, weight: &Tensor<2>, temperature: f64) -> Tensor<2> {
    let logits = hidden.matmul(weight.clone().transpose()).cast(DType::F32);
    log_softmax(logits.div_scalar(temperature), 1)
}

fn entropy(logp: &Tensor<2>) -> Tensor<2> {
    (logp.clone().exp() * logp.clone()).sum_dim(1).neg()
}

/// # Shapes
/// - hidden: `[N, D]`; weight: `[V, D]`; ids: `[N]`
pub(super) fn forward(
    hidden: &Tensor<2>,
    weight: Tensor<2>,
    ids: &Tensor<1, Int>,
    temperature: f64,
) -> FlatScores {
    let n = hidden.dims()[0];
    let weight = weight.cast(hidden.dtype());
    let (mut logp, mut entropies) = (vec![], vec![]);
    for (start, len) in chunks(n) {
        let all = log_probs(hidden.clone().narrow(0, start, len), &weight, temperature);
        let target = ids.clone().narrow(0, start, len).reshape([len, 1]);
        entropies.push(entropy(&all).reshape([len]));
        logp.push(all.gather(1, target).reshape([len]));
    }
    if logp.is_empty() {
        let none = Tensor::zeros([0], &hidden.device());
        return FlatScores {
            logp: none.clone(),
            entropy: none,
        };
    }
    FlatScores {
        logp: Tensor::cat(logp, 0),
        entropy: Tensor::cat(entropies, 0),
    }
}

/// # Shapes
/// - hidden: `[N, D]`; weight: `[V, D]`; ids: `[N]`
pub(super) fn backward(
    hidden: &Tensor<2>,
    weight: Tensor<2>,
    ids: &Tensor<1, Int>,
    temperature: f64,
    upstream: HeadUpstream,
    weight_is_trained: bool,
) -> HeadGrads {
    let n = hidden.dims()[0];
    let weight = weight.cast(hidden.dtype());
    let mut d_weight = weight_is_trained.then(|| Tensor::zeros(weight.dims(), &weight.device()));
    let mut d_hidden = vec![];
    for (start, len) in chunks(n) {
        let column = |x: &Tensor<1>| x.clone().narrow(0, start, len).reshape([len, 1]);
        let rows = hidden.clone().narrow(0, start, len);
        let logp = log_probs(rows.clone(), &weight, temperature);
        let p = logp.clone().exp();
        let d = column(&upstream.logp);
        let mut d_logits = p.clone() * d.clone().neg();
        if let Some(d_entropy) = &upstream.entropy {
            let h = entropy(&logp);
            d_logits = d_logits - p * (logp + h) * column(d_entropy);
        }
        let target = ids.clone().narrow(0, start, len).reshape([len, 1]);
        let d_logits = d_logits
            .scatter(1, target, d, IndexingUpdateOp::Add)
            .div_scalar(temperature)
            .cast(weight.dtype());
        d_weight = d_weight.map(|sum| {
            let part = d_logits.clone().transpose().matmul(rows);
            sum + part.cast(DType::F32)
        });
        d_hidden.push(d_logits.matmul(weight.clone()));
    }
    let hidden = match d_hidden.is_empty() {
        true => hidden.clone(),
        false => Tensor::cat(d_hidden, 0),
    };
    HeadGrads {
        hidden,
        weight: d_weight,
    }
}
