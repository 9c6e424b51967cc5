//! One folder a model family: `config`, `vision`, `text`, `processor` and the checkpoint's `keys`.

pub mod qwen2_5_vl;
