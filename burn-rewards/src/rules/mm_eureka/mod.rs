//! The rewards of MM-Eureka (arXiv:2503.07365): `examples/scripts/reward_func_*.py` of
//! ModalMinds/MM-EUREKA.

mod accuracy;
mod format;
mod instruct_accuracy;
mod qwen_accuracy;
mod zero_accuracy;
mod zero_format;

pub use format::MmEurekaFormat;
pub use instruct_accuracy::MmEurekaInstructAccuracy;
pub use qwen_accuracy::MmEurekaQwenAccuracy;
pub use zero_accuracy::MmEurekaZeroAccuracy;
pub use zero_format::MmEurekaZeroFormat;

/// What `compat` means for an accuracy of this family.
const COMPAT: (&str, &str) = ("compat", "reproduces the original with its quirks");
