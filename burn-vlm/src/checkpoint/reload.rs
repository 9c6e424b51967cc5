//! From what was saved during a training back into that training.

use super::LoadOptions;
use crate::{
    Vlm,
    error::VlmError,
    freeze::trainable,
    weights::{NamedShape, TensorVisitor, for_each_tensor, shapes},
};
use burn::{
    module::{Module, ModuleMapper, Param, ParamId},
    tensor::{DType, Tensor},
};
use std::{collections::HashMap, path::Path};

impl Vlm {
    /// The model that [`save`](Self::save) wrote in `dir` at another time of the same training.
    /// What is frozen here is frozen there, and shared: it is the same to the bit.
    ///
    /// # Errors
    /// As [`from_dir`](Self::from_dir), and a model of other parts or with other frozen weights.
    pub fn reload(&self, dir: &Path) -> Result<Self, VlmError> {
        let found = match self.lora() {
            Some(_) => self
                .without_lora()
                .with_adapter(dir)?
                .with_saved_head(dir)?,
            None => {
                let families = &self.config().families;
                let options = LoadOptions::computing_in(self.compute()).among(families);
                Self::load(dir, &options, &self.device())?
            }
        };
        let fail = |message: String| VlmError::weights(dir, message);
        let (ours, theirs) = (shapes(self), shapes(&found));
        let differs = |a: &NamedShape, b: &NamedShape| (&a.path, &a.shape) != (&b.path, &b.shape);
        let other = ours.iter().zip(&theirs).find(|(a, b)| differs(a, b));
        if other.is_some() || ours.len() != theirs.len() {
            let name = other.map_or("the number of parameters", |(_, b)| b.path.as_str());
            let message = format!("{name} differs from that of the model in training");
            return Err(fail(message));
        }
        let scale = |model: &Self| model.lora().map(|lora| lora.config.scale());
        if scale(self) != scale(&found) {
            let message = "lora.alpha or lora.rslora differs from that of the model in training";
            return Err(fail(message.into()));
        }
        let mut kept = Kept::of(self, &ours, &theirs);
        let mut model = found.map(&mut kept);
        // Not all of how a training treats its adapters is in their files.
        model.lora = self.lora.clone();
        match kept.changed {
            None => Ok(model),
            Some(id) => {
                let param = theirs.iter().find(|p| p.id == id);
                let name = param.map_or("a parameter", |p| p.path.as_str());
                Err(fail(format!(
                    "{name} is frozen, but differs from that of the model in training"
                )))
            }
        }
    }
}

/// Frozen parameters that replace those of another model.
struct Kept {
    /// By the id of the other: the parameter, flattened.
    frozen: HashMap<ParamId, (ParamId, Tensor<1>)>,
    changed: Option<ParamId>,
}

impl Kept {
    fn of(model: &Vlm, ours: &[NamedShape], theirs: &[NamedShape]) -> Self {
        struct Flat(HashMap<ParamId, Tensor<1>>);
        impl TensorVisitor for Flat {
            fn visit<const D: usize>(&mut self, _: &str, id: ParamId, tensor: Tensor<D>) {
                let n: usize = tensor.dims().iter().product();
                self.0.insert(id, tensor.reshape([n]));
            }
        }
        let trained = trainable(model);
        let mut flat = Flat(HashMap::new());
        for_each_tensor(model, &mut flat);
        let pairs = ours.iter().zip(theirs);
        let frozen = pairs.filter(|(a, _)| !trained.contains(&a.id));
        Self {
            frozen: frozen
                .filter_map(|(a, b)| Some((b.id, (a.id, flat.0.remove(&a.id)?))))
                .collect(),
            changed: None,
        }
    }
}

impl ModuleMapper for Kept {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some((id, own)) = self.frozen.remove(&param.id) else {
            return param.set_require_grad(true);
        };
        let saved = param.val();
        let shape = saved.dims();
        let n: usize = shape.iter().product();
        // An adapter's frozen weights were never read again.
        let same = id == param.id || {
            // Whatever precision it is kept in, it was saved in f32.
            let [saved, own] = [saved.reshape([n]), own.clone()].map(|x| x.cast(DType::F32));
            saved.equal(own).all().into_scalar()
        };
        if !same {
            self.changed.get_or_insert(param.id);
        }
        Param::initialized(id, own.reshape(shape)).set_require_grad(false)
    }
}
