//! Fresh weights, the same on every machine for the same seed.

use super::named::{TensorMapper, map_tensors};
use crate::rng::{mix, uniform};
use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, TensorData},
};
use rayon::prelude::*;

/// Draws matrices from a normal distribution of standard deviation `std`; norms become one and
/// biases zero.
pub fn initialise<M: Module>(module: M, std: f64, seed: u64, device: &Device) -> M {
    map_tensors(module, &mut Draw { std, seed, device })
}

struct Draw<'a> {
    std: f64,
    seed: u64,
    device: &'a Device,
}

impl TensorMapper for Draw<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        fresh(path, param, self.std, self.seed, self.device)
    }
}

/// The drawn value of one parameter; none for those that start as they are: norms and biases.
pub(super) fn fresh<const D: usize>(
    path: &str,
    param: &Param<Tensor<D>>,
    std: f64,
    seed: u64,
    device: &Device,
) -> Option<Tensor<D>> {
    if D < 2 {
        return None;
    }
    let key = path
        .bytes()
        .fold(seed, |key, byte| mix(key, u64::from(byte)));
    let shape = param.lazy_shape();
    let values = normal(key, shape.num_elements()).map(|z| (z * std) as f32);
    let values: Vec<f32> = values.collect();
    Some(Tensor::from_data(TensorData::new(values, shape), device))
}

/// `n` standard normal numbers by the method of Box and Muller, each a function of `key` and its
/// place alone.
pub(crate) fn normal(key: u64, n: usize) -> impl IndexedParallelIterator<Item = f64> {
    (0..n).into_par_iter().map(move |i| {
        let [radius, angle] = [0, 1].map(|side| uniform(mix(mix(key, i as u64), side)));
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    })
}

#[cfg(test)]
mod tests {
    use super::normal;
    use rayon::prelude::*;

    #[test]
    fn draws_have_the_moments_of_a_normal_distribution() {
        let values: Vec<f64> = normal(7, 100_000).collect();
        let mean = values.iter().sum::<f64>() / 1e5;
        let variance = values.iter().map(|x| x * x).sum::<f64>() / 1e5;
        assert!(
            mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02,
            "{mean} {variance}"
        );
    }
}
