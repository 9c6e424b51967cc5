//! `--device`.

use crate::input_error::InputError;
use burn::tensor::Device;
use burn_vlm::{Compute, Precision};

/// What is computed on unless somebody says otherwise.
pub const DEFAULT: &str = if cfg!(feature = "flex") {
    "flex"
} else if cfg!(feature = "cuda") {
    "cuda:0"
} else {
    "tch"
};

/// Where a command that runs a model computes, and in what.
#[derive(Debug, Clone, clap::Args)]
pub struct DeviceArgs {
    /// Where to compute, as `trainer inspect --devices` lists it.
    #[arg(long, default_value = DEFAULT)]
    pub device: String,
    /// What to compute in: auto (bf16 on GPUs, f32 on CPUs), f32 or bf16.
    #[arg(long, default_value = "auto", value_parser = precision)]
    pub dtype: Precision,
}

impl DeviceArgs {
    /// The device, and what to compute in there.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn open(&self) -> Result<(Device, Compute), InputError> {
        let device = parse(&self.device)?;
        let compute = self.dtype.on(&device);
        Ok((device, compute))
    }
}

/// The precision called `name`.
///
/// # Errors
/// A name that is none.
pub fn precision(name: &str) -> Result<Precision, String> {
    match name {
        "auto" => Ok(Precision::Auto),
        "f32" => Ok(Precision::F32),
        "bf16" => Ok(Precision::Bf16),
        _ => Err("expected auto, f32 or bf16".into()),
    }
}

/// A backend that this binary may have.
pub struct BackendEntry {
    /// How its devices are named.
    pub names: &'static str,
    /// What it computes with.
    pub about: &'static str,
    /// The feature of this package that compiles it in.
    pub feature: &'static str,
    /// Whether it is compiled in.
    pub compiled: bool,
    /// The devices of this machine, as `--device` names them.
    devices: fn() -> Vec<String>,
}

/// Every backend, compiled in or not.
pub const BACKENDS: &[BackendEntry] = &[
    BackendEntry {
        names: "flex",
        about: "CPU, in Rust",
        feature: "flex",
        compiled: cfg!(feature = "flex"),
        devices: || vec!["flex".into()],
    },
    BackendEntry {
        names: "cuda:N",
        about: if cfg!(feature = "cuda-nvrtc") {
            "NVIDIA GPU, kernels through NVRTC"
        } else {
            "NVIDIA GPU, kernels through LLVM"
        },
        feature: if cfg!(feature = "cuda-nvrtc") {
            "cuda-nvrtc"
        } else {
            "cuda"
        },
        compiled: cfg!(feature = "cuda"),
        devices: || numbered("cuda", cuda_count()),
    },
    BackendEntry {
        names: "tch, tch:cuda:N",
        about: "LibTorch; deprecated by Burn",
        feature: "tch",
        compiled: cfg!(feature = "tch"),
        devices: || {
            let mut names = vec!["tch".to_owned()];
            names.extend(numbered("tch:cuda", torch_cuda_count()));
            names
        },
    },
];

impl BackendEntry {
    /// The devices of this machine that it computes on, as `--device` names them.
    pub fn devices(&self) -> Vec<String> {
        match self.compiled {
            true => (self.devices)(),
            false => vec![],
        }
    }
}

/// The device called `name`.
///
/// # Errors
/// A name that is unknown, whose backend is not compiled in, or that this machine does not have.
pub fn parse(name: &str) -> Result<Device, InputError> {
    let refuse = |message: String| InputError::new(format!("--device {name}: {message}"));
    let (backend, index) = split(name).map_err(refuse)?;
    let device = match (backend, index) {
        #[cfg(feature = "flex")]
        ("flex", 0) => Device::flex(),
        #[cfg(feature = "cuda")]
        ("cuda", _) if index < cuda_count() => Device::cuda(index),
        #[cfg(feature = "cuda")]
        ("cuda", _) => return Err(refuse(found("CUDA device", cuda_count()))),
        #[cfg(feature = "tch")]
        ("tch", 0) => torch(None),
        #[cfg(feature = "tch")]
        ("tch:cuda", _) if index < torch_cuda_count() => torch(Some(index)),
        #[cfg(feature = "tch")]
        ("tch:cuda", _) => {
            return Err(refuse(found("CUDA device of LibTorch", torch_cuda_count())));
        }
        _ => return Err(refuse(unknown(backend))),
    };
    Ok(device)
}

