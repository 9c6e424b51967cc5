//! AdamW on named parameters.
//!
//! Moments are kept by parameter name, because names survive a restart and Burn's parameter ids do
//! not; gradients are clipped by their global norm. On a host a step is one pass over a parameter,
//! its gradient and its moments, in place.

use super::Replica;
use crate::{config::OptimConfig, error::RlError};
use burn::{
    module::{Module, Param, ParamId},
    tensor::{DType, Device, Tensor, TensorData},
};
use burn_vlm::{
    host::{self, AdamWStep, HostTensor},
    runs_on_host,
    tape::Grads,
    weights::{
        F32View, NamedShape, ParamMapper, TensorVisitor, WeightFiles, for_each_tensor, map_params,
        shapes, trained, write_f32,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

const FILE: &str = "optimizer.safetensors";

/// Key of the metadata that says how often each parameter was moved.
const TIMES: &str = "updates";

/// Decoupled weight decay ([arXiv:1711.05101](https://arxiv.org/abs/1711.05101)); moments in f32.
pub struct AdamW {
    config: OptimConfig,
    /// Of each parameter, by its path.
    moments: BTreeMap<String, Moments>,
}

/// Of one parameter, flattened.
#[derive(Clone)]
struct Moments {
    /// How often it was moved.
    time: usize,
    first: Tensor<1>,
    second: Tensor<1>,
}

impl AdamW {
    /// An optimiser that has seen nothing yet.
    pub fn new(config: &OptimConfig) -> Self {
        Self {
            config: config.clone(),
            moments: BTreeMap::new(),
        }
    }

    /// Clips the gradients and moves the model. `norm` is the [`global_norm`] of the gradients; one
    /// that is not finite leaves everything as it was.
    pub fn step<M: Module>(&mut self, model: M, grads: Grads, lr: f64, norm: f64) -> M {
        if !norm.is_finite() {
            return model;
        }
        let limit = self.config.max_grad_norm;
        let clip = limit > 0.0 && norm > limit;
        let factor = if clip { limit / norm } else { 1.0 };
        let mut step = Step {
            optimizer: self,
            grads,
            lr,
            factor,
        };
        map_params(model, &mut step)
    }

    /// The numbers of the step that moves a parameter for the `time`-th time.
    fn numbers(&self, lr: f64, factor: f64, decay: f64, time: usize) -> AdamWStep {
        let OptimConfig { beta1, beta2, .. } = self.config;
        let correction = |beta: f64| 1.0 - beta.powf(time as f64);
        AdamWStep {
            grad_scale: factor as f32,
            beta1: beta1 as f32,
            rest1: (1.0 - beta1) as f32,
            beta2: beta2 as f32,
            rest2: (1.0 - beta2) as f32,
            keep: (1.0 - lr * decay) as f32,
            rate: (lr / correction(beta1)) as f32,
            root_scale: (1.0 / correction(beta2).sqrt()) as f32,
            epsilon: self.config.epsilon as f32,
        }
    }

    /// The same on another device, to the bit.
    pub(super) fn on(&self, device: &Device) -> Self {
        let moved = |(path, own): (&String, &Moments)| {
            let own = Moments {
                time: own.time,
                first: own.first.clone().to_device(device),
                second: own.second.clone().to_device(device),
            };
            (path.clone(), own)
        };
        Self {
            config: self.config.clone(),
            moments: self.moments.iter().map(moved).collect(),
        }
    }

    /// Writes the moments of every parameter.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn save(&self, dir: &Path) -> Result<(), RlError> {
        let path = dir.join(FILE);
        let mut tensors = Vec::with_capacity(2 * self.moments.len());
        let mut times = BTreeMap::new();
        for (name, own) in &self.moments {
            times.insert(name, own.time);
            for (kind, moment) in [("exp_avg", &own.first), ("exp_avg_sq", &own.second)] {
                tensors.push((format!("{kind}.{name}"), F32View::of(moment)));
            }
        }
        // One value of metadata: the order of several would differ from file to file.
        let times = serde_json::to_string(&times).map_err(|e| RlError::io(&path, e.into()))?;
        Ok(write_f32(&path, tensors, (TIMES, times))?)
    }

    /// Reads what [`save`](Self::save) wrote for `model`, from a mapped file, one moment at a time.
    ///
    /// # Errors
    /// A file that is not whole, or a moment by its name: of no parameter of `model`, of another
    /// length or precision, missing, or one that no count of updates belongs to.
    pub fn load<M: Module>(
        &mut self,
        dir: &Path,
        model: &M,
        device: &Device,
    ) -> Result<(), RlError> {
        let path = dir.join(FILE);
        let broken = |message: String| RlError::Checkpoint {
            path: path.clone(),
            message,
        };
        let file = WeightFiles::open_file(&path)?;
        let times = file.metadata(TIMES);
        let times = times.ok_or_else(|| broken(format!("no `{TIMES}` in its metadata")))?;
        let times: BTreeMap<String, usize> =
            serde_json::from_str(&times).map_err(|e| broken(format!("{TIMES}: {e}")))?;
        let mut found: BTreeMap<&str, (String, &[usize])> = file
            .tensors()
            .map(|(name, dtype, shape)| (name, (dtype, shape)))
            .collect();
        let lengths: HashMap<String, usize> = shapes(model)
            .into_iter()
            .map(|p: NamedShape| (p.path.clone(), p.len()))
            .collect();
        self.moments.clear();
        for (name, time) in times {
            let n = *lengths.get(&name).ok_or_else(|| {
                broken(format!("it has moments of {name}, which the model has not"))
            })?;
            let mut moment = |kind: &str| -> Result<Tensor<1>, RlError> {
                let key = format!("{kind}.{name}");
                match found.remove(key.as_str()) {
                    None => return Err(broken(format!("no tensor is called {key}"))),
                    Some((dtype, shape)) if dtype != "F32" || shape != [n] => {
                        return Err(broken(format!(
                            "{key} is {dtype} {shape:?}, expected F32 [{n}]"
                        )));
                    }
                    Some(_) => {}
                }
                let values = file.read_f32(&key)?;
                Ok(Tensor::from_data(TensorData::new(values, [n]), device))
            };
            let own = Moments {
                time,
                first: moment("exp_avg")?,
                second: moment("exp_avg_sq")?,
            };
            self.moments.insert(name, own);
        }
        match found.keys().next() {
            None => Ok(()),
            Some(key) => Err(broken(format!(
                "{key} is in the file, but not its parameter in `{TIMES}` of its metadata"
            ))),
        }
    }
}

/// √Σ g² over all parameters, in f64 over f32 sums. On a host the sums are of pieces of a fixed
/// length, in their order: the same bits on any number of cores.
pub fn global_norm<M: Module>(model: &M, grads: &mut Grads) -> f64 {
    struct Squares<'a> {
        grads: &'a mut Grads,
        sum: f64,
    }
    impl TensorVisitor for Squares<'_> {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, _: Tensor<D>) {
            let Some(grad) = self.grads.remove::<D>(id) else {
                return;
            };
            let grad = grad.cast(DType::F32);
            let grad = match runs_on_host(&grad.device()) {
                true => host::in_place(grad, |grad| self.sum += host::sum_of_squares(grad)),
                false => {
                    let squares = grad.clone().square().sum();
                    self.sum += f64::from(squares.into_scalar::<f32>());
                    grad
                }
            };
            self.grads.add(id, grad);
        }
    }
    let mut squares = Squares { grads, sum: 0.0 };
    for_each_tensor(model, &mut squares);
    squares.sum.sqrt()
}

