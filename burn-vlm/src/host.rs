//! Tensors of a host as slices: changed in place, in parallel, in the processor's widest vectors.
//!
//! Burn's element-wise operations on a CPU run on one thread and write a new tensor each. Where a
//! pass over many values is worth more, it takes a tensor's memory out of it, works on pieces that
//! stay in the cache, and puts it back. Pieces have a fixed length, so what is summed does not
//! depend on the number of threads.

use burn::tensor::{DType, Device, Tensor, TensorData};
use rayon::prelude::*;

/// Values of a piece: 64 KiB.
const PIECE: usize = 1 << 14;

/// Values that are summed side by side.
pub const LANES: usize = 16;

/// Runs `work`, and what is inlined into it, compiled for the widest vectors this processor has.
#[inline(always)]
pub fn vectorized<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
        fn v4<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        #[target_feature(enable = "avx2,fma")]
        fn v3<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        let has_v3 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let has_v4 = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512vl")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq");
        // SAFETY: called on processors only that have what the functions were compiled for.
        #[allow(unsafe_code)]
        unsafe {
            match (has_v3, has_v4) {
                (true, true) => v4(work),
                (true, false) => v3(work),
                _ => work(),
            }
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    work()
}

/// A tensor on a host as a slice of its memory, row-major, in f32.
pub struct HostTensor<const D: usize> {
    data: TensorData,
    device: Device,
}

impl<const D: usize> HostTensor<D> {
    /// Takes the memory of a tensor on a host. Nothing is copied if nobody else holds the tensor and
    /// it is contiguous and in f32.
    pub fn take(tensor: Tensor<D>) -> Self {
        Self {
            device: tensor.device(),
            data: tensor.cast(DType::F32).into_data(),
        }
    }

    /// Its values.
    pub fn values(&self) -> &[f32] {
        self.data.as_slice().expect("values of f32 on a host")
    }

    /// Its values, to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        self.data.as_mut_slice().expect("values of f32 on a host")
    }

    /// The tensor again.
    pub fn give_back(self) -> Tensor<D> {
        Tensor::from_data(self.data, (&self.device, DType::F32))
    }
}

/// Lets `work` change the values of a tensor on a host.
pub fn in_place<const D: usize>(tensor: Tensor<D>, work: impl FnOnce(&mut [f32])) -> Tensor<D> {
    let mut own = HostTensor::take(tensor);
    work(own.values_mut());
    own.give_back()
}

/// `sum += part`
pub fn add(sum: &mut [f32], part: &[f32]) {
    let pieces = sum.par_chunks_mut(PIECE).zip(part.par_chunks(PIECE));
    pieces.for_each(|(sum, part)| vectorized(|| add_piece(sum, part)));
}

#[inline(always)]
fn add_piece(sum: &mut [f32], part: &[f32]) {
    sum.iter_mut().zip(part).for_each(|(a, b)| *a += b);
}

/// `Σ x²`: in f32 within runs of 1,024 values, in f64 over the runs, in their order.
pub fn sum_of_squares(values: &[f32]) -> f64 {
    let pieces: Vec<f64> = values
        .par_chunks(PIECE)
        .map(|piece| {
            let runs = piece.chunks(64 * LANES);
            runs.map(|run| f64::from(vectorized(|| squares(run)))).sum()
        })
        .collect();
    pieces.into_iter().sum()
}

