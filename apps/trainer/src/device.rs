//! `--device`.

use crate::input_error::InputError;
use burn::tensor::Device;

/// The device called `name`.
///
/// # Errors
/// A name that is unknown or whose backend is not compiled in.
pub fn parse(name: &str) -> Result<Device, InputError> {
    let (backend, index) = name.split_once(':').unwrap_or((name, "0"));
    let index: usize = index
        .parse()
        .map_err(|_| InputError::new(format!("--device {name}: `{index}` is not a number")))?;
    match (backend, index) {
        #[cfg(feature = "flex")]
        ("flex", 0) => Ok(Device::flex()),
        #[cfg(feature = "cuda")]
        ("cuda", _) => Ok(Device::cuda(index)),
        _ => Err(InputError::new(format!(
            "--device is `{name}`, expected one of: {}",
            available().join(", ")
        ))),
    }
}

/// What this binary was compiled for.
fn available() -> Vec<&'static str> {
    let mut names = vec![];
    if cfg!(feature = "flex") {
        names.push("flex");
    }
    if cfg!(feature = "cuda") {
        names.push("cuda:N");
    }
    names
}
