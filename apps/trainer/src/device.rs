//! `--device`.

use crate::input_error::InputError;
use burn::tensor::Device;
#[cfg(any(feature = "cuda", feature = "tch"))]
use burn::tensor::DeviceType;
use burn_rl::dist::DeviceKind;
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

/// A backend that this binary may have. Adding one is an entry here, its features, and, where its
/// devices differ from those there are, an answer in `burn_vlm::device`.
pub struct BackendEntry {
    /// How its devices are named.
    pub names: &'static str,
    /// What it computes with.
    pub about: &'static str,
    /// The feature of this package that compiles it in.
    pub feature: &'static str,
    /// Whether it is compiled in.
    pub compiled: bool,
    /// Its kinds of devices.
    kinds: &'static [DeviceEntry],
}

/// Devices of one kind: alone, as `flex`, or numbered, as `cuda:0`, `cuda:1`.
struct DeviceEntry {
    /// The name without a number.
    prefix: &'static str,
    /// What people call one.
    called: &'static str,
    /// What it is to replicas.
    kind: DeviceKind,
    /// What holds its memory.
    memory: Memory,
    /// The devices of this machine, and how one is opened by its number; none if it is not compiled
    /// in.
    open: Option<Open>,
}

/// What holds the memory of a device, and who computes on it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Memory {
    /// The host, on the threads that call.
    Caller,
    /// The host, on threads of its own.
    Host,
    /// A GPU.
    Gpu,
}

/// How many there are, and one of them by its number.
type Open = (fn() -> usize, fn(usize) -> Device);

/// Every backend, compiled in or not.
pub const BACKENDS: &[BackendEntry] = &[
    BackendEntry {
        names: "flex",
        about: "CPU, in Rust",
        feature: "flex",
        compiled: cfg!(feature = "flex"),
        kinds: &[DeviceEntry {
            prefix: "flex",
            called: "CPU",
            kind: DeviceKind::Cpu,
            memory: Memory::Caller,
            open: FLEX,
        }],
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
        kinds: &[DeviceEntry {
            prefix: "cuda",
            called: "CUDA device",
            kind: DeviceKind::Cuda,
            memory: Memory::Gpu,
            open: CUDA,
        }],
    },
    BackendEntry {
        names: "tch, tch:cuda:N",
        about: "LibTorch; deprecated by Burn",
        feature: "tch",
        compiled: cfg!(feature = "tch"),
        kinds: &[
            DeviceEntry {
                prefix: "tch",
                called: "CPU of LibTorch",
                kind: DeviceKind::Cpu,
                memory: Memory::Host,
                open: TORCH,
            },
            DeviceEntry {
                prefix: "tch:cuda",
                called: "CUDA device of LibTorch",
                kind: DeviceKind::Other,
                memory: Memory::Gpu,
                open: TORCH_CUDA,
            },
        ],
    },
];

#[cfg(feature = "flex")]
const FLEX: Option<Open> = Some((|| 1, |_| Device::flex()));
#[cfg(not(feature = "flex"))]
const FLEX: Option<Open> = None;

#[cfg(feature = "cuda")]
const CUDA: Option<Open> = Some((
    || Device::enumerate(DeviceType::Cuda).into_vec().len(),
    Device::cuda,
));
#[cfg(not(feature = "cuda"))]
const CUDA: Option<Open> = None;

// Upstream will remove LibTorch; until then it is offered for what asks for it.
#[cfg(feature = "tch")]
#[allow(deprecated)]
const TORCH: Option<Open> = Some((|| 1, |_| Device::libtorch()));
#[cfg(feature = "tch")]
#[allow(deprecated)]
const TORCH_CUDA: Option<Open> = Some((
    || Device::enumerate(DeviceType::LibTorch).into_vec().len(),
    Device::libtorch_cuda,
));
#[cfg(not(feature = "tch"))]
const TORCH: Option<Open> = None;
#[cfg(not(feature = "tch"))]
const TORCH_CUDA: Option<Open> = None;

impl BackendEntry {
    /// The devices of this machine that it computes on, as `--device` names them.
    pub fn devices(&self) -> Vec<String> {
        let names = |entry: &DeviceEntry| {
            let count = entry.open.map_or(0, |(count, _)| count());
            (0..count).map(|i| entry.name(i)).collect::<Vec<_>>()
        };
        self.kinds.iter().flat_map(names).collect()
    }
}

