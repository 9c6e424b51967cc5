//! Qwen2 ([arXiv:2407.10671](https://arxiv.org/abs/2407.10671)) and Qwen2.5, which is the same
//! architecture: Llama with biases on queries, keys and values.

pub mod config;