/// Whether `name` is that of a device on some machine, with a binary that has its backend.
///
/// # Errors
/// A name that means nothing on any machine.
pub fn check_name(name: &str) -> Result<(), InputError> {
    let refuse = |message: String| InputError::new(format!("--device {name}: {message}"));
    let (backend, index) = split(name).map_err(refuse)?;
    match (backend, index) {
        ("flex" | "tch", 0) | ("cuda" | "tch:cuda", _) => Ok(()),
        _ => Err(refuse(unknown(backend))),
    }
}

/// The backend that a name begins with, and the number at its end, 0 without one.
fn split(name: &str) -> Result<(&str, usize), String> {
    let (backend, index) = match name.rsplit_once(':') {
        Some((backend, index)) if index.bytes().all(|b| b.is_ascii_digit()) => (backend, index),
        _ => (name, "0"),
    };
    let number = index.parse();
    let number = number.map_err(|_| format!("`{index}` is not the number of a device"))?;
    Ok((backend, number))
}

/// Which GPU of those that the process sees a name is for; none where it is for a CPU.
pub fn gpu(name: &str) -> Option<usize> {
    let (backend, index) = split(name).ok()?;
    matches!(backend, "cuda" | "tch:cuda").then_some(index)
}

/// Where a model is described without being loaded: the CPU, where a backend for it is compiled in.
pub fn host() -> Device {
    #[cfg(feature = "flex")]
    return Device::flex();
    #[cfg(all(feature = "tch", not(feature = "flex")))]
    return torch(None);
    #[cfg(not(any(feature = "flex", feature = "tch")))]
    Device::default()
}

/// What is wrong with a name that no compiled backend claims.
fn unknown(backend: &str) -> String {
    let left_out = BACKENDS.iter().find(|b| {
        let mut names = b.names.split(", ").map(|name| name.trim_end_matches(":N"));
        !b.compiled && names.any(|name| name == backend)
    });
    let compiled = BACKENDS.iter().filter(|b| b.compiled).map(|b| b.names);
    let compiled = compiled.collect::<Vec<_>>().join(", ");
    match left_out {
        Some(backend) => format!(
            "not compiled in (`cargo build --release -p trainer --features {}`), expected one of: \
             {compiled}",
            backend.feature
        ),
        None => format!("no such device, expected one of: {compiled}"),
    }
}

#[cfg(any(feature = "cuda", feature = "tch"))]
fn found(what: &str, count: usize) -> String {
    match count {
        0 => format!("this machine has no {what} that its driver shows"),
        1 => format!("this machine has one {what}, number 0"),
        n => format!("this machine has {n} of them, numbers 0 to {}", n - 1),
    }
}

fn numbered(name: &str, count: usize) -> Vec<String> {
    (0..count).map(|i| format!("{name}:{i}")).collect()
}

#[cfg(feature = "cuda")]
fn cuda_count() -> usize {
    let devices = Device::enumerate(burn::tensor::DeviceType::Cuda);
    devices.into_vec().len()
}

#[cfg(not(feature = "cuda"))]
fn cuda_count() -> usize {
    0
}

#[cfg(feature = "tch")]
fn torch_cuda_count() -> usize {
    let devices = Device::enumerate(burn::tensor::DeviceType::LibTorch);
    devices.into_vec().len()
}

#[cfg(not(feature = "tch"))]
fn torch_cuda_count() -> usize {
    0
}

/// The CPU of LibTorch, or one of its GPUs.
#[cfg(feature = "tch")]
#[allow(deprecated)] // Upstream will remove it; until then it is offered for what asks for it.
fn torch(gpu: Option<usize>) -> Device {
    match gpu {
        Some(index) => Device::libtorch_cuda(index),
        None => Device::libtorch(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(name: &str) -> String {
        parse(name).expect_err(name).to_string()
    }

    #[test]
    fn what_is_compiled_in_is_found() {
        parse(DEFAULT).unwrap();
        for backend in BACKENDS.iter().filter(|b| b.compiled) {
            for name in backend.devices() {
                parse(&name).unwrap();
            }
        }
    }

    #[test]
    fn a_name_that_is_none_is_refused_with_those_that_are() {
        for name in ["gpu", "", "flex:1", "flex:x", "cuda:-1", ":0"] {
            let message = refused(name);
            let start = format!("--device {name}: ");
            assert!(message.starts_with(&start), "{message}");
        }
        assert!(refused("gpu").contains(DEFAULT));
        assert!(refused("cuda:99999999999999999999").contains("not the number"));
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_backend_that_was_left_out_is_named_with_its_feature() {
        assert!(refused("cuda:0").contains("--features cuda`"));
        assert!(refused("cuda").contains("--features cuda`"));
    }
}
