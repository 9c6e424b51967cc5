//! Parameters and small tensors as the layers make them.

use crate::freeze::is_trained;
use burn::{
    module::{Param, ParamId},
    tensor::{DType, Device, Int, Shape, Tensor, TensorData},
};

/// A parameter of the given shape that costs no memory until it is loaded or initialised.
pub fn lazy_param<const D: usize>(
    shape: [usize; D],
    fill: f32,
    device: &Device,
) -> Param<Tensor<D>> {
    Param::uninitialized(
        ParamId::new(),
        move |device, require_grad| {
            let value = Tensor::full(shape, fill, device);
            if require_grad {
                value.require_grad()
            } else {
                value
            }
        },
        device.clone(),
        true,
        Shape::from(shape),
    )
}

/// A parameter in another precision.
pub(crate) fn rounded<const D: usize>(param: &Param<Tensor<D>>, dtype: DType) -> Param<Tensor<D>> {
    let value = param.val();
    match value.dtype() == dtype {
        true => param.clone(),
        false => {
            Param::initialized(param.id, value.cast(dtype)).set_require_grad(is_trained(param))
        }
    }
}

/// `[len]`
pub fn int_tensor(values: Vec<i64>, device: &Device) -> Tensor<1, Int> {
    let len = values.len();
    Tensor::from_data(TensorData::new(values, [len]), device)
}
