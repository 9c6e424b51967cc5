//! Weights of a policy that has no file format of its own: safetensors by parameter name.

use crate::error::RlError;
use burn::{
    module::{Module, Param, ParamId},
    tensor::{Tensor, TensorData},
};
use burn_vlm::weights::{
    F32View, TensorMapper, TensorVisitor, WeightFiles, for_each_tensor, map_tensors, write_f32,
};
use std::path::Path;

const FILE: &str = "model.safetensors";

/// Writes every parameter of a module into a directory.
pub(super) fn save_weights<M: Module>(module: &M, dir: &Path) -> Result<(), RlError> {
    #[derive(Default)]
    struct All(Vec<(String, Vec<usize>, Tensor<1>)>);
    impl TensorVisitor for All {
        fn visit<const D: usize>(&mut self, path: &str, _: ParamId, tensor: Tensor<D>) {
            let shape = tensor.dims().to_vec();
            let n: usize = shape.iter().product();
            self.0.push((path.to_owned(), shape, tensor.reshape([n])));
        }
    }
    let mut all = All::default();
    for_each_tensor(module, &mut all);
    let views = all.0.iter();
    let views = views.map(|(name, _, values)| (name.clone(), F32View::of(values)));
    let shapes: Vec<_> = all.0.iter().map(|(name, shape, _)| (name, shape)).collect();
    let path = dir.join(FILE);
    let shapes = serde_json::to_string(&shapes).map_err(|e| RlError::io(&path, e.into()))?;
    Ok(write_f32(&path, views, ("shapes", shapes))?)
}

/// The module with the parameters that [`save_weights`] wrote.
pub(super) fn load_weights<M: Module>(module: M, dir: &Path) -> Result<M, RlError> {
    struct Read {
        file: WeightFiles,
        refused: Option<RlError>,
    }
    impl Read {
        fn values(&self, path: &str, n: usize) -> Result<Vec<f32>, RlError> {
            let values = self.file.read_f32(path)?;
            match values.len() == n {
                true => Ok(values),
                false => Err(RlError::Checkpoint {
                    path: self.file.path().into(),
                    message: format!("{path} has {} values, expected {n}", values.len()),
                }),
            }
        }
    }
    impl TensorMapper for Read {
        fn map<const D: usize>(
            &mut self,
            path: &str,
            param: &Param<Tensor<D>>,
        ) -> Option<Tensor<D>> {
            let old = param.val();
            match self.values(path, old.dims().iter().product()) {
                Ok(values) => {
                    let data = TensorData::new(values, old.dims());
                    Some(Tensor::from_data(data, &old.device()))
                }
                Err(error) => {
                    self.refused.get_or_insert(error);
                    None
                }
            }
        }
    }
    let file = WeightFiles::open_file(&dir.join(FILE))?;
    let refused = None;
    let mut read = Read { file, refused };
    let module = map_tensors(module, &mut read);
    read.refused.map_or(Ok(module), Err)
}