/// The [`global_norm`] of replica 0. All replicas use it, because the last bits of a sum may differ
/// between devices and the replicas must clip and skip alike.
pub(super) fn agreed_norm<M: Module>(
    replica: &Replica,
    model: &M,
    grads: &mut Grads,
) -> Result<f64, RlError> {
    let norms = replica.gather("norms of gradients", global_norm(model, grads))?;
    Ok(norms[0])
}

struct Step<'a> {
    optimizer: &'a mut AdamW,
    grads: Grads,
    lr: f64,
    factor: f64,
}

impl ParamMapper for Step<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(grad) = self.grads.remove::<D>(param.id) else {
            return param;
        };
        let n = grad.shape().num_elements();
        let grad = grad.reshape([n]).cast(DType::F32);
        let mut own = match self.optimizer.moments.remove(path) {
            Some(own) => own,
            None => Moments {
                time: 0,
                first: grad.zeros_like(),
                second: grad.zeros_like(),
            },
        };
        own.time += 1;
        let config = &self.optimizer.config;
        let decay = if D > 1 { config.weight_decay } else { 0.0 };
        let step = self
            .optimizer
            .numbers(self.lr, self.factor, decay, own.time);
        let (id, value, _) = param.consume();
        let (value, own) = match runs_on_host(&value.device()) {
            true => move_in_place(step, value, grad, own),
            false => move_by_operations(step, value, grad, own),
        };
        self.optimizer.moments.insert(path.to_owned(), own);
        trained(id, value)
    }
}

/// One pass over slices of a host's memory.
fn move_in_place<const D: usize>(
    step: AdamWStep,
    value: Tensor<D>,
    grad: Tensor<1>,
    own: Moments,
) -> (Tensor<D>, Moments) {
    let (mut value, grad) = (HostTensor::take(value), HostTensor::take(grad));
    let (mut first, mut second) = (HostTensor::take(own.first), HostTensor::take(own.second));
    host::adamw(
        step,
        value.values_mut(),
        grad.values(),
        first.values_mut(),
        second.values_mut(),
    );
    let own = Moments {
        time: own.time,
        first: first.give_back(),
        second: second.give_back(),
    };
    (value.give_back(), own)
}