impl DeviceEntry {
    fn is_numbered(&self) -> bool {
        self.memory == Memory::Gpu
    }

    fn name(&self, index: usize) -> String {
        match self.is_numbered() {
            true => format!("{}:{index}", self.prefix),
            false => self.prefix.into(),
        }
    }
}

/// The device called `name`.
///
/// # Errors
/// A name that is unknown, whose backend is not compiled in, or that this machine does not have.
pub fn parse(name: &str) -> Result<Device, InputError> {
    let refuse = |message: String| InputError::new(format!("--device {name}: {message}"));
    let (entry, index) = find(name).map_err(refuse)?;
    let Some((count, open)) = entry.open else {
        return Err(refuse(unknown(entry.prefix)));
    };
    match count() {
        count if index < count => Ok(open(index)),
        count => Err(refuse(found(entry.called, count))),
    }
}

/// Whether `name` is that of a device on some machine, with a binary that has its backend.
///
/// # Errors
/// A name that means nothing on any machine.
pub fn check_name(name: &str) -> Result<(), InputError> {
    let found = find(name);
    let refuse = |message: String| InputError::new(format!("--device {name}: {message}"));
    found.map(|_| ()).map_err(refuse)
}

/// What a device that a name is for is to replicas.
pub fn kind(name: &str) -> DeviceKind {
    find(name).map_or(DeviceKind::Other, |(entry, _)| entry.kind)
}

/// Which GPU of those that the process sees a name is for; none where it is for a CPU.
pub fn gpu(name: &str) -> Option<usize> {
    let (entry, index) = find(name).ok()?;
    (entry.memory == Memory::Gpu).then_some(index)
}

/// Whether a name is for a device that computes on the threads that call it.
pub fn computes_on_callers(name: &str) -> bool {
    find(name).is_ok_and(|(entry, _)| entry.memory == Memory::Caller)
}

/// The devices that a name is among, and its number at the end, 0 without one.
fn find(name: &str) -> Result<(&'static DeviceEntry, usize), String> {
    let (prefix, index) = match name.rsplit_once(':') {
        Some((prefix, index)) if index.bytes().all(|b| b.is_ascii_digit()) => (prefix, index),
        _ => (name, "0"),
    };
    let number = index.parse();
    let number = number.map_err(|_| format!("`{index}` is not the number of a device"))?;
    let mut kinds = BACKENDS.iter().flat_map(|backend| backend.kinds);
    let entry = kinds.find(|entry| entry.prefix == prefix && (entry.is_numbered() || number == 0));
    Ok((entry.ok_or_else(|| unknown(prefix))?, number))
}

/// Where a model is described without being loaded: the CPU, where a backend for it is compiled in.
pub fn host() -> Device {
    let kinds = BACKENDS.iter().flat_map(|backend| backend.kinds);
    let mut on_host = kinds.filter(|entry| entry.memory != Memory::Gpu);
    let open = on_host.find_map(|entry| entry.open);
    open.map_or_else(Device::default, |(_, open)| open(0))
}

/// What is wrong with a name that no compiled backend claims.
fn unknown(prefix: &str) -> String {
    let has = |backend: &&BackendEntry| backend.kinds.iter().any(|kind| kind.prefix == prefix);
    let left_out = BACKENDS.iter().filter(|b| !b.compiled).find(has);
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

fn found(what: &str, count: usize) -> String {
    match count {
        0 => format!("this machine has no {what} that its driver shows"),
        1 => format!("this machine has one {what}, number 0"),
        n => format!("this machine has {n} of them, numbers 0 to {}", n - 1),
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

    #[test]
    fn what_work_on_a_device_is_like() {
        let kinds = ["flex", "tch", "cuda:1", "tch:cuda:0"].map(kind);
        let expected = [
            DeviceKind::Cpu,
            DeviceKind::Cpu,
            DeviceKind::Cuda,
            DeviceKind::Other,
        ];
        assert_eq!(kinds, expected);
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_backend_that_was_left_out_is_named_with_its_feature() {
        assert!(refused("cuda:0").contains("--features cuda`"));
        assert!(refused("cuda").contains("--features cuda`"));
    }
}
