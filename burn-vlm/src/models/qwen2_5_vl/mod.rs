//! Qwen2.5-VL ([arXiv:2502.13923](https://arxiv.org/abs/2502.13923)): [Qwen2-VL](super::qwen2_vl)
//! with RMSNorm, SwiGLU and windowed attention in the vision transformer.

pub mod config;
