//! AdamW on named parameters.
//!
//! Burn's own AdamW does the arithmetic. Its state is kept here by parameter name, because names
//! survive a restart and Burn's parameter ids do not; and the gradient is clipped here by its
//! global norm, because Burn clips each tensor by its own.

use super::Replica;
use crate::{config::OptimConfig, error::RlError};
use burn::{
    module::{Module, Param, ParamId},
    optim::{AdamW as BurnAdamW, AdamWConfig, AdamWState, AdaptiveMomentumState, Optimizer},
    tensor::{DType, Device, Tensor, TensorData},
};
use burn_vlm::{
    tape::Grads,
    weights::{
        F32View, NamedShape, TensorMapper, TensorVisitor, for_each_tensor, map_tensors, shapes,
        write_f32,
    },
};
use safetensors::SafeTensors;
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

const FILE: &str = "optimizer.safetensors";

/// Key of the metadata that says how often each parameter was moved.
const TIMES: &str = "updates";

/// Decoupled weight decay ([arXiv:1711.05101](https://arxiv.org/abs/1711.05101)); moments in f32.
pub struct AdamW {
    decayed: BurnAdamW,
    plain: BurnAdamW,
    max_grad_norm: f64,
    /// State of each parameter, flattened, by its path.
    state: BTreeMap<String, AdamWState<1>>,
}

impl AdamW {
    /// An optimiser that has seen nothing yet.
    pub fn new(config: &OptimConfig) -> Self {
        let build = |weight_decay| {
            AdamWConfig::new()
                .with_beta_1(config.beta1)
                .with_beta_2(config.beta2)
                .with_epsilon(config.epsilon)
                .with_weight_decay(weight_decay)
                .build()
        };
        Self {
            decayed: build(config.weight_decay),
            plain: build(0.0),
            max_grad_norm: config.max_grad_norm,
            state: BTreeMap::new(),
        }
    }

    /// Clips the gradients and moves the model. `norm` is the [`global_norm`] of the gradients; one
    /// that is not finite leaves everything as it was.
    pub fn step<M: Module>(&mut self, model: M, grads: Grads, lr: f64, norm: f64) -> M {
        if !norm.is_finite() {
            return model;
        }
        let clip = self.max_grad_norm > 0.0 && norm > self.max_grad_norm;
        let factor = if clip { self.max_grad_norm / norm } else { 1.0 };
        let mut step = Step {
            optimizer: self,
            grads,
            lr,
            factor,
        };
        map_tensors(model, &mut step)
    }

    /// The same on another device, to the bit.
    pub(super) fn on(&self, device: &Device) -> Self {
        let moved = |(path, state): (&String, &AdamWState<1>)| {
            let state = BurnAdamW::to_device(state.clone(), device);
            (path.clone(), state)
        };
        Self {
            decayed: self.decayed.clone(),
            plain: self.plain.clone(),
            max_grad_norm: self.max_grad_norm,
            state: self.state.iter().map(moved).collect(),
        }
    }

    /// Writes the moments of every parameter.
    ///
    /// # Errors
    /// Anything the file system refuses.
    pub fn save(&self, dir: &Path) -> Result<(), RlError> {
        let path = dir.join(FILE);
        let mut tensors = Vec::with_capacity(2 * self.state.len());
        let mut times = BTreeMap::new();
        for (name, state) in &self.state {
            let momentum = &state.momentum;
            times.insert(name, momentum.time);
            for (kind, moment) in [
                ("exp_avg", &momentum.moment_1),
                ("exp_avg_sq", &momentum.moment_2),
            ] {
                tensors.push((format!("{kind}.{name}"), F32View::of(moment)));
            }
        }
        // One value of metadata: the order of several would differ from file to file.
        let times = serde_json::to_string(&times).map_err(|e| RlError::io(&path, e.into()))?;
        Ok(write_f32(&path, tensors, (TIMES, times))?)
    }

    /// Reads what [`save`](Self::save) wrote for `model`.
    ///
    /// # Errors
    /// A file that is not whole or has other parameters than `model`.
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
        let bytes = std::fs::read(&path).map_err(|e| RlError::io(&path, e))?;
        let (_, header) = SafeTensors::read_metadata(&bytes).map_err(|e| broken(e.to_string()))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| broken(e.to_string()))?;
        let times = header.metadata().as_ref().and_then(|m| m.get(TIMES));
        let times = times.ok_or_else(|| broken(format!("no `{TIMES}` in its metadata")))?;
        let times: BTreeMap<String, usize> =
            serde_json::from_str(times).map_err(|e| broken(format!("{TIMES}: {e}")))?;
        let lengths: HashMap<String, usize> = shapes(model)
            .into_iter()
            .map(|p: NamedShape| (p.path.clone(), p.len()))
            .collect();
        self.state.clear();
        for (name, time) in times {
            let moment = |kind: &str| -> Result<Tensor<1>, RlError> {
                let key = format!("{kind}.{name}");
                let view = file
                    .tensor(&key)
                    .map_err(|e| broken(format!("{key}: {e}")))?;
                let values: Vec<f32> = view
                    .data()
                    .chunks_exact(4)
                    .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
                    .collect();
                let n = values.len();
                match lengths.get(&name) == Some(&n) {
                    true => Ok(Tensor::from_data(TensorData::new(values, [n]), device)),
                    false => Err(broken(format!(
                        "{key} has {n} values, which the model has not"
                    ))),
                }
            };
            let momentum =
                AdaptiveMomentumState::new(time, moment("exp_avg")?, moment("exp_avg_sq")?);
            self.state.insert(name.clone(), AdamWState::new(momentum));
        }
        Ok(())
    }
}

/// √Σ g² over all parameters, in f64 over f32 sums of each tensor.
pub fn global_norm<M: Module>(model: &M, grads: &Grads) -> f64 {
    struct Squares<'a> {
        grads: &'a Grads,
        sum: f64,
    }
    impl TensorVisitor for Squares<'_> {
        fn visit<const D: usize>(&mut self, _: &str, id: ParamId, _: Tensor<D>) {
            if let Some(grad) = self.grads.get::<D>(id) {
                let squares = grad.cast(DType::F32).square().sum();
                self.sum += f64::from(squares.into_scalar::<f32>());
            }
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
    grads: &Grads,
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

impl TensorMapper for Step<'_> {
    fn map<const D: usize>(&mut self, path: &str, param: &Param<Tensor<D>>) -> Option<Tensor<D>> {
        let grad = self.grads.remove::<D>(param.id)?;
        let shape = grad.dims();
        let n: usize = shape.iter().product();
        let flat = |x: Tensor<D>| x.reshape([n]);
        let grad = flat(grad).cast(DType::F32).mul_scalar(self.factor);
        let rule = if D > 1 {
            &self.optimizer.decayed
        } else {
            &self.optimizer.plain
        };
        let state = self.optimizer.state.remove(path);
        let (value, state) = rule.step(self.lr, flat(param.val()), grad, state);
        if let Some(state) = state {
            self.optimizer.state.insert(path.to_owned(), state);
        }
        Some(value.reshape(shape))
    }
}