/// The same through Burn's operations, on any device.
fn move_by_operations<const D: usize>(
    step: AdamWStep,
    value: Tensor<D>,
    grad: Tensor<1>,
    own: Moments,
) -> (Tensor<D>, Moments) {
    let grad = grad.mul_scalar(step.grad_scale);
    let (rest1, rest2) = (
        grad.clone().mul_scalar(step.rest1),
        grad.square().mul_scalar(step.rest2),
    );
    let first = own.first.mul_scalar(step.beta1) + rest1;
    let second = own.second.mul_scalar(step.beta2) + rest2;
    let root = second.clone().sqrt().mul_scalar(step.root_scale);
    let delta = first.clone().mul_scalar(step.rate) / root.add_scalar(step.epsilon);
    let shape = value.dims();
    let value = value.mul_scalar(step.keep) - delta.reshape(shape);
    let own = Moments {
        time: own.time,
        first,
        second,
    };
    (value, own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_operations_agree() {
        let device = Device::flex();
        let n = 50_000;
        let list = |key: usize| -> Tensor<1> {
            let value = |i: usize| ((i * 7919 + key * 104_729) % 2003) as f32 / 1000.0 - 1.0;
            Tensor::from_data(TensorData::new((0..n).map(value).collect(), [n]), &device)
        };
        let optimizer = AdamW::new(&OptimConfig::default());
        let fresh = || Moments {
            time: 0,
            first: Tensor::zeros([n], &device),
            second: Tensor::zeros([n], &device),
        };
        let (mut a, mut b) = ((list(0), fresh()), (list(0), fresh()));
        for time in 1..=3 {
            let step = optimizer.numbers(1e-2, 0.5, 0.1, time);
            a = move_in_place(step, a.0, list(time), a.1);
            b = move_by_operations(step, b.0, list(time), b.1);
        }
        let off = |a: Tensor<1>, b: Tensor<1>| (a - b).abs().max().into_scalar::<f32>();
        assert!(off(a.0, b.0) < 1e-6);
        assert!(off(a.1.first, b.1.first) < 1e-7);
        assert!(off(a.1.second, b.1.second) < 1e-7);
    }

    #[test]
    fn moments_of_another_set_shape_or_precision_are_refused_by_name() {
        use safetensors::{Dtype, tensor::TensorView};
        let device = Device::flex();
        let model = burn::nn::LinearConfig::new(2, 3)
            .with_bias(false)
            .init(&device);
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (1..=8_i16)
            .flat_map(|i| f32::from(i).to_le_bytes())
            .collect();
        let load = |tensors: &[(&str, Dtype, usize)], times: &str| {
            let views = tensors.iter().map(|(name, dtype, n)| {
                let bytes = &bytes[..n * dtype.bitsize() / 8];
                (*name, TensorView::new(*dtype, vec![*n], bytes).unwrap())
            });
            let metadata = HashMap::from([(TIMES.to_owned(), times.to_owned())]);
            safetensors::serialize_to_file(views, Some(metadata), &dir.path().join(FILE)).unwrap();
            let mut optimizer = AdamW::new(&OptimConfig::default());
            let read = optimizer.load(dir.path(), &model, &device);
            read.map(|()| optimizer).map_err(|e| e.to_string())
        };
        let (first, second) = ("exp_avg.weight", "exp_avg_sq.weight");
        let whole = [(first, Dtype::F32, 6), (second, Dtype::F32, 6)];
        let times = r#"{"weight": 4}"#;
        let own = load(&whole, times)
            .unwrap()
            .moments
            .remove("weight")
            .unwrap();
        assert_eq!(own.time, 4);
        let values = own.second.into_data().try_to_vec::<f32>().unwrap();
        assert_eq!(values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);

        let refused = |tensors: &[_], times, said: &str| {
            let error = load(tensors, times).err().unwrap();
            assert!(error.contains(FILE) && error.contains(said), "{error}");
        };
        // As many bytes as the values have.
        let whole_numbers = [whole[0], (second, Dtype::I32, 6)];
        refused(
            &whole_numbers,
            times,
            "exp_avg_sq.weight is I32 [6], expected F32 [6]",
        );
        let longer = [(first, Dtype::F32, 8), whole[1]];
        refused(
            &longer,
            times,
            "exp_avg.weight is F32 [8], expected F32 [6]",
        );
        refused(&whole[..1], times, "no tensor is called exp_avg_sq.weight");
        refused(
            &whole,
            r#"{"bias": 4}"#,
            "moments of bias, which the model has not",
        );
        refused(
            &whole,
            "{}",
            "exp_avg.weight is in the file, but not its parameter",
        );
    }
}
