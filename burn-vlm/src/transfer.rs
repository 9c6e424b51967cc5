//! Models on another device.

use crate::freeze::is_trained;
use burn::{
    module::{Module, ModuleMapper, Param, ParamId},
    tensor::{Device, Tensor},
};
use std::collections::HashMap;

/// Copies models to a device.
///
/// Models that were made from one another share what is frozen in them, and so do their copies:
/// a policy with an adapter and its reference take the memory of one.
#[derive(Debug)]
pub struct Transfer {
    device: Device,
    /// Frozen parameters that are there already, flattened: what is frozen keeps its id and its
    /// value for as long as it lives.
    frozen: HashMap<ParamId, Tensor<1>>,
}

impl Transfer {
    /// To `device`, which has nothing yet.
    pub fn to(device: &Device) -> Self {
        Self {
            device: device.clone(),
            frozen: HashMap::new(),
        }
    }

    /// The same model there, to the bit: parameters keep their ids, and whether they are trained.
    pub fn copy<M: Module>(&mut self, model: &M) -> M {
        model.clone().map(self)
    }
}

impl ModuleMapper for Transfer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let trained = is_trained(&param);
        let value = param.val();
        let shape = value.dims();
        let n: usize = shape.iter().product();
        // A reference may have them rounded.
        let alike = |known: &&Tensor<1>| !trained && known.dtype() == value.dtype();
        let known = self.frozen.get(&param.id).filter(alike);
        let value = match known {
            Some(known) => known.clone().reshape(shape),
            None => value.to_device(&self.device),
        };
        if !trained {
            self.frozen.insert(param.id, value.clone().reshape([n]));
        }
        Param::initialized(param.id, value).set_require_grad(trained)
    }
}