#[inline(always)]
fn squares(values: &[f32]) -> f32 {
    let mut lanes = [0.0; LANES];
    let whole = values.chunks_exact(LANES);
    let rest = whole.remainder();
    for part in whole {
        for (lane, x) in lanes.iter_mut().zip(part) {
            *lane += x * x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane += x * x;
    }
    lanes.iter().sum()
}

/// The numbers of one step of [`adamw`].
#[derive(Debug, Clone, Copy)]
pub struct AdamWStep {
    /// What the gradient is multiplied by first.
    pub grad_scale: f32,
    /// Share of the first moment that stays.
    pub beta1: f32,
    /// One less that.
    pub rest1: f32,
    /// Share of the second moment that stays.
    pub beta2: f32,
    /// One less that.
    pub rest2: f32,
    /// What is left of a value after decay.
    pub keep: f32,
    /// The rate over the bias correction of the first moment.
    pub rate: f32,
    /// One over the root of the bias correction of the second moment.
    pub root_scale: f32,
    /// Added to the root of the corrected second moment.
    pub epsilon: f32,
}

/// One step of Adam with decoupled weight decay
/// ([arXiv:1711.05101](https://arxiv.org/abs/1711.05101)) in one pass over values of equal number:
/// the moments and the values are replaced.
pub fn adamw(
    step: AdamWStep,
    values: &mut [f32],
    grads: &[f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let pieces = (
        values.par_chunks_mut(PIECE),
        grads.par_chunks(PIECE),
        first.par_chunks_mut(PIECE),
        second.par_chunks_mut(PIECE),
    );
    pieces
        .into_par_iter()
        .for_each(|(x, g, m, v)| vectorized(|| adamw_piece(step, x, g, m, v)));
}

#[inline(always)]
fn adamw_piece(step: AdamWStep, x: &mut [f32], g: &[f32], m: &mut [f32], v: &mut [f32]) {
    let moments = m.iter_mut().zip(v);
    for ((x, g), (m, v)) in x.iter_mut().zip(g).zip(moments) {
        let g = g * step.grad_scale;
        *m = step.beta1 * *m + step.rest1 * g;
        *v = step.beta2 * *v + step.rest2 * (g * g);
        let root = v.sqrt() * step.root_scale + step.epsilon;
        *x = *x * step.keep - step.rate * *m / root;
    }
}

/// `eˣ` to two units in the last place, in arithmetic that compilers vectorise; 0 below −87.3.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // 2ⁿ · eʳ with |r| ≤ ln 2 / 2, after Cephes' expf. Adding 1.5 · 2²³ rounds to a whole number,
    // which is then in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let clamped = if x > 88.0 { 88.0 } else { x };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = clamped - n * LN2_HIGH - n * LN2_LOW;
    let mut p = 1.987_569_1e-4;
    for c in [
        1.398_199_9e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        p = p * r + c;
    }
    let p = p * r * r + r + 1.0;
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x < -87.3 { 0.0 } else { p * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_a_tensor_is_its_own_before_and_after() {
        let tensor = Tensor::<1>::zeros([40_000], &Device::flex());
        let mut places = vec![];
        let note = |values: &mut [f32]| values.as_ptr() as usize;
        let tensor = in_place(tensor, |values| places.push(note(values)));
        let tensor = in_place(tensor.reshape([200, 200]), |values| {
            places.push(note(values));
            values.fill(2.0);
        });
        assert_eq!(places[0], places[1], "nothing was copied");
        let shared = tensor.clone();
        let tensor = in_place(tensor, |values| values.fill(3.0));
        let sum = |x: Tensor<2>| x.sum().into_scalar::<f32>();
        assert_eq!((sum(shared), sum(tensor)), (80_000.0, 120_000.0));
    }

    #[test]
    fn exp_is_that_of_f64() {
        let mut worst = 0.0_f64;
        for i in -870_000..880_000 {
            let x = i as f32 / 10_000.0;
            let exact = f64::from(x).exp();
            worst = worst.max((f64::from(exp(x)) / exact - 1.0).abs());
        }
        assert!(worst < 2.4e-7, "{worst}");
        assert_eq!(
            [exp(0.0), exp(-100.0), exp(f32::NEG_INFINITY)],
            [1.0, 0.0, 0.0]
        );
        assert!(exp(f32::NAN).is_nan());
    }

    /// More values than one piece has: √Σ i² over the first n whole numbers.
    #[test]
    fn sums_of_squares_do_not_depend_on_threads() {
        let values: Vec<f32> = (0..100_003).map(|i| (i % 1000) as f32).collect();
        let exact: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().unwrap().install(|| sum_of_squares(&values))
        };
        assert!((on(1) / exact - 1.0).abs() < 1e-6);
        assert_eq!(on(1).to_bits(), on(3).to_bits());
    }

    #[test]
    fn parts_are_added_in_place() {
        let mut sum: Vec<f32> = (0..40_000).map(|i| i as f32).collect();
        let part: Vec<f32> = (0..40_000).map(|i| 2.0 * i as f32).collect();
        add(&mut sum, &part);
        assert!(sum.iter().enumerate().all(|(i, x)| *x == 3.0 * i as f32));
    }
}
